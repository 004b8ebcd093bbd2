//! What the duress processes of one machine know of one another: which of them run trials, and whether somebody has halted them all.
//!
//! It is a folder that everybody on the machine may write to. A process that runs trials holds a locked file there; while the file
//! `halted` is there, none begins and those that run end. The file outlives a restart of the machine: it is there until it is released.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::store::HostLock;
use crate::{Error, Result};

/// Names another folder than [`DIRECTORY`].
const VARIABLE: &str = "DURESS_MACHINE_DIR";
/// Where the folder is: kept over a restart, and writable for everybody (FHS 5.15).
const DIRECTORY: &str = "/var/tmp/duress";
/// How often a process looks whether it was halted.
const LOOKS: Duration = Duration::from_millis(100);

/// The machine that this process runs on.
#[derive(Debug, Clone)]
pub struct Machine {
    directory: PathBuf,
}

/// That this process runs trials; until it is dropped.
#[derive(Debug)]
pub struct Presence {
    machine: Machine,
    lock: HostLock,
}

/// A process that runs trials.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Running {
    /// The name of its lock.
    #[serde(skip)]
    id: String,
    /// The process.
    pub pid: u32,
    /// The database that it writes.
    pub database: String,
}

impl std::fmt::Display for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "process {} with the database {}",
            self.pid, self.database
        )
    }
}

impl Machine {
    /// The folder of this machine, or the one that the environment names.
    pub fn this() -> Self {
        let named = std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
        Self::at(named.map_or_else(|| DIRECTORY.into(), PathBuf::from))
    }

    /// The machine whose folder that is.
    pub fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Say that this process is about to run trials.
    ///
    /// # Errors
    /// `Environment` when the machine is halted, or the folder cannot be written.
    pub fn enter(&self, database: &Path) -> Result<Presence> {
        self.make_directory()?;
        // First the lock, then the look: who halts looks for locks last, so that one of the two sees the other.
        let note = format!("database {}\n", database.display());
        let lock = HostLock::acquire_with(&self.locks(), &note)?;
        HostLock::tidy(&self.locks());
        match self.halted() {
            None => Ok(Presence {
                machine: self.clone(),
                lock,
            }),
            Some(why) => Err(Error::environment(format!(
                "duress was halted on this machine {why}"
            ))
            .hint("`duress halt --release` lets campaigns run again")),
        }
    }

    /// Have every process that runs trials end, and none begin. Halting twice is no error; what was said first stands.
    ///
    /// # Errors
    /// `Environment` when the folder cannot be written.
    pub fn halt(&self, why: &str) -> Result<()> {
        self.make_directory()?;
        let path = self.sign();
        let created = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o644)
            .open(&path);
        match created {
            Ok(mut file) => file
                .write_all(why.as_bytes())
                .map_err(|error| Error::environment(format!("write {}: {error}", path.display()))),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) => Err(
                Error::environment(format!("write {}: {error}", path.display())).hint(format!(
                    "{VARIABLE} names another folder, the same for every duress of this machine"
                )),
            ),
        }
    }

    /// Let trials run again. Whether it was halted.
    ///
    /// # Errors
    /// `Environment` when that is somebody else's to decide.
    pub fn release(&self) -> Result<bool> {
        match fs::remove_file(self.sign()) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(Error::environment(format!(
                "remove {}: {error}",
                self.sign().display()
            ))
            .hint("whoever halted this machine can release it, and root can")),
        }
    }

    /// Why it is halted, if it is.
    pub fn halted(&self) -> Option<String> {
        let sign = self.sign();
        match fs::read_to_string(&sign) {
            Ok(why) => Some(why.trim().to_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            // A sign that cannot be read is a sign.
            Err(error) => Some(format!("{} cannot be read: {error}", sign.display())),
        }
    }

    /// The processes that run trials now.
    pub fn running(&self) -> Vec<Running> {
        let alive = HostLock::alive(&self.locks());
        let running = alive.into_iter().map(|(id, note)| {
            let line = |key: &str| note.lines().find_map(|line| line.strip_prefix(key));
            Running {
                pid: line("pid ").and_then(|pid| pid.parse().ok()).unwrap_or(0),
                database: line("database ").unwrap_or("?").to_owned(),
                id,
            }
        });
        running.collect()
    }

    /// Whether a host of that name runs trials on this machine, whatever became of the database's folder of locks.
    pub fn lives(&self, host: &str) -> bool {
        !HostLock::is_dead(&self.locks(), host)
    }

    /// What names this machine on containers. Two folders are two machines: neither knows who lives by the other. Empty where there is no
    /// folder.
    pub fn name(&self) -> String {
        use std::os::unix::fs::MetadataExt as _;
        let host = rustix::system::uname();
        let host = host.nodename().to_string_lossy();
        fs::metadata(self.locks())
            .map(|folder| format!("{host}:{}", folder.ino()))
            .unwrap_or_default()
    }

    fn locks(&self) -> PathBuf {
        self.directory.join("running")
    }

    fn sign(&self) -> PathBuf {
        self.directory.join("halted")
    }

    /// As `/tmp` is: everybody may add, and remove what is their own.
    fn make_directory(&self) -> Result<()> {
        for directory in [&self.directory, &self.locks()] {
            if directory.is_dir() {
                continue;
            }
            let made = fs::create_dir_all(directory)
                .and_then(|()| fs::set_permissions(directory, fs::Permissions::from_mode(0o1777)));
            made.map_err(|error| {
                Error::environment(format!("make the folder {}: {error}", directory.display()))
                    .hint(format!(
                        "{VARIABLE} names another folder, the same for every duress of this machine"
                    ))
            })?;
        }
        Ok(())
    }
}

impl Presence {
    /// The process's name here, and in the database.
    pub fn id(&self) -> &str {
        self.lock.id()
    }

    /// Wait until somebody halts the machine; why.
    pub async fn halted(&self) -> String {
        loop {
            if let Some(why) = self.machine.halted() {
                return why;
            }
            tokio::time::sleep(LOOKS).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_halted_machine_refuses_until_it_is_released() {
        let folder = tempfile::tempdir().expect("a folder");
        let machine = Machine::at(folder.path().join("machine"));
        let database = Path::new("/d.db");
        let presence = machine.enter(database).expect("nobody has halted it");
        let running = machine.running();
        assert_eq!(running.len(), 1);
        assert_eq!(
            (running[0].pid, running[0].database.as_str()),
            (std::process::id(), "/d.db")
        );

        machine.halt("smoke").expect("halted");
        machine.halt("again").expect("twice is once");
        let refused = machine.enter(database).expect_err("halted");
        assert!(refused.to_string().ends_with("machine smoke"), "{refused}");
        drop(presence);
        assert_eq!(machine.running(), [], "who was refused is not there either");
        assert!(machine.release().expect("released"));
        assert!(!machine.release().expect("it was not halted"));
        machine
            .enter(database)
            .expect("nobody has halted it any more");
    }

    #[tokio::test]
    async fn who_runs_is_told_of_the_halt() {
        let folder = tempfile::tempdir().expect("a folder");
        let machine = Machine::at(folder.path().to_owned());
        let presence = machine
            .enter(Path::new("/d.db"))
            .expect("nobody has halted it");
        let (why, ()) = tokio::join!(presence.halted(), async {
            machine.halt("smoke").expect("halted");
        });
        assert_eq!(why, "smoke");
    }
}
