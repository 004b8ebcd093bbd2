//! Which hosts are alive: each process that runs trials holds a locked file for as long as it lives.
//!
//! The lock is the operating system's, so it ends with the process however that ends, and a process with a recycled pid cannot be
//! taken for it. The file's content is for people.

use std::fs::{self, File, TryLockError};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{Error, Result};

/// A lock file may be this old before it is locked.
const NEW: Duration = Duration::from_secs(60);

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
    /// Make and hold the lock of a new host in a directory beside the database.
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

    /// The host's name in the database.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether the host of that name has ended. Its lock file may be gone, or be there unlocked.
    pub fn is_dead(directory: &Path, id: &str) -> bool {
        match File::open(path(directory, id)) {
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
            // Shared, so that of two who look at once neither takes the other for the host.
            Ok(file) => match file.try_lock_shared() {
                Ok(()) => true,
                // Whatever keeps us from knowing, a living host's trials are never touched.
                Err(TryLockError::WouldBlock | TryLockError::Error(_)) => false,
            },
        }
    }

    /// The hosts with a lock in that directory that live, each with its file's content.
    pub fn alive(directory: &Path) -> Vec<(String, String)> {
        let Ok(locks) = fs::read_dir(directory) else {
            return Vec::new();
        };
        let ids = locks.flatten().filter_map(|lock| {
            let name = lock.file_name();
            name.to_str()?.strip_suffix(".lock").map(str::to_owned)
        });
        ids.filter(|id| !Self::is_dead(directory, id))
            .map(|id| {
                let content = fs::read_to_string(path(directory, &id)).unwrap_or_default();
                (id, content)
            })
            .collect()
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
                // One that cannot be removed is in nobody's way.
                let _ = fs::remove_file(lock.path());
            }
            let marked = name.to_str().and_then(|name| name.strip_suffix(TAKEN_OVER));
            if is_old && marked.is_some_and(|id| Self::is_dead(directory, id)) {
                let _ = fs::remove_file(lock.path());
            }
        }
    }

    /// Tell a host that stands still that its changes are being reverted by another process. It looks for this when it goes on.
    ///
    /// # Errors
    /// `Environment` when the mark cannot be written.
    pub fn mark_taken_over(directory: &Path, id: &str) -> Result<()> {
        let path = mark(directory, id);
        fs::create_dir_all(directory)
            .and_then(|()| fs::write(&path, "its guardian reverts its changes\n"))
            .map_err(|error| Error::environment(format!("write {}: {error}", path.display())))
    }

    /// Whether the host of that name was told that another process reverts its changes.
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

/// The kernel's name for this boot of the machine (random(4)); empty where there is none.
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
        drop(lock);
        assert!(HostLock::is_dead(&directory, &id));
        fs::remove_dir_all(&directory).expect("clean up");
    }
}
