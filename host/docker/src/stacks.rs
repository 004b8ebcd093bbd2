//! Stacks: by the compose tool, and by labels.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use duress_engine::{Container, EngineResult, Leftover, Project, Snapshot, Stack, Stacks, compose};

use super::Docker;

#[async_trait]
impl Stacks for Docker {
    async fn stack_up(&self, stack: &Stack, timeout: Duration) -> EngineResult<()> {
        compose::up(stack, &self.info.address, timeout).await
    }

    async fn stack_down(&self, stack: &Stack, timeout: Duration) -> EngineResult<()> {
        self.thaw(&stack.project).await;
        self.remove_made(&stack.project).await?;
        // Whatever the compose tool could not do, the removal by label does; its failure is the one that counts.
        if let Err(error) = compose::down(stack, &self.info.address, timeout).await {
            tracing::info!("{error}; what is left is removed by label");
        }
        self.remove_all(&stack.project).await
    }

    async fn remove_project(&self, project: &Project) -> EngineResult<()> {
        self.thaw(project).await;
        self.remove_made(project).await?;
        self.remove_all(project).await
    }

    async fn leftovers(&self) -> EngineResult<Vec<Leftover>> {
        self.labelled().await
    }

    async fn adopt(
        &self,
        project: &Project,
        labels: &BTreeMap<String, String>,
    ) -> EngineResult<()> {
        self.adopt_selected(project, labels).await
    }

    async fn containers(&self, project: &Project) -> EngineResult<Vec<Container>> {
        self.list(project).await
    }

    async fn snapshots(&self, project: &Project) -> EngineResult<Vec<Snapshot>> {
        self.look_at(project).await
    }
}
