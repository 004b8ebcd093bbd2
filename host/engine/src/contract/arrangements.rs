//! Containers that are set aside for others that are made from them.

use async_trait::async_trait;

use crate::{Arranged, Arrangement, EngineResult, Project};

/// Containers that are set aside for others that are made from them.
///
/// Whatever changes something may be repeated: what is so already is not an error.
#[async_trait]
pub trait Arrangements: Send + Sync {
    /// Sets containers of a project aside, and starts others that are made from them.
    async fn arrange(&self, project: &Project, arrangement: &Arrangement) -> EngineResult<()>;
    /// Removes what an arrangement made, and starts what it set aside. Without some of that, [`EngineError::Gone`] once the rest is back.
    async fn put_back(&self, project: &Project, arrangement: &Arrangement) -> EngineResult<()>;
    /// Returns how much of an arrangement is there.
    async fn arranged(
        &self,
        project: &Project,
        arrangement: &Arrangement,
    ) -> EngineResult<Arranged>;
}
