//! The engine itself: what it is, and whether it answers.

use async_trait::async_trait;

use crate::{EngineInfo, EngineResult, Requirement};

/// The engine itself: what it is, and whether it answers.
///
/// Whatever changes something may be repeated: what is so already is not an error.
#[async_trait]
pub trait Daemon: Send + Sync {
    /// Returns what it is. Fails with [`EngineError::Missing`] where no engine answers.
    async fn info(&self) -> EngineResult<EngineInfo>;
    /// Whether it answers now. Fails with [`EngineError::Missing`] where it does not.
    async fn ping(&self) -> EngineResult<()>;
    /// Returns whether what a fault needs is there. Fails where no engine answers.
    async fn has(&self, requirement: &Requirement) -> EngineResult<bool> {
        Ok(requirement.check(&self.info().await?).await.is_ok())
    }
    /// Waits until the engine itself ends or is restarted. One that cannot be watched never does.
    async fn until_it_ends(&self) {
        std::future::pending::<()>().await;
    }
}
