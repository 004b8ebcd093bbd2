//! The engine itself.

use async_trait::async_trait;
use duress_engine::{Daemon, EngineInfo, EngineResult, NetDriver, Requirement};

use super::engine::SimulatedEngine;

#[async_trait]
impl Daemon for SimulatedEngine {
    async fn info(&self) -> EngineResult<EngineInfo> {
        Ok(EngineInfo {
            version: "simulated".into(),
            address: "memory".into(),
            cgroup_version: 2,
            local: true,
            net_driver: NetDriver::Namespace,
            toolbox: true,
        })
    }

    async fn ping(&self) -> EngineResult<()> {
        self.look("ping", |_| Ok(())).await
    }

    async fn has(&self, _: &Requirement) -> EngineResult<bool> {
        self.look("look for what is needed", |machine| Ok(!machine.bare))
            .await
    }
}
