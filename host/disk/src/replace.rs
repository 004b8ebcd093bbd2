//! Replacing a file of a container, and restoring it byte for byte.
//!
//! The folder is opened first (`openat2(2)`, beneath the container's root, through no link). Everything else is relative to that
//! descriptor, so a link that is planted meanwhile leads nowhere. A file is written aside under a name of its own and renamed, so a
//! reader sees the old file or the new one. Files that the engine mounts one by one cannot be renamed: these are written in place.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt as _;

use rustix::fs::{
    self, AtFlags, FileType, Gid, Mode, OFlags, RenameFlags, ResolveFlags, Stat, Uid, XattrFlags,
};
use rustix::io::Errno;

use crate::ground::may_hold_files;
use crate::{Failure, Result, folder, hint, split};

/// The largest file that is read or replaced, in bytes: the journal keeps the original.
pub const FILE_LIMIT: usize = 1 << 20;
/// Files that the engine mounts into every container and rewrites by itself.
pub const ENGINE_FILES: [&str; 3] = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];
/// Mode of a file that was not there before.
const NEW_FILE_MODE: u32 = 0o644;
/// Permission bits, with those for set-user-ID, set-group-ID and sticky.
const MODE_BITS: u32 = 0o7777;
/// Size limit of a list of extended attributes, and of the value of one (xattr(7)).
const ATTRIBUTE_LIMIT: usize = 64 << 10;

/// A file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCopy {
    /// All of it, at most [`FILE_LIMIT`].
    pub contents: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Number of its owner.
    pub user: u32,
    /// Number of its group.
    pub group: u32,
}

/// What a path leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Nothing.
    Absent,
    /// A regular file that can be replaced.
    File(FileCopy),
    /// Anything else, as the end of a sentence, e.g. `is a directory`.
    Other(String),
}

/// New contents for a file, and what it is restored to.
#[derive(Debug, Clone, Copy)]
pub struct Replacement<'a> {
    /// Absolute, in the container.
    pub path: &'a str,
    /// New contents.
    pub contents: &'a [u8],
    /// The file that was there; none where there was none.
    pub original: Option<&'a FileCopy>,
    /// End of the temporary file's name. A revert removes what a crash left under that name.
    pub token: &'a str,
}

/// Reads what a path leads to.
///
/// # Errors
/// When it cannot be opened or read.
pub fn read(root: impl AsFd, path: &str) -> Result<Standing> {
    match Place::open(root, path) {
        Ok(place) => place.look(),
        Err(Failure::Absent(_)) => Ok(Standing::Absent),
        Err(failure) => Err(failure),
    }
}

/// Replaces a file, or makes it where there was none. One that is replaced already is not an error.
///
/// # Errors
/// When what is there is not the original any more, or nothing may be written there.
pub fn replace(root: impl AsFd, new: &Replacement<'_>) -> Result<()> {
    let place = Place::open(root, new.path)?;
    let there = place.look()?;
    if matches!(&there, Standing::File(file) if file.contents == new.contents) {
        return place.remove_temporary(new.token);
    }
    if there != Standing::from(new.original) {
        return Err(place.failure("replace", "it was changed since it was recorded"));
    }
    if place.is_mounted()? {
        if !ENGINE_FILES.contains(&new.path) {
            return Err(place.failure("replace", "it is mounted there by itself"));
        }
        return place.write_in_place(new.contents);
    }
    match new.original {
        Some(original) => {
            let (mode, user, group) = (original.mode, original.user, original.group);
            place.write(new, new.contents, mode, user, group, RenameFlags::empty())
        }
        None => {
            let owner = fs::fstat(&place.folder).map_err(|errno| place.failed("make", errno))?;
            let (user, group) = (owner.st_uid, owner.st_gid);
            // Another file that appeared meanwhile is not overwritten.
            let flags = RenameFlags::NOREPLACE;
            place.write(new, new.contents, NEW_FILE_MODE, user, group, flags)
        }
    }
}

/// Restores what was there before, whatever file is there now. For files of the engine, what it has written itself meanwhile stays.
///
/// # Errors
/// When it cannot be written or removed.
pub fn restore(root: impl AsFd, new: &Replacement<'_>) -> Result<()> {
    let place = match Place::open(root, new.path) {
        // With its folder, a file is gone too.
        Err(Failure::Absent(_)) if new.original.is_none() => return Ok(()),
        opened => opened?,
    };
    place.remove_temporary(new.token)?;
    let there = place.look()?;
    if there == Standing::from(new.original) {
        return Ok(());
    }
    let Some(original) = new.original else {
        return place.remove();
    };
    if place.is_mounted()? {
        return match there {
            Standing::File(file) if !new.wrote(&file.contents) => Ok(()),
            _ => place.write_in_place(&original.contents),
        };
    }
    let (mode, user, group) = (original.mode, original.user, original.group);
    let contents = &original.contents;
    place.write(new, contents, mode, user, group, RenameFlags::empty())
}

impl From<Option<&FileCopy>> for Standing {
    fn from(file: Option<&FileCopy>) -> Self {
        file.map_or(Self::Absent, |file| Self::File(file.clone()))
    }
}

impl Replacement<'_> {
    /// Whether the contents of a file are the new ones, or were left by a write in place that a crash ended.
    fn wrote(&self, contents: &[u8]) -> bool {
        let original = self.original.map_or(&[][..], |file| &file.contents);
        contents == self.contents
            || is_between(contents, self.contents, original)
            || is_between(contents, original, self.contents)
    }
}

/// Whether contents begin as `new` and go on as `old`.
fn is_between(contents: &[u8], new: &[u8], old: &[u8]) -> bool {
    let same = contents.iter().zip(new).take_while(|(a, b)| a == b).count();
    contents[same..] == old[same.min(old.len())..]
}

/// A name in an opened folder.
struct Place<'a> {
    folder: OwnedFd,
    name: &'a str,
    path: &'a str,
    root_device: u64,
}

impl<'a> Place<'a> {
    fn open(root: impl AsFd, path: &'a str) -> Result<Self> {
        let (parent, name) = split(path);
        let device = fs::fstat(&root)
            .map_err(|errno| not_opened("/", errno))?
            .st_dev;
        let folder = match folder(root, parent) {
            Ok(folder) => folder,
            Err(errno @ (Errno::NOENT | Errno::NOTDIR)) => {
                return Err(Failure::Absent(format!("open {parent}: {errno}")));
            }
            Err(errno) => return Err(not_opened(parent, errno)),
        };
        Ok(Self {
            folder,
            name,
            path,
            root_device: device,
        })
    }

    fn failed(&self, what: &str, errno: Errno) -> Failure {
        let why = match errno {
            Errno::ROFS => "its file system is read-only".to_owned(),
            errno => errno.to_string(),
        };
        self.failure(what, &why)
    }

    fn failure(&self, what: &str, why: &str) -> Failure {
        Failure::Other(format!("{what} {}: {why}", self.path.escape_debug()))
    }

    /// Whether something is mounted at the name. From outside of the container's mount namespace a rename would unmount it there.
    fn is_mounted(&self) -> Result<bool> {
        let within = ResolveFlags::NO_XDEV | ResolveFlags::NO_SYMLINKS | ResolveFlags::BENEATH;
        let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match fs::openat2(&self.folder, self.name, look, Mode::empty(), within) {
            Err(Errno::XDEV) => Ok(true),
            // A link is not a mount point.
            Ok(_) | Err(Errno::NOENT | Errno::LOOP) => Ok(false),
            Err(errno) => Err(self.failed("look at", errno)),
        }
    }

    fn look(&self) -> Result<Standing> {
        let failed = |errno| self.failed("look at", errno);
        // Opening a device or a pipe may have effects, so what it is must be known first.
        let look = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let seen = match fs::openat(&self.folder, self.name, look, Mode::empty()) {
            Ok(seen) => seen,
            Err(Errno::NOENT) => return Ok(Standing::Absent),
            Err(errno) => return Err(failed(errno)),
        };
        let stat = fs::fstat(&seen).map_err(failed)?;
        if let Some(why) = unfit(&stat) {
            return Ok(Standing::Other(why));
        }
        if !may_hold_files(&seen, self.root_device)? {
            return Ok(Standing::Other(
                "is on a file system of the kernel's or of the network's".into(),
            ));
        }
        let file = self.open_same(&stat, OFlags::RDONLY).map_err(failed)?;
        let mut contents = Vec::new();
        let limit = FILE_LIMIT as u64 + 1;
        (&file)
            .take(limit)
            .read_to_end(&mut contents)
            .map_err(|error| failed(Errno::from_io_error(&error).unwrap_or(Errno::IO)))?;
        if contents.len() > FILE_LIMIT {
            return Ok(Standing::Other(too_large(contents.len() as u64)));
        }
        Ok(Standing::File(FileCopy {
            contents,
            mode: stat.st_mode & MODE_BITS,
            user: stat.st_uid,
            group: stat.st_gid,
        }))
    }

    /// Opens the file that was looked at, and no other.
    fn open_same(&self, seen: &Stat, access: OFlags) -> std::result::Result<File, Errno> {
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = fs::openat(&self.folder, self.name, flags, Mode::empty())?;
        let opened = fs::fstat(&file)?;
        if (opened.st_dev, opened.st_ino) != (seen.st_dev, seen.st_ino) {
            // Somebody replaces it at this very moment.
            return Err(Errno::AGAIN);
        }
        Ok(file.into())
    }

    /// The regular file that is there now.
    fn open_regular(&self, access: OFlags) -> std::result::Result<Option<File>, Errno> {
        let stat = match fs::statat(&self.folder, self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(Errno::NOENT) => return Ok(None),
            Err(errno) => return Err(errno),
        };
        if !FileType::from_raw_mode(stat.st_mode).is_file() {
            return Ok(None);
        }
        self.open_same(&stat, access).map(Some)
    }

    /// Writes a file aside and renames it to its place.
    fn write(
        &self,
        new: &Replacement<'_>,
        contents: &[u8],
        mode: u32,
        user: u32,
        group: u32,
        flags: RenameFlags,
    ) -> Result<()> {
        if !may_hold_files(&self.folder, self.root_device)? {
            let why = "its folder is on a file system of the kernel's or of the network's";
            return Err(self.failure("write", why));
        }
        self.remove_temporary(new.token)?;
        let temporary = temporary(new.token);
        let write = || {
            let create =
                OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let file = fs::openat(&self.folder, &*temporary, create, Mode::RUSR | Mode::WUSR)?;
            let file = File::from(file);
            file.write_all_at(contents, 0).map_err(errno_of)?;
            if let Some(before) = self.open_regular(OFlags::RDONLY)? {
                copy_attributes(&before, &file)?;
            }
            // The owner first: a change of it takes the set-user-ID bit away.
            fs::fchown(&file, Some(Uid::from_raw(user)), Some(Gid::from_raw(group)))?;
            fs::fchmod(&file, Mode::from_raw_mode(mode))?;
            fs::fdatasync(&file)?;
            fs::renameat_with(&self.folder, &*temporary, &self.folder, self.name, flags)
        };
        write().map_err(|errno| {
            let failure = self.failed("write", errno);
            match self.remove_temporary(new.token) {
                Ok(()) => failure,
                Err(left) => Failure::Other(format!("{failure}; and {left}")),
            }
        })
    }

    /// Writes to the very file that is there.
    fn write_in_place(&self, contents: &[u8]) -> Result<()> {
        let write = || {
            let Some(file) = self.open_regular(OFlags::WRONLY)? else {
                return Err(Errno::NOENT);
            };
            file.write_all_at(contents, 0).map_err(errno_of)?;
            fs::ftruncate(&file, contents.len() as u64)?;
            fs::fdatasync(&file)
        };
        write().map_err(|errno| self.failed("write", errno))
    }

    fn remove(&self) -> Result<()> {
        match fs::unlinkat(&self.folder, self.name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(self.failed("remove", errno)),
        }
    }

    fn remove_temporary(&self, token: &str) -> Result<()> {
        match fs::unlinkat(&self.folder, &*temporary(token), AtFlags::empty()) {
            // A file system that is read-only has none.
            Ok(()) | Err(Errno::NOENT | Errno::ROFS) => Ok(()),
            Err(errno) => Err(self.failed("remove the temporary file for", errno)),
        }
    }
}

fn temporary(token: &str) -> String {
    format!(".duress-{token}")
}

/// Why a file cannot be replaced and restored as it was.
fn unfit(stat: &Stat) -> Option<String> {
    let kind = FileType::from_raw_mode(stat.st_mode);
    if kind.is_symlink() {
        return Some("is a symbolic link: name the file that it leads to".into());
    }
    if kind.is_dir() {
        return Some("is a directory".into());
    }
    if !kind.is_file() {
        return Some("is not a regular file".into());
    }
    if stat.st_nlink > 1 {
        return Some(format!(
            "has {} names (hard links), which would not be one file afterwards",
            stat.st_nlink
        ));
    }
    let size = stat.st_size.unsigned_abs();
    (size > FILE_LIMIT as u64).then(|| too_large(size))
}

/// Why a file of that size is refused.
fn too_large(size: u64) -> String {
    format!("has {size} bytes or more: at most {FILE_LIMIT} are kept")
}

/// Access control lists and other extended attributes.
fn copy_attributes(from: &File, to: &File) -> std::result::Result<(), Errno> {
    let mut names = vec![0; ATTRIBUTE_LIMIT];
    let length = match fs::flistxattr(from, &mut names[..]) {
        Err(Errno::OPNOTSUPP) => return Ok(()),
        length => length?,
    };
    let mut value = vec![0; ATTRIBUTE_LIMIT];
    let names = names[..length].split(|byte| *byte == 0);
    for name in names.filter(|name| !name.is_empty()) {
        let length = fs::fgetxattr(from, name, &mut value[..])?;
        fs::fsetxattr(to, name, &value[..length], XattrFlags::empty())?;
    }
    Ok(())
}

fn errno_of(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

fn not_opened(path: &str, errno: Errno) -> Failure {
    Failure::Other(format!("open {path}{}: {errno}", hint(errno)))
}

#[cfg(test)]
#[path = "replace_tests.rs"]
mod tests;
