//! One container's life: its state and log, and its start, pause and stop.

use std::time::Duration;

use async_trait::async_trait;

use crate::{ContainerId, Details, EngineResult, LogLine, LogsAsked, State};

/// One container's life: its state and log, and its start, pause and stop.
///
/// Whatever changes something may be repeated: what is so already is not an error.
#[async_trait]
pub trait Lifecycle: Send + Sync {
    /// One container's state. [`EngineError::Gone`] when it was removed.
    async fn state(&self, container: &ContainerId) -> EngineResult<State>;
    /// Returns how a container came to what it is.
    async fn details(&self, container: &ContainerId) -> EngineResult<Details>;
    /// Returns the newest lines of a container's log, oldest first.
    async fn logs(&self, container: &ContainerId, asked: LogsAsked) -> EngineResult<Vec<LogLine>>;
    /// Sends a signal, e.g. `SIGKILL`, to the container's first process.
    async fn signal(&self, container: &ContainerId, signal: &str) -> EngineResult<()>;
    /// Freezes it.
    async fn pause(&self, container: &ContainerId) -> EngineResult<()>;
    /// Lets it go on. One that does not run is not an error.
    async fn unpause(&self, container: &ContainerId) -> EngineResult<()>;
    /// Stops it; after the grace it is killed.
    async fn stop(&self, container: &ContainerId, grace: Duration) -> EngineResult<()>;
    /// Starts it if it does not run.
    async fn start(&self, container: &ContainerId) -> EngineResult<()>;
    /// Stops it, and starts it again; after the grace it is killed.
    async fn restart(&self, container: &ContainerId, grace: Duration) -> EngineResult<()>;
}
