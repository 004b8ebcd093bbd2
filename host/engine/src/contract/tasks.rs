//! Work that goes on beside a container, and the processes of the container.

use std::time::Duration;

use async_trait::async_trait;

use crate::{ContainerId, EngineResult, Process, Work};

/// Work that goes on beside a container, and the processes of the container.
///
/// Whatever changes something may be repeated: what is so already is not an error.
#[async_trait]
pub trait Tasks: Send + Sync {
    /// Starts work beside a container, under a name that is found again. When it returns, the work is being done. After `ends_after` it
    /// ends by itself, though nobody ends it.
    async fn start_task(
        &self,
        container: &ContainerId,
        id: &str,
        work: &Work,
        ends_after: Option<Duration>,
    ) -> EngineResult<()>;
    /// Returns whether a task of that name is being worked at.
    async fn task_works(
        &self,
        container: &ContainerId,
        id: &str,
        work: &Work,
    ) -> EngineResult<bool>;
    /// Ends a task. One that has ended is not an error.
    async fn stop_task(&self, container: &ContainerId, id: &str, work: &Work) -> EngineResult<()>;
    /// Returns the processes of a running container.
    async fn processes(&self, container: &ContainerId) -> EngineResult<Vec<Process>>;
    /// Sends a signal to processes, each named by its pid in the container and when it started. One that has ended is not an error.
    async fn signal_processes(
        &self,
        container: &ContainerId,
        processes: &[(i32, u64)],
        signal: &str,
    ) -> EngineResult<()>;
}
