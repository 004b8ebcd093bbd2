//! Files of a container, looked at, replaced and restored: beside the container where this process reaches its files, else by duress's
//! helper in it. In a container that does not run no process could get in the way, and nothing can be run: there the engine's
//! archives are used (`docker cp`).

use std::io::Read as _;

use bollard::errors::Error;
use bollard::query_parameters::{
    ContainerArchiveInfoOptions, DownloadFromContainerOptions, UploadToContainerOptions,
};
use duress_disk::{MESSAGE_LIMIT, OwnedReplacement};
use duress_tasks::Request;
use futures::StreamExt as _;

use super::calls::call;
use super::{Docker, files, short, toolbox};
use duress_engine::{
    Beside, ContainerId, ENGINE_FILES, EngineError, EngineResult, FILE_LIMIT, FileCopy, NetDriver,
    Replacement, Standing,
};

/// The most that an archive of one file may have, in bytes: its header and the blocks behind it.
const ARCHIVE_LIMIT: usize = FILE_LIMIT + (64 << 10);

/// Which way a file is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It is replaced.
    There,
    /// It is restored.
    Back,
}

/// How a container's files are reached.
enum Reach {
    Beside(files::Root),
    Helper,
    Archive,
}

impl Docker {
    async fn reach(&self, id: &ContainerId) -> EngineResult<Reach> {
        let process = match self.process(id).await {
            Ok(process) => process,
            Err(EngineError::NotRunning { .. }) => return Ok(Reach::Archive),
            Err(error) => return Err(error),
        };
        match self.info.net_driver {
            NetDriver::Namespace => Ok(Reach::Beside(files::Root::Process(process))),
            _ if self.info.toolbox => Ok(Reach::Helper),
            _ => Err(toolbox::missing()),
        }
    }

    /// See [`duress_engine::Files::read_file`].
    pub(super) async fn look_at_file(
        &self,
        id: &ContainerId,
        path: &str,
    ) -> EngineResult<Standing> {
        match self.reach(id).await? {
            Reach::Beside(root) => files::read(root, path).await,
            Reach::Helper => {
                let path = path.to_owned();
                let request = Request::ReadFile { path };
                let message = self.exchange(id, &request, Vec::new()).await?;
                Standing::receive(&message[..]).map_err(files::told)
            }
            Reach::Archive => self.read_archived(id, path).await,
        }
    }

    /// See [`duress_engine::Files::replace_file`] and [`duress_engine::Files::restore_file`].
    pub(super) async fn put_file(
        &self,
        id: &ContainerId,
        new: Replacement<'_>,
        way: Way,
    ) -> EngineResult<()> {
        match (self.reach(id).await?, way) {
            (Reach::Beside(root), Way::There) => files::replace(root, new).await,
            (Reach::Beside(root), Way::Back) => files::restore(root, new).await,
            (Reach::Helper, way) => {
                let request = match way {
                    Way::There => Request::ReplaceFile,
                    Way::Back => Request::RestoreFile,
                };
                let mut message = Vec::new();
                let sent = OwnedReplacement::from(new).send(&mut message);
                sent.map_err(files::told)?;
                self.exchange(id, &request, message).await.map(drop)
            }
            (Reach::Archive, Way::There) => self.replace_archived(id, new).await,
            (Reach::Archive, Way::Back) => self.restore_archived(id, new).await,
        }
    }

    /// Runs the helper in the container with a message for it, and returns what it answers.
    async fn exchange(
        &self,
        id: &ContainerId,
        request: &Request,
        message: Vec<u8>,
    ) -> EngineResult<Vec<u8>> {
        let output = self
            .converse(id, Beside::Processes, request, message, MESSAGE_LIMIT)
            .await?;
        match output.exit_code {
            0 => Ok(output.stdout),
            _ => Err(toolbox::failed(request.name(), id, &output)),
        }
    }

    /// Returns what a path leads to in a container that does not run.
    async fn read_archived(&self, id: &ContainerId, path: &str) -> EngineResult<Standing> {
        let links = path.match_indices('/').skip(1).map(|(at, _)| &path[..at]);
        for folder in links {
            match self.stat_archived(id, folder).await? {
                None => return Ok(Standing::Absent),
                Some(stat) if !stat.link_target.is_empty() => {
                    let name = folder.escape_debug();
                    return Ok(Standing::Other(format!(
                        "is behind the symbolic link {name}: name the folder that it leads to"
                    )));
                }
                Some(_) => {}
            }
        }
        let Some(stat) = self.stat_archived(id, path).await? else {
            return Ok(Standing::Absent);
        };
        if stat.size.unsigned_abs() > FILE_LIMIT as u64 {
            let size = stat.size;
            return Ok(Standing::Other(format!(
                "has {size} bytes: at most {FILE_LIMIT} are kept"
            )));
        }
        let options = DownloadFromContainerOptions {
            path: path.to_owned(),
        };
        let download = self.api.download_from_container(&id.0, Some(options));
        let whole = async {
            let mut archive = bytes::BytesMut::new();
            let mut download = std::pin::pin!(download);
            while let Some(part) = download.next().await {
                archive.extend_from_slice(&part?);
                if archive.len() > ARCHIVE_LIMIT {
                    break;
                }
            }
            Ok(archive.freeze())
        };
        let what = format!("read {} of container {}", path.escape_debug(), short(id));
        let archive = call(&what, id, whole).await?;
        unpacked(&archive).map_err(|error| EngineError::Failed(format!("{what}: {error}")))
    }

    async fn stat_archived(
        &self,
        id: &ContainerId,
        path: &str,
    ) -> EngineResult<Option<bollard::container::PathStatResponse>> {
        let options = ContainerArchiveInfoOptions {
            path: path.to_owned(),
        };
        let asked = self.api.get_container_archive_info(&id.0, Some(options));
        let answer = async {
            match asked.await {
                Ok(stat) => Ok(Some(stat)),
                // Without a body it is not said what there is not: the container was there just now.
                Err(Error::DockerResponseServerError {
                    status_code: 404, ..
                }) => Ok(None),
                Err(error) => Err(error),
            }
        };
        let what = format!("look at {} of container {}", path.escape_debug(), short(id));
        call(&what, id, answer).await
    }

    async fn replace_archived(&self, id: &ContainerId, new: Replacement<'_>) -> EngineResult<()> {
        match (self.read_archived(id, new.path).await?, new.original) {
            (Standing::File(there), _) if there.contents == new.contents => Ok(()),
            (Standing::File(there), Some(original)) if there == *original => {
                let file = FileCopy {
                    contents: new.contents.to_vec(),
                    ..there
                };
                self.upload(id, new.path, &file).await
            }
            // The engine could not remove it again.
            (Standing::Absent, None) => Err(EngineError::Failed(format!(
                "make {}: container {} does not run; start it first",
                new.path,
                short(id)
            ))),
            (Standing::Other(why), _) => Err(EngineError::Failed(format!("{} {why}", new.path))),
            _ => Err(EngineError::Failed(format!(
                "replace {}: it was changed since it was recorded",
                new.path
            ))),
        }
    }

    async fn restore_archived(&self, id: &ContainerId, new: Replacement<'_>) -> EngineResult<()> {
        let there = self.read_archived(id, new.path).await?;
        match (there, new.original) {
            (Standing::Absent, None) => Ok(()),
            (Standing::File(there), Some(original)) if there == *original => Ok(()),
            // The engine writes these itself when it starts the container.
            _ if ENGINE_FILES.contains(&new.path) => Ok(()),
            (Standing::Other(why), _) => Err(EngineError::Failed(format!("{} {why}", new.path))),
            (_, Some(original)) => self.upload(id, new.path, original).await,
            (_, None) => Err(EngineError::Failed(format!(
                "remove {}: container {} does not run, and the engine removes no files",
                new.path,
                short(id)
            ))),
        }
    }

    /// Puts a file into a container that does not run.
    async fn upload(&self, id: &ContainerId, path: &str, file: &FileCopy) -> EngineResult<()> {
        let what = format!("write {} of container {}", path.escape_debug(), short(id));
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let archive =
            packed(name, file).map_err(|error| EngineError::Failed(format!("{what}: {error}")))?;
        let options = UploadToContainerOptions {
            path: format!("{folder}/"),
            no_overwrite_dir_non_dir: Some("true".to_owned()),
            ..UploadToContainerOptions::default()
        };
        let body = bollard::body_full(archive.into());
        let put = self.api.upload_to_container(&id.0, Some(options), body);
        call(&what, id, put).await
    }
}

/// Returns a file as an archive.
fn packed(name: &str, file: &FileCopy) -> std::io::Result<Vec<u8>> {
    let mut header = tar::Header::new_gnu();
    header.set_size(file.contents.len() as u64);
    header.set_mode(file.mode);
    header.set_uid(file.user.into());
    header.set_gid(file.group.into());
    let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    header.set_mtime(now.as_secs());
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_data(&mut header, name, &file.contents[..])?;
    archive.into_inner()
}

/// Returns what the first entry of an archive is.
fn unpacked(archive: &[u8]) -> std::io::Result<Standing> {
    let mut archive = tar::Archive::new(archive);
    let mut entry = archive
        .entries()?
        .next()
        .ok_or_else(|| std::io::Error::other("the engine's archive is empty"))??;
    let kind = entry.header().entry_type();
    if !kind.is_file() {
        let what = if kind.is_symlink() {
            "is a symbolic link: name the file that it leads to"
        } else if kind.is_dir() {
            "is a directory"
        } else {
            "is not a regular file"
        };
        return Ok(Standing::Other(what.into()));
    }
    let number = |number: std::io::Result<u64>| {
        let number = u32::try_from(number?);
        number.map_err(|_| std::io::Error::other("its owner has too large a number"))
    };
    let mut file = FileCopy {
        contents: Vec::new(),
        mode: entry.header().mode()? & 0o7777,
        user: number(entry.header().uid())?,
        group: number(entry.header().gid())?,
    };
    (&mut entry)
        .take(FILE_LIMIT as u64)
        .read_to_end(&mut file.contents)?;
    Ok(Standing::File(file))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_out_of_an_archive_as_it_went_in() {
        let file = FileCopy {
            contents: b"one\0two".to_vec(),
            mode: 0o4750,
            user: 70,
            group: 2_000_000,
        };
        let name = "n".repeat(200);
        let archive = packed(&name, &file).expect("an archive");
        let read = unpacked(&archive).expect("readable");
        assert_eq!(read, Standing::File(file));
    }

    #[test]
    fn what_is_no_file_is_told() {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(tar::EntryType::Symlink);
        header.set_size(0);
        builder
            .append_link(&mut header, "f", "/etc/shadow")
            .expect("a link");
        let archive = builder.into_inner().expect("an archive");
        let read = unpacked(&archive).expect("readable");
        assert!(matches!(&read, Standing::Other(why) if why.contains("symbolic link")));
        assert!(unpacked(&[]).is_err());
    }
}
