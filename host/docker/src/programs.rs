//! Programs in a container, in its network by the driver, and on its volumes.

use async_trait::async_trait;
use duress_engine::{
    ContainerId, EngineError, EngineResult, NetDriver, Output, Program, Programs, network_program,
};

use super::{Docker, namespace};

#[async_trait]
impl Programs for Docker {
    async fn exec(&self, container: &ContainerId, program: &Program) -> EngineResult<Output> {
        self.run_inside(container, program).await
    }

    async fn run_in_network(
        &self,
        container: &ContainerId,
        program: &Program,
    ) -> EngineResult<Output> {
        network_program::check(&program.command).map_err(EngineError::Failed)?;
        match self.info.net_driver {
            NetDriver::Namespace => {
                namespace::run_in_network(&self.process(container).await?, program).await
            }
            NetDriver::Toolbox => self.run_in_toolbox(container, program).await,
            NetDriver::Container => self.run_inside(container, program).await,
        }
    }

    async fn run_offline(
        &self,
        container: &ContainerId,
        program: &Program,
    ) -> EngineResult<Output> {
        self.run_on_volumes(container, program).await
    }
}
