//! Memory in use, and the limits of a container.

use std::time::Duration;

use async_trait::async_trait;

use crate::{ContainerId, EngineResult, Limits, LimitsRecord};

/// What the kernel has accounted to a container since it was started last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Accounts {
    /// Processor time that its processes have used.
    pub cpu_time: Duration,
    /// Processes that were killed for want of memory; `None` where the count cannot be read.
    pub oom_kills: Option<u64>,
}

/// Memory in use, and the limits of a container.
///
/// Whatever changes something may be repeated: what is so already is not an error.
#[async_trait]
pub trait Resources: Send + Sync {
    /// Returns the memory that it uses and that the kernel could not reclaim at once, in bytes.
    async fn memory_in_use(&self, container: &ContainerId) -> EngineResult<u64>;
    /// Returns what the kernel has accounted to a container that runs.
    async fn accounts(&self, container: &ContainerId) -> EngineResult<Accounts>;
    /// Returns the memory of the engine's machine, in bytes.
    async fn machine_memory(&self) -> EngineResult<u64> {
        Ok(u64::MAX)
    }
    /// Returns the limits it has; an absent one is unlimited.
    async fn limits(&self, container: &ContainerId) -> EngineResult<Limits> {
        Ok(self.limits_record(container).await?.limits())
    }
    /// Returns the limits it has, as the engine keeps them.
    async fn limits_record(&self, container: &ContainerId) -> EngineResult<LimitsRecord>;
    /// Makes the limits that are given tighter, in the units in which the container has them.
    async fn set_limits(&self, container: &ContainerId, limits: Limits) -> EngineResult<()>;
    /// Restores what was, of the kinds that are given.
    async fn restore_limits(
        &self,
        container: &ContainerId,
        before: &LimitsRecord,
        kinds: &Limits,
    ) -> EngineResult<()>;
}
