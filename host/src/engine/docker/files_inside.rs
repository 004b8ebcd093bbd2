//! A container's files where only the engine reaches them: by duress's helper where the engine has it, else by the container's own tools.

use super::Docker;
use super::exec::TOOL;
use crate::engine::{Beside, ContainerId, EngineError, EngineResult, FileSystem, Program};

impl Docker {
    /// Have the helper do something with a path in the container; what it printed, as JSON.
    async fn by_helper<T: serde::de::DeserializeOwned>(
        &self,
        id: &ContainerId,
        words: &[&str],
    ) -> EngineResult<T> {
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

    pub(super) async fn file_system_inside(
        &self,
        id: &ContainerId,
        path: &str,
    ) -> EngineResult<FileSystem> {
        if self.info.toolbox {
            return self.by_helper(id, &["file-system", path]).await;
        }
        // stat(1): the block size, all blocks, those free for ordinary users; the number of the file system.
        let said = self
            .tool(id, &["stat", "-f", "-c", "%S %b %a %i", path])
            .await?;
        let root = self.tool(id, &["stat", "-f", "-c", "%i", "/"]).await?;
        let mut words = said.split_whitespace();
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
        let (Some(block), Some(all), Some(free)) = (number(), number(), number()) else {
            return Err(EngineError::Failed(format!(
                "`stat -f` of {path} said: {}",
                said.trim()
            )));
        };
        Ok(FileSystem {
            capacity: block.saturating_mul(all),
            available: block.saturating_mul(free),
            root: said.split_whitespace().next_back() == Some(root.trim()),
        })
    }

    pub(super) async fn fill_inside(
        &self,
        id: &ContainerId,
        path: &str,
        size: u64,
    ) -> EngineResult<()> {
        if self.info.toolbox {
            return self.by_helper(id, &["fill", path, &size.to_string()]).await;
        }
        if self.size_inside(id, path).await?.is_some() {
            return Err(EngineError::Failed(format!("{path} is there already")));
        }
        let filled = self
            .tool(id, &["fallocate", "-l", &size.to_string(), path])
            .await;
        if filled.is_err() {
            self.remove_inside(id, path).await?;
        }
        filled.map(drop)
    }

    pub(super) async fn size_inside(
        &self,
        id: &ContainerId,
        path: &str,
    ) -> EngineResult<Option<u64>> {
        if self.info.toolbox {
            return self.by_helper(id, &["size", path]).await;
        }
        let command = ["stat", "-c", "%s", path].map(str::to_owned).to_vec();
        let output = self
            .run_inside(
                id,
                &Program {
                    command,
                    timeout: TOOL,
                },
            )
            .await?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok())
    }

    pub(super) async fn remove_inside(&self, id: &ContainerId, path: &str) -> EngineResult<()> {
        if self.info.toolbox {
            return self.by_helper(id, &["remove", path]).await;
        }
        self.tool(id, &["rm", "-f", path]).await.map(drop)
    }
}
