//! Stacks of containers: brought up, listed and removed, a project for each.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::{Container, EngineResult, Leftover, Project, Snapshot, Stack};

/// Stacks of containers: brought up, listed and removed, a project for each.
///
/// Whatever changes something may be repeated: what is so already is not an error.
#[async_trait]
pub trait Stacks: Send + Sync {
    /// Creates and starts every service of the stack.
    async fn stack_up(&self, stack: &Stack, timeout: Duration) -> EngineResult<()>;
    /// Removes the stack with its networks and volumes, by the compose tool, and then whatever of the project it left.
    async fn stack_down(&self, stack: &Stack, _timeout: Duration) -> EngineResult<()> {
        self.remove_project(&stack.project).await
    }
    /// Removes everything of a project without its compose file.
    async fn remove_project(&self, project: &Project) -> EngineResult<()>;
    /// Everything that carries duress's labels, of whatever project.
    async fn leftovers(&self) -> EngineResult<Vec<Leftover>>;
    /// Puts these labels on whatever it makes beside the containers that a project attaches to ([`Project::selection`]), so that it
    /// is found and removed with the project.
    async fn adopt(
        &self,
        _project: &Project,
        _labels: &BTreeMap<String, String>,
    ) -> EngineResult<()> {
        Ok(())
    }
    /// Returns the containers of a project, or those that it attaches to, by name.
    async fn containers(&self, project: &Project) -> EngineResult<Vec<Container>>;
    /// Returns how each container of a project stands now, by name.
    async fn snapshots(&self, project: &Project) -> EngineResult<Vec<Snapshot>>;
}
