//! Programs that run in a container, in its network or on its volumes, and end.

use async_trait::async_trait;

use crate::{ContainerId, EngineResult, Output, Program};

/// Programs that run in a container, in its network or on its volumes, and end.
///
/// Whatever changes something may be repeated: what is so already is not an error.
#[async_trait]
pub trait Programs: Send + Sync {
    /// Runs a program in the container. An exit code other than 0 is not an error.
    async fn exec(&self, container: &ContainerId, program: &Program) -> EngineResult<Output>;
    /// Runs a program in the container's network namespace, by the driver of [`EngineInfo::net_driver`].
    async fn run_in_network(
        &self,
        container: &ContainerId,
        program: &Program,
    ) -> EngineResult<Output>;
    /// Stops a container, and runs a program on its volumes, as it would run in it, without a network. The container stays stopped. An
    /// exit code other than 0 is not an error.
    async fn run_offline(&self, container: &ContainerId, program: &Program)
    -> EngineResult<Output>;
}
