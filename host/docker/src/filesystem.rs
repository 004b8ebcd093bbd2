//! Files and disks: beside the container where its root can be reached from here, else by the helper in it.

use async_trait::async_trait;
use duress_engine::{
    ContainerId, EngineError, EngineResult, FileSystem, Files, Fill, NetDriver, Replacement,
    Sharer, Standing,
};

use super::{Docker, files, replacing};

impl Docker {
    /// Returns where the kernel shows a container's file system to this process; none when only the engine can reach it.
    async fn root(&self, id: &ContainerId) -> EngineResult<Option<files::Root>> {
        if self.info.net_driver != NetDriver::Namespace {
            return Ok(None);
        }
        match self.process(id).await {
            Ok(process) => Ok(Some(files::Root::Process(process))),
            // Its volumes can still be reached where they lie on this machine.
            Err(error @ EngineError::NotRunning { .. }) => {
                let mounts = self.inspect(id).await?.mounts.unwrap_or_default();
                let mounts = mounts
                    .into_iter()
                    .filter_map(|mount| Some((mount.destination?, mount.source?)));
                Ok(Some(files::Root::Stopped {
                    mounts: mounts.collect(),
                    error,
                }))
            }
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Files for Docker {
    async fn file_system(&self, container: &ContainerId, path: &str) -> EngineResult<FileSystem> {
        match self.root(container).await? {
            Some(root) => files::file_system(root, path, self.data_root.clone()).await,
            None => self.file_system_inside(container, path).await,
        }
    }

    async fn fill_disk(&self, container: &ContainerId, fill: Fill<'_>) -> EngineResult<()> {
        match self.root(container).await? {
            Some(root) => files::fill(root, fill, self.data_root.clone()).await,
            None => self.fill_inside(container, fill).await,
        }
    }

    async fn fill_is_there(&self, container: &ContainerId, fill: Fill<'_>) -> EngineResult<bool> {
        match self.root(container).await? {
            Some(root) => files::is_there(root, fill).await,
            None => self.fill_is_inside(container, fill).await,
        }
    }

    async fn remove_fill(&self, container: &ContainerId, fill: Fill<'_>) -> EngineResult<()> {
        match self.root(container).await? {
            Some(root) => files::remove(root, fill).await,
            None => self.remove_inside(container, fill).await,
        }
    }

    async fn read_file(&self, container: &ContainerId, path: &str) -> EngineResult<Standing> {
        self.look_at_file(container, path).await
    }

    async fn replace_file(
        &self,
        container: &ContainerId,
        new: Replacement<'_>,
    ) -> EngineResult<()> {
        self.put_file(container, new, replacing::Way::There).await
    }

    async fn restore_file(
        &self,
        container: &ContainerId,
        new: Replacement<'_>,
    ) -> EngineResult<()> {
        self.put_file(container, new, replacing::Way::Back).await
    }

    async fn is_of_machine(&self, container: &ContainerId, path: &str) -> EngineResult<bool> {
        self.lies_on_machine(container, path).await
    }

    async fn volume_sharers(
        &self,
        container: &ContainerId,
        path: &str,
    ) -> EngineResult<Vec<Sharer>> {
        self.sharers(container, path).await
    }
}
