//! How duress's helper comes into a container whose processes it works among.
//!
//! The container's own processes count as hostile: one that replaced the helper's file before the engine starts it would be run
//! in its place. So the file lies where none of them can reach it, or is run as nobody whom they are not already.

use std::fs::File;
use std::io::Read as _;

use bollard::query_parameters::{DownloadFromContainerOptions, UploadToContainerOptions};
use futures::StreamExt as _;
use rustix::fs::{Mode, OFlags};

use super::calls::call;
use super::toolbox::{HELPER, Shares};
use super::{Docker, short};
use crate::confined::LentFile;
use duress_engine::{ContainerId, EngineError, EngineResult, NetDriver};

/// Where the helper is in a container, and how it is run there.
#[derive(Debug)]
pub(super) struct Lent {
    pub(super) path: String,
    /// It was put there for one run, and removes itself.
    pub(super) vanishes: bool,
    /// It runs as root, and so reaches processes of any user; else as the container's own user.
    pub(super) as_root: bool,
}

impl Lent {
    /// In the toolbox, which holds it.
    pub(super) fn there() -> Self {
        Self {
            path: HELPER.to_owned(),
            vanishes: false,
            as_root: true,
        }
    }
}

/// The helper's file.
#[derive(Debug)]
pub(super) struct Helper {
    /// As the engine packs it.
    archive: bytes::Bytes,
    /// To be shown in containers, where this process may do that.
    file: Option<LentFile>,
}

impl Docker {
    /// Brings the helper into a running container.
    pub(super) async fn lend_helper(&self, id: &ContainerId) -> EngineResult<Lent> {
        let helper = self
            .helper
            .get_or_try_init(|| self.fetch_helper(id))
            .await?;
        if let Some(file) = &helper.file {
            match self.show_helper(id, file).await {
                Ok(path) => {
                    return Ok(Lent {
                        path,
                        vanishes: false,
                        as_root: true,
                    });
                }
                Err(error @ (EngineError::NotRunning { .. } | EngineError::Gone(_))) => {
                    return Err(error);
                }
                Err(error) => tracing::debug!("{error}; it is copied there instead"),
            }
        }
        self.copy_helper(id, &helper.archive).await
    }

    /// Mounts it there: nothing in the container can change it, and the container need have no place for it.
    async fn show_helper(&self, id: &ContainerId, file: &LentFile) -> EngineResult<String> {
        let process = self.process(id).await?;
        let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root = process.open("root", |path| {
            Ok(rustix::fs::open(path, folder, Mode::empty())?)
        })?;
        let mounts = process.open("ns/mnt", |path| File::open(path))?;
        file.show(&root, &mounts).map_err(|error| {
            let container = short(id);
            EngineError::Failed(format!(
                "mount the helper in container {container}: {error}"
            ))
        })
    }

    /// Copies it there.
    async fn copy_helper(&self, id: &ContainerId, archive: &bytes::Bytes) -> EngineResult<Lent> {
        let what = format!("put duress's helper into container {}", short(id));
        let upload = async |folder: &str| {
            let options = UploadToContainerOptions {
                path: folder.to_owned(),
                ..UploadToContainerOptions::default()
            };
            let body = bollard::body_full(archive.clone());
            let put = self.api.upload_to_container(&id.0, Some(options), body);
            call(&what, id, put).await
        };
        match upload("/").await {
            // Only root can replace a file in this folder, and it is run as root.
            Ok(()) => {
                return Ok(Lent {
                    path: HELPER.to_owned(),
                    vanishes: true,
                    as_root: true,
                });
            }
            Err(EngineError::Failed(why)) if why.contains("read-only") => {}
            Err(error) => return Err(error),
        }
        // Its own file system is read-only; a volume may not be. The volume's owner could replace the file there.
        let mounts = self.inspect(id).await?.mounts.unwrap_or_default();
        for mount in mounts {
            if mount.typ.as_deref() == Some("volume")
                && mount.rw == Some(true)
                && let Some(folder) = mount.destination
                && upload(&folder).await.is_ok()
            {
                return Ok(Lent {
                    path: format!("{}{HELPER}", folder.trim_end_matches('/')),
                    vanishes: true,
                    as_root: false,
                });
            }
        }
        Err(EngineError::Missing {
            message: format!("{what}: its root file system is read-only, and it has no volume that can be written"),
            hint: "run duress as root beside the engine, or give the container a volume in the compose file".into(),
        })
    }

    /// Returns the helper's file, from the toolbox.
    async fn fetch_helper(&self, id: &ContainerId) -> EngineResult<Helper> {
        let toolbox = self.toolbox(id, Shares::Processes).await?;
        let options = DownloadFromContainerOptions {
            path: HELPER.to_owned(),
        };
        let download = self.api.download_from_container(&toolbox.0, Some(options));
        let whole = async {
            let mut archive = bytes::BytesMut::new();
            let mut download = std::pin::pin!(download);
            while let Some(part) = download.next().await {
                archive.extend_from_slice(&part?);
            }
            Ok(archive.freeze())
        };
        let archive = call("fetch duress's helper from the toolbox", id, whole).await?;
        let mut file = None;
        if self.info.net_driver == NetDriver::Namespace {
            match unpacked(&archive).and_then(|content| LentFile::new(&content)) {
                Ok(made) => file = Some(made),
                Err(error) => {
                    tracing::debug!("the helper cannot be mounted in containers: {error}");
                }
            }
        }
        Ok(Helper { archive, file })
    }
}

/// Returns the one file of an archive.
fn unpacked(archive: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut archive = tar::Archive::new(archive);
    let mut entry = archive
        .entries()?
        .next()
        .ok_or_else(|| std::io::Error::other("the engine's archive is empty"))??;
    let mut content = Vec::new();
    entry.read_to_end(&mut content)?;
    Ok(content)
}
