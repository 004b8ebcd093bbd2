//! Memory and limits.

use async_trait::async_trait;
use duress_engine::{Accounts, ContainerId, EngineResult, Limits, LimitsRecord, Resources};

use super::engine::SimulatedEngine;

/// The memory of the machine, in bytes.
const MEMORY: u64 = 16 << 30;

#[async_trait]
impl Resources for SimulatedEngine {
    async fn memory_in_use(&self, id: &ContainerId) -> EngineResult<u64> {
        self.look("measure memory", |machine| {
            machine.container(&id.0).map(|_| 10 << 20)
        })
        .await
    }

    async fn accounts(&self, id: &ContainerId) -> EngineResult<Accounts> {
        self.look("read accounts", |machine| {
            machine.container(&id.0).map(|container| Accounts {
                cpu_time: container.uptime() / 100,
                oom_kills: Some(0),
            })
        })
        .await
    }

    async fn machine_memory(&self) -> EngineResult<u64> {
        self.look("ask for the machine's memory", |_| Ok(MEMORY))
            .await
    }

    async fn limits_record(&self, id: &ContainerId) -> EngineResult<LimitsRecord> {
        self.look("ask for limits", |machine| {
            Ok(machine.container(&id.0)?.limits.into())
        })
        .await
    }

    async fn set_limits(&self, id: &ContainerId, limits: Limits) -> EngineResult<()> {
        self.change("set limits", |machine| {
            let now = &mut machine.touch(&id.0)?.limits;
            *now = Limits {
                cpus: limits.cpus.or(now.cpus),
                memory_bytes: limits.memory_bytes.or(now.memory_bytes),
                pids: limits.pids.or(now.pids),
            };
            Ok(())
        })
        .await
    }

    async fn restore_limits(
        &self,
        id: &ContainerId,
        before: &LimitsRecord,
        kinds: &Limits,
    ) -> EngineResult<()> {
        let before = *before;
        let kinds = *kinds;
        self.change("restore limits", move |machine| {
            let now = &mut machine.touch(&id.0)?.limits;
            *now = LimitsRecord::from(*now)
                .with_earlier(&before, &kinds)
                .limits();
            Ok(())
        })
        .await
    }
}
