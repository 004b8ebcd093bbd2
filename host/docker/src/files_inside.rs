//! A container's files where only the engine reaches them: by duress's helper. The container's own tools would take a path, and what
//! a path leads to can change between a look and the act.

use duress_tasks::Request;

use super::{Docker, short, toolbox};
use duress_engine::{Beside, ContainerId, EngineError, EngineResult, FileSystem, Fill};

impl Docker {
    /// Has the helper do something with a path in the container; what it printed, as JSON.
    async fn by_helper<T: serde::de::DeserializeOwned>(
        &self,
        id: &ContainerId,
        request: Request,
    ) -> EngineResult<T> {
        if !self.info.toolbox {
            return Err(toolbox::missing());
        }
        let said = self.helper_says(id, Beside::Processes, &request).await?;
        // Of what prints nothing there is nothing to read.
        let said = if said.trim().is_empty() {
            "null"
        } else {
            &said
        };
        serde_json::from_str(said).map_err(|error| {
            EngineError::Failed(format!(
                "{} of container {}: read what the helper answered: {error}",
                request.name(),
                short(id)
            ))
        })
    }

    pub(super) async fn file_system_inside(
        &self,
        id: &ContainerId,
        path: &str,
    ) -> EngineResult<FileSystem> {
        let path = path.to_owned();
        self.by_helper(id, Request::FileSystem { path }).await
    }

    pub(super) async fn fill_inside(&self, id: &ContainerId, fill: Fill<'_>) -> EngineResult<()> {
        self.by_helper(id, Request::Fill(request(fill))).await
    }

    pub(super) async fn fill_is_inside(
        &self,
        id: &ContainerId,
        fill: Fill<'_>,
    ) -> EngineResult<bool> {
        self.by_helper(id, Request::FillIsThere(request(fill)))
            .await
    }

    pub(super) async fn remove_inside(&self, id: &ContainerId, fill: Fill<'_>) -> EngineResult<()> {
        self.by_helper(id, Request::RemoveFill(request(fill))).await
    }
}

fn request(fill: Fill<'_>) -> duress_tasks::Fill {
    duress_tasks::Fill {
        path: fill.path.to_owned(),
        size: fill.size,
        mark: fill.mark.map(str::to_owned),
        root_filesystem: fill.root_filesystem,
    }
}
