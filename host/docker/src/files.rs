//! A container's files, as the kernel shows them to root on the engine's machine.
//!
//! The path is resolved as if the container's root were the file system's (`openat2(2)` with `RESOLVE_IN_ROOT`): a link that a
//! container planted leads nowhere else. What is filled is decided on the opened folder (see `duress_disk`).

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{self, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::namespace::Process;
use duress_disk::{Failure, Fill, Mounts, OwnedReplacement, Replacement, Standing};
use duress_engine::{EngineError, EngineResult, FileSystem};

/// Where a container's files are reached.
#[derive(Debug)]
pub(super) enum Root {
    /// Through its first process.
    Process(Process),
    /// It does not run: through its volumes, as destination and source.
    Stopped {
        /// Where each is in the container, and on this machine.
        mounts: Vec<(String, String)>,
        /// What there is to say of a path on no volume.
        error: EngineError,
    },
}

/// What a fill is made of, for another thread.
#[derive(Debug)]
struct Owned {
    path: String,
    size: u64,
    mark: Option<String>,
    root_filesystem: bool,
}

impl Owned {
    fn new(fill: Fill<'_>) -> Self {
        Self {
            path: fill.path.to_owned(),
            size: fill.size,
            mark: fill.mark.map(str::to_owned),
            root_filesystem: fill.root_filesystem,
        }
    }

    /// Returns the fill, with its path as it is beneath an opened folder.
    fn at<'a>(&'a self, path: &'a str) -> Fill<'a> {
        Fill {
            path,
            size: self.size,
            mark: self.mark.as_deref(),
            root_filesystem: self.root_filesystem,
        }
    }
}

impl Root {
    /// Returns an open folder, and the path beneath it, for an absolute path of the container.
    fn reach(&self, path: &str) -> EngineResult<(OwnedFd, String)> {
        let folder = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match self {
            Self::Process(process) => {
                let root =
                    process.open("root", |root| Ok(fs::open(root, folder, Mode::empty())?))?;
                Ok((root, path.to_owned()))
            }
            Self::Stopped { mounts, error } => {
                let (source, rest) = mounts
                    .iter()
                    .filter_map(|(destination, source)| {
                        let rest = Path::new(path).strip_prefix(destination).ok()?;
                        Some((source, Path::new("/").join(rest)))
                    })
                    .min_by_key(|(_, rest)| rest.components().count())
                    .ok_or_else(|| error.clone())?;
                let root = fs::open(source.as_str(), folder, Mode::empty())
                    .map_err(|errno| failed("open", source, errno))?;
                Ok((root, rest.to_string_lossy().into_owned()))
            }
        }
    }

    /// The mounts that decide what an opened folder lies on. All that this machine mounts outside the engine's folder is its own.
    fn mounts(&self, engine: &Path) -> EngineResult<Mounts> {
        let here = std::fs::read_to_string("/proc/self/mountinfo")
            .map_err(|error| EngineError::Failed(format!("read this machine's mounts: {error}")))?;
        let own = match self {
            Self::Process(process) => {
                process.open("mountinfo", |path| std::fs::read_to_string(path))?
            }
            Self::Stopped { .. } => here.clone(),
        };
        Mounts::parse(&own)
            .and_then(|mounts| mounts.with_machine(&here, engine))
            .map_err(told)
    }
}

/// Returns the file system that holds a path; `engine` is the engine's own folder.
pub(super) async fn file_system(
    root: Root,
    path: &str,
    engine: PathBuf,
) -> EngineResult<FileSystem> {
    let path = path.to_owned();
    apart(move || {
        let (folder, beneath) = root.reach(&path)?;
        let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let look = OFlags::PATH | OFlags::CLOEXEC;
        let file = fs::openat2(&folder, beneath.as_str(), look, Mode::empty(), within)
            .map_err(|errno| failed("look at", &path, errno))?;
        let stat = fs::fstatvfs(&file)
            .map_err(|errno| failed("look at the file system of", &path, errno))?;
        let bounded = root.mounts(&engine)?.is_bounded(&file).map_err(told)?;
        Ok(FileSystem {
            capacity: stat.f_blocks.saturating_mul(stat.f_frsize),
            available: stat.f_bavail.saturating_mul(stat.f_frsize),
            root: !bounded,
        })
    })
    .await
}

/// Allocates a new file, whole or not at all.
pub(super) async fn fill(root: Root, fill: Fill<'_>, engine: PathBuf) -> EngineResult<()> {
    let fill = Owned::new(fill);
    apart(move || {
        let mounts = root.mounts(&engine)?;
        let (folder, path) = root.reach(&fill.path)?;
        duress_disk::fill(&folder, &fill.at(&path), &mounts).map_err(told)
    })
    .await
}

/// Returns whether a fill is there, whole.
pub(super) async fn is_there(root: Root, fill: Fill<'_>) -> EngineResult<bool> {
    let fill = Owned::new(fill);
    apart(move || {
        let (folder, path) = root.reach(&fill.path)?;
        duress_disk::is_there(&folder, &fill.at(&path)).map_err(told)
    })
    .await
}

/// Removes a fill. One that is not there is not an error.
pub(super) async fn remove(root: Root, fill: Fill<'_>) -> EngineResult<()> {
    let fill = Owned::new(fill);
    apart(move || {
        let (folder, path) = root.reach(&fill.path)?;
        duress_disk::remove(&folder, &fill.at(&path)).map_err(told)
    })
    .await
}

/// What a path leads to.
pub(super) async fn read(root: Root, path: &str) -> EngineResult<Standing> {
    let path = path.to_owned();
    apart(move || {
        let (root, path) = root.reach(&path)?;
        duress_disk::read(&root, &path).map_err(told)
    })
    .await
}

/// Replaces a file.
pub(super) async fn replace(root: Root, new: Replacement<'_>) -> EngineResult<()> {
    let new = OwnedReplacement::from(new);
    apart(move || {
        let (root, _) = root.reach(new.wanted().path)?;
        duress_disk::replace(&root, &new.wanted()).map_err(told)
    })
    .await
}

/// Restores a file.
pub(super) async fn restore(root: Root, new: Replacement<'_>) -> EngineResult<()> {
    let new = OwnedReplacement::from(new);
    apart(move || {
        let (root, _) = root.reach(new.wanted().path)?;
        duress_disk::restore(&root, &new.wanted()).map_err(told)
    })
    .await
}

/// Off the threads that others wait on: a disk may take its time.
async fn apart<T: Send + 'static>(
    work: impl FnOnce() -> EngineResult<T> + Send + 'static,
) -> EngineResult<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| {
            Err(EngineError::Failed(format!(
                "the work on a file broke off: {error}"
            )))
        })
}

pub(super) fn told(failure: Failure) -> EngineError {
    EngineError::Failed(failure.to_string())
}

fn failed(what: &str, path: &str, errno: Errno) -> EngineError {
    EngineError::Failed(format!("{what} {path}: {errno}"))
}
