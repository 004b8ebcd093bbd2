//! Files of containers: those that take up space are made, found again and removed, others are replaced and restored, without following
//! what somebody planted meanwhile.
//!
//! Every operation opens the folder first (`openat2(2)`, beneath the container's root, through no link), decides from that descriptor
//! what it lies on, and creates, looks for or removes the file relative to it.
//!
//! A fill begins with a mark that the host drew before it was made. So only what this change made counts as its fill, and only that
//! is ever removed: in another process, after a crash, and whatever file stands at the path by then.

mod ground;
mod replace;
mod wire;

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;

use rustix::fs::{self, AtFlags, FallocateFlags, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

pub use ground::Mounts;
pub use replace::{
    ENGINE_FILES, FILE_LIMIT, FileCopy, Replacement, Standing, read, replace, restore,
};
pub use wire::{MESSAGE_LIMIT, OwnedReplacement};

/// A file that takes up space.
#[derive(Debug, Clone, Copy)]
pub struct Fill<'a> {
    /// Absolute, in the container.
    pub path: &'a str,
    /// In bytes; with a mark at least [`LEAST`].
    pub size: u64,
    /// What only this fill begins with. Fills of versions before 0.1.1 have none: they are known by their name and size.
    pub mark: Option<&'a str>,
    /// It may lie on a disk that is not the container's alone.
    pub root_filesystem: bool,
}

/// The smallest fill, in bytes: the mark must fit.
pub const LEAST: u64 = 64;
/// What a fill's name begins with where the standard fault made it; 16 hexadecimal digits follow.
const NAME: &str = "duress-fill-";

/// Why nothing was done.
#[derive(Debug)]
pub enum Failure {
    /// The folder lies on a disk that is not the container's alone.
    Root(String),
    /// There is no such folder.
    Absent(String),
    /// Anything else, as a sentence.
    Other(String),
}

/// What an operation returns.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    fn new(what: impl std::fmt::Display, errno: Errno) -> Self {
        Self::Other(format!("{what}: {errno}"))
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Root(folder) => write!(
                f,
                "{folder} lies on the container's root file system or on a disk of the machine; give it a volume of its own with a \
                 bounded size in the compose file, or say `allow_root_filesystem: true` in `params`"
            ),
            Self::Absent(why) | Self::Other(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Failure {}

/// Opens a folder to create files in. Fails with [`Failure::Root`] where it is not bounded and must be.
///
/// # Errors
/// When it cannot be opened, or lies where nothing may be written.
pub fn open_folder(
    root: impl AsFd,
    path: &str,
    root_filesystem: bool,
    mounts: &Mounts,
) -> Result<OwnedFd> {
    let folder = folder(root, path)
        .map_err(|errno| Failure::new(format_args!("open {path}{}", hint(errno)), errno))?;
    if !root_filesystem && !mounts.is_bounded(&folder)? {
        return Err(Failure::Root(path.to_owned()));
    }
    Ok(folder)
}

/// Allocates a new file, whole or not at all.
///
/// # Errors
/// When there is a file of that name, not enough space, or the folder is refused (see [`open_folder`]).
pub fn fill(root: impl AsFd, fill: &Fill<'_>, mounts: &Mounts) -> Result<()> {
    let (path, name) = split(fill.path);
    let folder = open_folder(root, path, fill.root_filesystem, mounts)?;
    let failed =
        |what: &str, errno| Failure::new(format!("{what} {}", fill.path.escape_debug()), errno);
    let write = OFlags::WRONLY | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    // Without a name until it is whole: a host that is killed meanwhile leaves nothing.
    match fs::openat(&folder, ".", write | OFlags::TMPFILE, mode) {
        Ok(file) => {
            let file = File::from(file);
            take_up(&file, fill).map_err(|errno| failed(&take_up_words(fill), errno))?;
            let nameless = format!("/proc/self/fd/{}", file.as_raw_fd());
            fs::linkat(fs::CWD, nameless, &folder, name, AtFlags::SYMLINK_FOLLOW)
                .map_err(|errno| failed("make", errno))
        }
        // overlayfs before Linux 6.3, for one.
        Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOENT) => {
            let new = write | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
            let file =
                fs::openat(&folder, name, new, mode).map_err(|errno| failed("make", errno))?;
            let file = File::from(file);
            if let Err(errno) = take_up(&file, fill) {
                unlink_if_same(&folder, name, &file)
                    .map_err(|errno| failed("remove what was made of", errno))?;
                return Err(failed(&take_up_words(fill), errno));
            }
            Ok(())
        }
        Err(errno) => Err(failed("make", errno)),
    }
}

/// Returns whether the fill is there, whole.
///
/// # Errors
/// When it cannot be looked at.
pub fn is_there(root: impl AsFd, fill: &Fill<'_>) -> Result<bool> {
    let found = find(root, fill)?;
    Ok(found.is_some_and(|found| found.is_whole))
}

/// Removes the fill. One that is not there is not an error, and neither is another file at its path: that one stays.
///
/// # Errors
/// When it exists and cannot be removed.
pub fn remove(root: impl AsFd, fill: &Fill<'_>) -> Result<()> {
    let Some(found) = find(root, fill)? else {
        return Ok(());
    };
    unlink_if_same(&found.folder, split(fill.path).1, &found.file)
        .map_err(|errno| Failure::new(format_args!("remove {}", fill.path.escape_debug()), errno))
}

/// A fill that was found.
struct Found {
    folder: OwnedFd,
    file: File,
    is_whole: bool,
}

/// Returns the fill, if what stands at its path is it.
fn find(root: impl AsFd, fill: &Fill<'_>) -> Result<Option<Found>> {
    let (path, name) = split(fill.path);
    let failed = |errno| Failure::new(format_args!("look at {}", fill.path.escape_debug()), errno);
    let absent = |errno| matches!(errno, Errno::NOENT | Errno::NOTDIR | Errno::LOOP);
    let folder = match folder(root, path) {
        Ok(folder) => folder,
        Err(errno) if absent(errno) => return Ok(None),
        Err(errno) => return Err(failed(errno)),
    };
    // A fifo or a device that was put there must not be waited for.
    let look = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match fs::openat(&folder, name, look, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(errno) if absent(errno) || errno == Errno::NXIO => return Ok(None),
        Err(errno) => return Err(failed(errno)),
    };
    let stat = fs::fstat(&file).map_err(failed)?;
    if !FileType::from_raw_mode(stat.st_mode).is_file() {
        return Ok(None);
    }
    let is_whole = stat.st_size.unsigned_abs() == fill.size;
    let is_it = match fill.mark {
        Some(mark) => {
            let mut begins = vec![0; mark.len()];
            file.read_exact_at(&mut begins, 0).is_ok() && begins == mark.as_bytes()
        }
        None => is_whole && is_standard_name(name),
    };
    Ok(is_it.then_some(Found {
        folder,
        file,
        is_whole,
    }))
}

/// The mark first: whatever becomes of the rest, the file is known by it.
fn take_up(file: &File, fill: &Fill<'_>) -> std::result::Result<(), Errno> {
    if let Some(mark) = fill.mark {
        file.write_all_at(mark.as_bytes(), 0)
            .map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))?;
    }
    fs::fallocate(file, FallocateFlags::empty(), 0, fill.size)
}

fn take_up_words(fill: &Fill<'_>) -> String {
    format!("allocate {} bytes for", fill.size)
}

fn unlink_if_same(folder: &OwnedFd, name: &str, file: &File) -> std::result::Result<(), Errno> {
    let own = fs::fstat(file)?;
    match fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(there) if (there.st_dev, there.st_ino) == (own.st_dev, own.st_ino) => {}
        Ok(_) | Err(Errno::NOENT) => return Ok(()),
        Err(errno) => return Err(errno),
    }
    match fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(errno) => Err(errno),
    }
}

fn folder(root: impl AsFd, path: &str) -> std::result::Result<OwnedFd, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    fs::openat2(root, path, flags, Mode::empty(), within)
}

/// Returns the folder and the name in it.
fn split(path: &str) -> (&str, &str) {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    (if folder.is_empty() { "/" } else { folder }, name)
}

fn hint(errno: Errno) -> &'static str {
    match errno {
        Errno::LOOP => " (a symbolic link is on the way: name the folder that it leads to)",
        _ => "",
    }
}

fn is_standard_name(name: &str) -> bool {
    name.strip_prefix(NAME)
        .is_some_and(|token| token.len() == 16 && token.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests;
