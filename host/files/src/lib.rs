//! Opens files and folders that somebody else may have put there.
//!
//! A name can stand for a named pipe that never ends, a device that never stops, or a link to somebody else's file. What is opened
//! here is looked at once it is open, so that nothing can be swapped between the look and the use, and reads are bounded.

pub mod fixtures;

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

/// Whether the last part of a path may be a symbolic link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// A person named the path, and may mean what a link leads to.
    Followed,
    /// Somebody else may have made the link.
    Refused,
}

/// Opens a regular file for reading. Never waits, whatever is there.
///
/// # Errors
/// As open(2), and `InvalidInput` for anything that is not a regular file.
pub fn open_regular(path: &Path, links: Links) -> io::Result<File> {
    // A named pipe without a writer would keep an open waiting for ever.
    let mut flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    if links == Links::Refused {
        flags |= OFlags::NOFOLLOW;
    }
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = opened.map_err(|error| match error.raw_os_error() {
        Some(code) if code == rustix::io::Errno::LOOP.raw_os_error() => {
            irregular("it is a symbolic link")
        }
        // open(2) says this of a socket.
        Some(code) if code == rustix::io::Errno::NXIO.raw_os_error() => {
            irregular("it is a socket, not a regular file")
        }
        _ => error,
    })?;
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        return Ok(file);
    }
    Err(irregular(&format!(
        "it is a {}, not a regular file",
        kind_in_words(kind)
    )))
}

/// Reads a regular file of at most `limit` bytes.
///
/// # Errors
/// As [`open_regular`], and `FileTooLarge` for more.
pub fn read_regular(path: &Path, limit: u64, links: Links) -> io::Result<Vec<u8>> {
    let file = open_regular(path, links)?;
    let mut content = Vec::new();
    // One byte more than is allowed shows that there is more; a file's length may change while it is read.
    file.take(limit.saturating_add(1))
        .read_to_end(&mut content)?;
    if content.len() as u64 > limit {
        let why = format!("it is larger than {}", size_in_words(limit));
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, why));
    }
    Ok(content)
}

/// Replaces a file's content, whole or not at all. A link in its place is replaced, and what it leads to stays as it is.
///
/// # Errors
/// As open(2), write(2) and rename(2).
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::PermissionsExt as _;
    let folder = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // As for any new file, the umask takes away from these permissions.
    let mut aside = tempfile::Builder::new()
        .prefix(".duress-")
        .permissions(std::fs::Permissions::from_mode(0o666))
        .tempfile_in(folder)?;
    aside.write_all(content)?;
    aside.persist(path).map(drop).map_err(|error| error.error)
}

/// Makes sure that a folder is there which every user may write to, as `/tmp`, with folders beneath it that are the same. Only what is
/// made here gets these permissions.
///
/// # Errors
/// As open(2); `PermissionDenied` for a folder that belongs to somebody other than root and this user, or that everybody may clear.
pub fn make_shared_folder(path: &Path, beneath: &[&str]) -> io::Result<()> {
    if let Some(parent) = path.parent() {
        std::fs::create_dir_all(parent)?;
    }
    let (folder, made) = shared_folder(rustix::fs::CWD, path)?;
    let mut fresh = Vec::new();
    for name in beneath {
        let (inner, made) = shared_folder(&folder, Path::new(name))?;
        if made {
            fresh.push(inner);
        }
    }
    if made {
        // Last, so that nobody else can put anything into it before.
        fresh.push(folder);
    }
    for folder in fresh {
        rustix::fs::fchmod(&folder, Mode::from_raw_mode(0o1777))?;
    }
    Ok(())
}

/// Opens a folder, making it where it is missing; whether it was made.
fn shared_folder(at: impl rustix::fd::AsFd, path: &Path) -> io::Result<(File, bool)> {
    let made = match rustix::fs::mkdirat(&at, path, Mode::RWXU) {
        Ok(()) => true,
        Err(rustix::io::Errno::EXIST) => false,
        Err(error) => return Err(error.into()),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let opened = rustix::fs::openat(&at, path, flags, Mode::empty());
    let folder = File::from(opened.map_err(|error| match error {
        rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR => {
            irregular("a symbolic link or a file is in its place")
        }
        error => error.into(),
    })?);
    let found = folder.metadata()?;
    let own = rustix::process::geteuid().as_raw();
    if found.uid() != 0 && found.uid() != own {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            format!("it belongs to the user with the id {}", found.uid()),
        ));
    }
    if found.mode() & 0o1002 == 0o002 {
        return Err(io::Error::new(
            io::ErrorKind::PermissionDenied,
            "every user may remove what others put there (it lacks the sticky bit)",
        ));
    }
    Ok((folder, made))
}

fn irregular(why: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, why)
}

fn kind_in_words(kind: std::fs::FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt as _;
    if kind.is_dir() {
        "directory"
    } else if kind.is_fifo() {
        "named pipe"
    } else if kind.is_socket() {
        "socket"
    } else {
        "device"
    }
}

fn size_in_words(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} bytes"),
        1024..1_048_576 => format!("{} KiB", bytes >> 10),
        _ => format!("{} MiB", bytes >> 20),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::fixtures::{give_away, make_pipe};
    use super::*;

    #[test]
    fn only_regular_files_are_read_and_no_more_than_the_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("file"), b"12345").expect("a file");
        symlink(at("file"), at("link")).expect("a link");
        make_pipe(&at("pipe")).expect("a pipe");
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).expect("a socket");
        let read = |path: &Path, limit, links| {
            read_regular(path, limit, links).map_err(|error| error.to_string())
        };
        assert_eq!(read(&at("file"), 5, Links::Refused), Ok(b"12345".to_vec()));
        let large = read(&at("file"), 4, Links::Refused);
        assert_eq!(large, Err("it is larger than 4 bytes".into()));
        assert_eq!(read(&at("link"), 5, Links::Followed), Ok(b"12345".to_vec()));
        for (path, why) in [
            (at("link"), "symbolic link"),
            (at("pipe"), "named pipe"),
            (at("socket"), "socket"),
            (folder.path().to_owned(), "directory"),
            ("/dev/zero".into(), "device"),
        ] {
            let refused = read(&path, 5, Links::Refused).expect_err("refused");
            assert!(refused.contains(why), "{}: {refused}", path.display());
        }
    }

    #[test]
    fn a_replaced_link_leaves_what_it_leads_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("victim"), b"mine").expect("a file");
        symlink(at("victim"), at("link")).expect("a link");
        replace(&at("link"), b"new").expect("replaced");
        assert_eq!(std::fs::read(at("victim")).expect("a file"), b"mine");
        assert_eq!(std::fs::read(at("link")).expect("a file"), b"new");
        assert_eq!(
            std::fs::read_dir(folder.path()).expect("a folder").count(),
            2
        );
    }

    #[test]
    fn a_shared_folder_is_made_once_and_nothing_else_is_changed() {
        let outer = tempfile::tempdir().expect("a folder");
        let mode = |path: &Path| std::fs::metadata(path).expect("a folder").mode() & 0o7777;
        let shared = outer.path().join("a/shared");
        make_shared_folder(&shared, &["running"]).expect("made");
        assert_eq!(mode(&shared), 0o1777);
        assert_eq!(mode(&shared.join("running")), 0o1777);

        let own = outer.path().join("own");
        std::fs::create_dir(&own).expect("a folder");
        std::fs::set_permissions(&own, std::fs::Permissions::from_mode(0o700)).expect("private");
        make_shared_folder(&own, &["running"]).expect("the folder exists");
        assert_eq!(mode(&own), 0o700, "what was there stays as it was");

        let link = outer.path().join("link");
        symlink(&own, &link).expect("a link");
        let refused = make_shared_folder(&link, &["running"]).expect_err("a link");
        assert!(refused.to_string().contains("symbolic link"), "{refused}");
        assert_eq!(mode(&own), 0o700);
        let inner = outer.path().join("inner");
        std::fs::create_dir(&inner).expect("a folder");
        symlink(&own, inner.join("running")).expect("a link");
        make_shared_folder(&inner, &["running"]).expect_err("a link beneath it");
        assert_eq!(mode(&own), 0o700);

        let loose = outer.path().join("loose");
        std::fs::create_dir(&loose).expect("a folder");
        std::fs::set_permissions(&loose, std::fs::Permissions::from_mode(0o777)).expect("open");
        make_shared_folder(&loose, &[]).expect_err("everybody may clear it");

        if give_away(&own) {
            let refused = make_shared_folder(&own, &[]).expect_err("somebody else's");
            assert!(refused.to_string().contains("12345"), "{refused}");
        }
    }
}
