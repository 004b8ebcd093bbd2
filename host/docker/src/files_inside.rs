//! A container's files where only the engine reaches them: by duress's helper. The container's own tools would take a path, and what
//! a path leads to can change between a look and the act.

use super::{Docker, toolbox};
use duress_engine::{Beside, ContainerId, EngineError, EngineResult, FileSystem, Fill};

impl Docker {
    /// Has the helper do something with a path in the container; what it printed, as JSON.
    async fn by_helper<T: serde::de::DeserializeOwned>(
        &self,
        id: &ContainerId,
        words: &[&str],
    ) -> EngineResult<T> {
        if !self.info.toolbox {
            return Err(toolbox::missing());
        }
        let said = self.helper_says(id, Beside::Processes, words).await?;
        // Of what prints nothing there is nothing to read.
        let said = if said.trim().is_empty() {
            "null"
        } else {
            &said
        };
        serde_json::from_str(said).map_err(|error| {
            EngineError::Failed(format!("read what `{}` said: {error}", words.join(" ")))
        })
    }

    /// A verb of the helper about a fill.
    async fn about_fill<T: serde::de::DeserializeOwned>(
        &self,
        id: &ContainerId,
        verb: &str,
        fill: Fill<'_>,
    ) -> EngineResult<T> {
        let size = fill.size.to_string();
        let mut words = vec![verb, fill.path, &size];
        if let Some(mark) = fill.mark {
            words.extend(["--mark", mark]);
        }
        if fill.root_filesystem {
            words.push("--root-filesystem");
        }
        self.by_helper(id, &words).await
    }

    pub(super) async fn file_system_inside(
        &self,
        id: &ContainerId,
        path: &str,
    ) -> EngineResult<FileSystem> {
        self.by_helper(id, &["file-system", path]).await
    }

    pub(super) async fn fill_inside(&self, id: &ContainerId, fill: Fill<'_>) -> EngineResult<()> {
        self.about_fill(id, "fill", fill).await
    }

    pub(super) async fn fill_is_inside(
        &self,
        id: &ContainerId,
        fill: Fill<'_>,
    ) -> EngineResult<bool> {
        self.about_fill(id, "fill-is-there", fill).await
    }

    pub(super) async fn remove_inside(&self, id: &ContainerId, fill: Fill<'_>) -> EngineResult<()> {
        self.about_fill(id, "remove-fill", fill).await
    }
}
