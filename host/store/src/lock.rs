//! Which hosts are alive: each process that runs trials holds a locked file for as long as it lives.
//!
//! The lock is the operating system's, so it ends with the process however that ends, and a process with a recycled pid cannot be
//! taken for it. The file's content is for people.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use duress_files::{Links, open_regular, read_regular};
use duress_model::{Error, Result};

/// A lock file may be this old before it is locked.
const NEW: Duration = Duration::from_secs(60);
/// Maximum size of a lock file that is read, in bytes: a few lines.
const CONTENT_LIMIT: u64 = 16 << 10;

/// The end of the name of the file that tells a host that it was taken over.
const TAKEN_OVER: &str = ".taken-over";

/// A living host's lock. Dropping it says that the host has ended in good order.
#[derive(Debug)]
pub struct HostLock {
    id: String,
    path: PathBuf,
    /// The lock lasts as long as the open file.
    _file: File,
}

impl HostLock {
    /// Makes and holds the lock of a new host in a directory beside the database.
    ///
    /// # Errors
    /// `Environment` when the file cannot be written.
    pub fn acquire(directory: &Path) -> Result<Self> {
        Self::acquire_with(directory, "")
    }

    /// As [`HostLock::acquire`], with more lines for the file.
    ///
    /// # Errors
    /// As there.
    pub fn acquire_with(directory: &Path, note: &str) -> Result<Self> {
        Self::acquire_as(directory, &uuid::Uuid::now_v7().to_string(), note)
    }

    /// As [`HostLock::acquire_with`], for a host that has its name already.
    ///
    /// # Errors
    /// As there.
    pub fn acquire_as(directory: &Path, id: &str, note: &str) -> Result<Self> {
        let path = path(directory, id);
        let failed = |error: std::io::Error| {
            Error::environment(format!("write the host's lock {}: {error}", path.display()))
        };
        fs::create_dir_all(directory).map_err(failed)?;
        let mut file = File::create_new(&path).map_err(failed)?;
        file.lock().map_err(failed)?;
        let content = format!("pid {}\nboot {}\n{note}", std::process::id(), boot_id());
        file.write_all(content.as_bytes()).map_err(failed)?;
        Ok(Self {
            id: id.to_owned(),
            path,
            _file: file,
        })
    }

    /// Returns the host's name in the database.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns whether the host of that name has ended. Its lock file may be gone, or be there unlocked.
    pub fn is_dead(directory: &Path, id: &str) -> bool {
        // Other users may write to the machine's folder: what lies there may be a pipe, a device or a link.
        match open_regular(&path(directory, id), Links::Refused) {
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
            // Shared, so that of two who look at once neither takes the other for the host.
            Ok(file) => match file.try_lock_shared() {
                Ok(()) => true,
                // Whatever keeps us from knowing, a living host's trials are never touched.
                Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
            },
        }
    }

    /// Returns the hosts with a lock in that directory that live, each with its file's content.
    pub fn alive(directory: &Path) -> Vec<(String, String)> {
        let Ok(locks) = fs::read_dir(directory) else {
            return Vec::new();
        };
        let ids = locks.flatten().filter_map(|lock| {
            let name = lock.file_name();
            name.to_str()?.strip_suffix(".lock").map(str::to_owned)
        });
        ids.filter(|id| !Self::is_dead(directory, id))
            .filter_map(|id| {
                // What cannot be read is not a lock that duress made.
                let content =
                    read_regular(&path(directory, &id), CONTENT_LIMIT, Links::Refused).ok()?;
                Some((id, String::from_utf8_lossy(&content).into_owned()))
            })
            .collect()
    }

    /// Returns whether that process holds the lock of the host of that name, as the kernel says.
    ///
    /// The lock file's own text proves nothing: in a folder that all users share it may name any process. Only root can know of another
    /// user's process.
    pub fn is_held_by(directory: &Path, id: &str, pid: u32) -> bool {
        let Ok(lock) = fs::symlink_metadata(path(directory, id)) else {
            return false;
        };
        let process = PathBuf::from(format!("/proc/{pid}"));
        let Ok(open) = fs::read_dir(process.join("fd")) else {
            return false;
        };
        let is_it = |entry: &fs::DirEntry| {
            let file = fs::metadata(entry.path());
            file.is_ok_and(|file| (file.dev(), file.ino()) == (lock.dev(), lock.ino()))
        };
        // The lines `lock:` of proc_pid_fdinfo(5) are the locks that this very descriptor holds.
        let holds = |entry: fs::DirEntry| {
            let about = process.join("fdinfo").join(entry.file_name());
            fs::read_to_string(about).is_ok_and(|about| about.contains("FLOCK"))
        };
        open.flatten().filter(is_it).any(holds)
    }

    /// Forget the lock files of dead hosts. A new one may not be locked yet, and is left.
    pub fn tidy(directory: &Path) {
        let Ok(locks) = fs::read_dir(directory) else {
            return;
        };
        for lock in locks.flatten() {
            let age = lock.metadata().and_then(|file| file.modified());
            let is_old = age.is_ok_and(|at| at.elapsed().is_ok_and(|age| age > NEW));
            let name = lock.file_name();
            let id = name.to_str().and_then(|name| name.strip_suffix(".lock"));
            if is_old && id.is_some_and(|id| Self::is_dead(directory, id)) {
                // One that cannot be removed does no harm.
                let _ = fs::remove_file(lock.path());
            }
            let marked = name.to_str().and_then(|name| name.strip_suffix(TAKEN_OVER));
            if is_old && marked.is_some_and(|id| Self::is_dead(directory, id)) {
                let _ = fs::remove_file(lock.path());
            }
        }
    }

    /// Tells a host that stands still that its changes are being reverted by another process. It looks for this when it goes on.
    ///
    /// # Errors
    /// `Environment` when the mark cannot be written.
    pub fn mark_taken_over(directory: &Path, id: &str) -> Result<()> {
        let path = mark(directory, id);
        fs::create_dir_all(directory)
            .and_then(|()| fs::write(&path, "its guardian reverts its changes\n"))
            .map_err(|error| Error::environment(format!("write {}: {error}", path.display())))
    }

    /// Returns whether the host of that name was told that another process reverts its changes.
    pub fn is_taken_over(directory: &Path, id: &str) -> bool {
        mark(directory, id).exists()
    }
}

impl Drop for HostLock {
    fn drop(&mut self) {
        // One that cannot be removed reads as a dead host's, which it is.
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(self.path.with_extension(&TAKEN_OVER[1..]));
    }
}

fn mark(directory: &Path, id: &str) -> PathBuf {
    directory.join(format!("{id}{TAKEN_OVER}"))
}

fn path(directory: &Path, id: &str) -> PathBuf {
    directory.join(format!("{id}.lock"))
}

/// Returns the kernel's name for this boot of the machine (random(4)); empty if there isn't one.
pub(super) fn boot_id() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .unwrap_or_default()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_alive_and_a_dropped_one_is_dead() {
        let directory = std::env::temp_dir().join(format!("duress-lock-{}", uuid::Uuid::now_v7()));
        let lock = HostLock::acquire(&directory).expect("acquire");
        let id = lock.id().to_owned();
        assert!(!HostLock::is_dead(&directory, &id));
        assert!(HostLock::is_held_by(&directory, &id, std::process::id()));
        assert!(!HostLock::is_held_by(&directory, &id, 1));
        drop(lock);
        assert!(HostLock::is_dead(&directory, &id));
        fs::remove_dir_all(&directory).expect("clean up");
    }

    #[test]
    fn an_open_file_is_not_a_held_lock() {
        let folder = tempfile::tempdir().expect("a folder");
        let _open = File::create(path(folder.path(), "open")).expect("a file");
        assert!(!HostLock::is_held_by(
            folder.path(),
            "open",
            std::process::id()
        ));
        assert!(!HostLock::is_held_by(
            folder.path(),
            "none",
            std::process::id()
        ));
    }

    #[test]
    fn what_others_put_among_the_locks_is_neither_waited_for_nor_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |id: &str| path(folder.path(), id);
        duress_files::fixtures::make_pipe(&at("pipe")).expect("a pipe");
        std::os::unix::fs::symlink("/dev/zero", at("device")).expect("a link");
        let flood = File::create(at("flood")).expect("a file");
        flood.set_len(CONTENT_LIMIT + 1).expect("long");
        flood.lock().expect("locked");
        let lock = HostLock::acquire_with(folder.path(), "note").expect("acquire");
        let alive = HostLock::alive(folder.path());
        assert_eq!(alive.len(), 1, "{alive:?}");
        assert_eq!(alive[0].0, lock.id());
        for id in ["pipe", "device", "flood"] {
            assert!(
                !HostLock::is_dead(folder.path(), id),
                "{id}: unknown is not dead"
            );
        }
        HostLock::tidy(folder.path());
    }
}
