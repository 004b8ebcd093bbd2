//! What the duress processes of one machine know of one another: which of them run trials, and whether somebody has halted them all.
//!
//! It is a folder that everybody on the machine may write to, and that belongs to root or to this user. What lies there is anybody's:
//! links and pipes are refused, reads are bounded, text is made harmless. A process that runs trials holds a locked file there; while the file
//! `halted` exists, no run begins and those that run end. The file outlives a restart of the machine: it stays until it is released.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use duress_files::{Links, make_shared_folder, read_regular};
use duress_model::text::tame;
use duress_model::{Error, Result};
use duress_store::HostLock;

/// Names another folder than [`DIRECTORY`].
const VARIABLE: &str = "DURESS_MACHINE_DIR";
/// Where the folder is: kept over a restart, and writable for everybody (FHS 5.15).
const DIRECTORY: &str = "/var/tmp/duress";
/// How often a process looks whether it was halted.
const LOOKS: Duration = Duration::from_millis(100);
/// Maximum size of the file `halted`, in bytes.
const SIGN_LIMIT: u64 = 4 << 10;
/// Maximum length of what another user's file says, as it is shown, in bytes.
const SHOWN_LIMIT: usize = 400;

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
    /// The process, where the kernel confirms it: the file of another user may name any.
    pub pid: Option<u32>,
    /// The database that it writes, as its file says.
    pub database: String,
    /// Its file belongs to the user of this process, and so says what is true.
    #[serde(skip)]
    pub is_own: bool,
}

impl Running {
    /// Returns a process with that database.
    pub fn new(pid: Option<u32>, database: &str, is_own: bool) -> Self {
        Self {
            id: String::new(),
            pid,
            database: database.to_owned(),
            is_own,
        }
    }
}

impl std::fmt::Display for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.pid {
            Some(pid) => write!(f, "process {pid}")?,
            None => write!(f, "a process that this user cannot see")?,
        }
        write!(f, " with the database {}", self.database)
    }
}

impl Machine {
    /// Returns the folder of this machine, or the one that the environment names.
    pub fn this() -> Self {
        let named = std::env::var_os(VARIABLE).filter(|path| !path.is_empty());
        Self::at(named.map_or_else(|| DIRECTORY.into(), PathBuf::from))
    }

    /// Returns the machine whose folder that is.
    pub fn at(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Says that this process is about to run trials.
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

    /// Has every process that runs trials end, and none begin. Halting twice is not an error; what was said first stands.
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

    /// Lets trials run again. Whether it was halted.
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
            .hint("the user who halted this machine can release it, and so can root")),
        }
    }

    /// Why it is halted, if it is.
    pub fn halted(&self) -> Option<String> {
        let sign = self.sign();
        match read_regular(&sign, SIGN_LIMIT, Links::Refused) {
            Ok(why) => Some(one_line(&String::from_utf8_lossy(&why))),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
            // A sign that cannot be read is a sign.
            Err(error) => Some(format!("{} cannot be read: {error}", sign.display())),
        }
    }

    /// Returns the processes that run trials now.
    pub fn running(&self) -> Vec<Running> {
        let alive = HostLock::alive(&self.locks());
        let running = alive.into_iter().map(|(id, note)| {
            let line = |key: &str| note.lines().find_map(|line| line.strip_prefix(key));
            let said = line("pid ").and_then(|pid| pid.parse().ok());
            let user = rustix::process::geteuid().as_raw();
            let file = fs::symlink_metadata(self.locks().join(format!("{id}.lock")));
            Running {
                pid: said.filter(|pid| HostLock::is_held_by(&self.locks(), &id, *pid)),
                database: one_line(line("database ").unwrap_or("?")),
                is_own: file.is_ok_and(|file| file.uid() == user),
                id,
            }
        });
        running.collect()
    }

    /// Returns whether a host of that name runs trials on this machine, whatever became of the database's folder of locks.
    pub fn lives(&self, host: &str) -> bool {
        !HostLock::is_dead(&self.locks(), host)
    }

    /// What names this machine on containers. Two folders are two machines: neither knows who lives by the other. Empty without a
    /// folder.
    pub fn name(&self) -> String {
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
        make_shared_folder(&self.directory, &["running"]).map_err(|error| {
            let directory = self.directory.display();
            Error::environment(format!("use the folder {directory}: {error}"))
                .hint(format!(
                    "every duress of this machine shares it, and it must belong to root or to you: remove it (`rm -r {directory}`) and run duress as root once"
                ))
                .hint(format!(
                    "{VARIABLE} names another folder, the same for every duress of this machine"
                ))
        })
    }
}

/// A text of another user's, on one line and harmless for a terminal.
fn one_line(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    tame(&words.join(" "), SHOWN_LIMIT)
}

impl Presence {
    /// Returns the process's name here, and in the database.
    pub fn id(&self) -> &str {
        self.lock.id()
    }

    /// Waits until somebody halts the machine; why.
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
            (Some(std::process::id()), "/d.db")
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

    #[test]
    fn what_other_users_put_there_neither_hangs_nor_floods_nor_escapes() {
        let folder = tempfile::tempdir().expect("a folder");
        let machine = Machine::at(folder.path().join("machine"));
        machine.make_directory().expect("made");
        let database = Path::new("/d.db");
        let refused = |planted: &str| {
            let refused = machine.enter(database).expect_err(planted).to_string();
            machine.release().expect("removed");
            refused
        };
        duress_files::fixtures::make_pipe(&machine.sign()).expect("a pipe");
        assert!(refused("a pipe").contains("named pipe"));
        std::os::unix::fs::symlink("/dev/zero", machine.sign()).expect("a link");
        assert!(refused("a link").contains("symbolic link"));
        fs::write(machine.sign(), vec![b'x'; 1 << 20]).expect("a flood");
        assert!(refused("a flood").len() < 300);
        fs::write(machine.sign(), "by me\n\u{1b}]0;owned\u{7}\nerror: forged").expect("escapes");
        let text = refused("escapes");
        assert!(
            text.ends_with("by me \\u{1b}]0;owned\\u{7} error: forged"),
            "{text}"
        );

        duress_files::fixtures::make_pipe(&machine.locks().join("pipe.lock")).expect("a pipe");
        let note = "database /d\u{1b}[2J\n";
        let _lock = HostLock::acquire_with(&machine.locks(), note).expect("a lock");
        let running = machine.running();
        assert_eq!(running.len(), 1, "{running:?}");
        assert_eq!(running[0].database, "/d\\u{1b}[2J");
    }

    #[test]
    fn a_process_that_a_lock_only_names_is_not_taken_for_its_own() {
        let folder = tempfile::tempdir().expect("a folder");
        let machine = Machine::at(folder.path().to_owned());
        machine.make_directory().expect("made");
        let path = machine.locks().join("planted.lock");
        fs::write(&path, "pid 1\ndatabase /d.db\n").expect("a file");
        let planted = fs::File::open(&path).expect("a file");
        planted.lock().expect("locked");
        let running = machine.running();
        assert_eq!(running.len(), 1);
        assert_eq!((running[0].pid, running[0].is_own), (None, true));
        assert!(
            !running[0].to_string().contains("process 1"),
            "{}",
            running[0]
        );
        if duress_files::fixtures::give_away(&path) {
            assert!(!machine.running()[0].is_own);
        }
    }

    #[test]
    fn a_folder_that_is_a_link_or_somebody_elses_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let victim = folder.path().join("victim");
        fs::create_dir(&victim).expect("a folder");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(&victim, &link).expect("a link");
        let refused = Machine::at(link)
            .enter(Path::new("/d.db"))
            .expect_err("a link");
        assert!(refused.to_string().contains("symbolic link"), "{refused}");
        assert!(fs::read_dir(&victim).expect("a folder").next().is_none());
        if duress_files::fixtures::give_away(&victim) {
            let machine = Machine::at(victim);
            machine
                .enter(Path::new("/d.db"))
                .expect_err("somebody else's");
            machine.halt("why").expect_err("somebody else's");
        }
    }
}
