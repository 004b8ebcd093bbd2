//! A container's files, as the kernel shows them to root on the engine's machine.
//!
//! The path is resolved as if the container's root were the file system's (`openat2(2)` with `RESOLVE_IN_ROOT`): a link that a
//! container planted leads nowhere else.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{self, AtFlags, FallocateFlags, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::namespace::Process;
use super::{EngineError, EngineResult, FileSystem};

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

impl Root {
    /// An open folder, and the path beneath it, for an absolute path of the container.
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

    /// Open a path of the container.
    fn open(&self, path: &str, flags: OFlags, mode: Mode) -> EngineResult<Result<OwnedFd, Errno>> {
        let (root, path) = self.reach(path)?;
        let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        Ok(fs::openat2(
            &root,
            path.as_str(),
            flags | OFlags::CLOEXEC,
            mode,
            within,
        ))
    }
}

/// The file system that holds a path; `machine` are folders on the disks of this machine.
pub(super) async fn file_system(
    root: Root,
    path: &str,
    machine: Vec<PathBuf>,
) -> EngineResult<FileSystem> {
    apart(path, move |path| {
        let look = |path: &str| -> EngineResult<OwnedFd> {
            let opened = root.open(path, OFlags::PATH, Mode::empty())?;
            opened.map_err(|errno| failed("look at", path, errno))
        };
        let file = look(path)?;
        let device = fs::fstat(&file)
            .map_err(|errno| failed("look at", path, errno))?
            .st_dev;
        let own_root = match &root {
            Root::Process(_) => fs::fstat(look("/")?).ok(),
            Root::Stopped { .. } => None,
        };
        // A volume without a bound of its own lies on a disk of this machine.
        let machine = machine.iter().map(|folder| fs::stat(folder).ok());
        let root = machine
            .chain([own_root])
            .flatten()
            .any(|stat| stat.st_dev == device);
        let stat = fs::fstatvfs(&file)
            .map_err(|errno| failed("look at the file system of", path, errno))?;
        Ok(FileSystem {
            capacity: stat.f_blocks.saturating_mul(stat.f_frsize),
            available: stat.f_bavail.saturating_mul(stat.f_frsize),
            root,
        })
    })
    .await
}

/// Allocate a new file, whole or not at all.
pub(super) async fn fill(root: Root, path: &str, size: u64) -> EngineResult<()> {
    apart(path, move |path| {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
        let file = root
            .open(path, flags, Mode::RUSR | Mode::WUSR)?
            .map_err(|errno| failed("make", path, errno))?;
        if let Err(errno) = fs::fallocate(&file, FallocateFlags::empty(), 0, size) {
            drop(file);
            unlink(&root, path)?;
            return Err(failed(&format!("allocate {size} bytes for"), path, errno));
        }
        Ok(())
    })
    .await
}

/// A regular file's size; `None` when there is none.
pub(super) async fn size(root: Root, path: &str) -> EngineResult<Option<u64>> {
    apart(path, move |path| {
        match root.open(path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())? {
            Ok(file) => {
                let stat = fs::fstat(&file).map_err(|errno| failed("look at", path, errno))?;
                let regular = fs::FileType::from_raw_mode(stat.st_mode).is_file();
                Ok(regular.then(|| stat.st_size.unsigned_abs()))
            }
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(errno) => Err(failed("look at", path, errno)),
        }
    })
    .await
}

/// Remove a file. One that is not there is no error.
pub(super) async fn remove(root: Root, path: &str) -> EngineResult<()> {
    apart(path, move |path| unlink(&root, path)).await
}

fn unlink(root: &Root, path: &str) -> EngineResult<()> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    let folder = if folder.is_empty() { "/" } else { folder };
    let opened = match root.open(folder, OFlags::PATH | OFlags::DIRECTORY, Mode::empty())? {
        Ok(opened) => opened,
        Err(Errno::NOENT | Errno::NOTDIR) => return Ok(()),
        Err(errno) => return Err(failed("look at", folder, errno)),
    };
    match fs::unlinkat(&opened, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(failed("remove", path, errno)),
    }
}

/// Off the threads that others wait on: a disk may take its time.
async fn apart<T: Send + 'static>(
    path: &str,
    work: impl FnOnce(&str) -> EngineResult<T> + Send + 'static,
) -> EngineResult<T> {
    let path = path.to_owned();
    tokio::task::spawn_blocking(move || work(&path))
        .await
        .unwrap_or_else(|error| {
            Err(EngineError::Failed(format!(
                "the work on a file broke off: {error}"
            )))
        })
}

fn failed(what: &str, path: &str, errno: Errno) -> EngineError {
    EngineError::Failed(format!("{what} {path}: {errno}"))
}
