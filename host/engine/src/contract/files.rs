//! Files and disks of a container: looked at, filled, replaced and restored.

use async_trait::async_trait;

use crate::{ContainerId, EngineResult, FileSystem, Fill, Replacement, Sharer, Standing};

/// Files and disks of a container: looked at, filled, replaced and restored.
///
/// Whatever changes something may be repeated: what is so already is not an error.
#[async_trait]
pub trait Files: Send + Sync {
    /// Returns the file system that holds an absolute path of the container.
    async fn file_system(&self, container: &ContainerId, path: &str) -> EngineResult<FileSystem>;
    /// Allocates a new file, whole or not at all. What it lies on is decided on the opened folder.
    async fn fill_disk(&self, container: &ContainerId, fill: Fill<'_>) -> EngineResult<()>;
    /// Returns whether the fill is there, whole. Another file at its path is not it.
    async fn fill_is_there(&self, container: &ContainerId, fill: Fill<'_>) -> EngineResult<bool>;
    /// Removes a fill. One that is not there is not an error; another file at its path stays.
    async fn remove_fill(&self, container: &ContainerId, fill: Fill<'_>) -> EngineResult<()>;
    /// Returns what a path of the container leads to, whether the container runs or not.
    async fn read_file(&self, container: &ContainerId, path: &str) -> EngineResult<Standing>;
    /// Replaces a file that is the original still. One that is replaced already is not an error.
    async fn replace_file(&self, container: &ContainerId, new: Replacement<'_>)
    -> EngineResult<()>;
    /// Restores a file, whatever is there. One that is restored already is not an error.
    async fn restore_file(&self, container: &ContainerId, new: Replacement<'_>)
    -> EngineResult<()>;
    /// Whether a path of the container is in a folder or file of the engine's machine that the compose file mounts there.
    async fn is_of_machine(&self, container: &ContainerId, path: &str) -> EngineResult<bool>;
    /// The ids of other containers, of any project, that can write to the volume that holds an absolute path of the container.
    async fn volume_sharers(
        &self,
        container: &ContainerId,
        path: &str,
    ) -> EngineResult<Vec<Sharer>>;
}
