//! What lasts: campaigns, trials, changes, the audit and the logs, in one SQLite file.
//!
//! One thread writes, and answers a write once it is durable; reads have connections of their own. Several processes may share a
//! file. What is called `post_…` is written in order with everything else, and nobody waits for it.

mod backup;
mod campaigns;
mod changes;
mod column;
pub mod damage;
mod lock;
mod measurements;
mod note;
mod open;
mod path;
mod records;
mod salvage;
mod simulated;
#[cfg(test)]
mod tests;
mod trials;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

pub use campaigns::{CampaignRow, CombinationSummary, NewCampaign, StoredCampaign};
pub use changes::{ChangeRow, ChangeStatus, NewChange};
pub use lock::HostLock;
pub use measurements::{SampleRow, SecondRow};
pub use note::PendingNote;
pub use path::default_path;
pub use records::{AuditEntry, AuditRow, LogLine, PhaseRow, Verdict};
pub use simulated::Disk;
pub use trials::{NewTrial, StoredSpec, TrialEnd, TrialRow};

use duress_model::{Error, Result};
use simulated::Simulated;
use writer::Writer;

/// The database. Cheap to clone; the clones are one.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    path: PathBuf,
    identity: String,
    /// The file that was opened, by [`open::file_of`]: whatever lies at the path later.
    file: Option<(u64, u64)>,
    /// Connections that nobody reads with at the moment. They close before the writer's: the last one that may write tidies up.
    idle: Mutex<Vec<Connection>>,
    access: Access,
}

/// How the file is reached.
enum Access {
    Threads(Writer),
    Simulated(Simulated),
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.0.path).finish()
    }
}

impl Store {
    /// Opens the database of that path, and creates it if it does not exist. One that was not closed in good order is checked first.
    ///
    /// # Errors
    /// `Input` when the file is not a database of duress, or one of a newer version; `Environment` when it cannot be written, or is
    /// damaged.
    pub fn open(path: &Path) -> Result<Self> {
        Self::with(path, |connection, path| {
            Ok(Access::Threads(Writer::start(connection, path)?))
        })
    }

    /// As [`Store::open`], for a run in simulated time: reads and writes happen on the caller's thread, and call `disk` first.
    ///
    /// # Errors
    /// As [`Store::open`].
    pub fn open_simulated(path: &Path, disk: Arc<dyn Disk>) -> Result<Self> {
        Self::with(path, |connection, path| {
            Ok(Access::Simulated(Simulated::new(connection, path, disk)))
        })
    }

    fn with(
        path: &Path,
        access: impl FnOnce(Connection, PathBuf) -> Result<Access>,
    ) -> Result<Self> {
        let path = std::path::absolute(path).map_err(|error| {
            Error::input(format!("open the database {}: {error}", path.display()))
        })?;
        let path = canonical(&path);
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| {
                Error::environment(format!("make the folder {}: {error}", folder.display()))
                    .hint("name another database with --db")
            })?;
        }
        damage::refuse(&path)?;
        let unclean =
            open::was_left_open(&path) && HostLock::alive(&host_locks_of(&path)).is_empty();
        let connection = open::for_writing(&path)?;
        if unclean {
            open::check_soundness(&connection, &path)?;
        }
        let identity = open::identity(&connection, &path)?;
        let file = open::file_of(&path);
        let access = access(connection, path.clone())?;
        Ok(Self(Arc::new(Inner {
            path,
            identity,
            file,
            access,
            idle: Mutex::default(),
        })))
    }

    /// Opens a database that must be there.
    ///
    /// # Errors
    /// As [`Store::open`], and `Input` if it does not exist.
    pub fn open_existing(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Err(Error::input(format!("no database at {}", path.display()))
                .hint("`duress run` makes it; --db names another one"));
        }
        Self::open(path)
    }

    /// Returns where it is; absolute, and without symbolic links.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// Returns what names this database, wherever its file lies: a UUID inside it. A backup has another one.
    pub fn identity(&self) -> &str {
        &self.0.identity
    }

    /// Returns the folder of the locks of the processes that run trials.
    pub fn host_locks(&self) -> PathBuf {
        host_locks_of(&self.0.path)
    }

    /// Waits until everything is written, and folds the write-ahead log into the file.
    ///
    /// # Errors
    /// When something cannot be written.
    pub async fn close(&self) -> Result<()> {
        self.write("close", |_| Ok(())).await?;
        if let Access::Threads(writer) = &self.0.access {
            writer.checkpoint();
        }
        Ok(())
    }

    /// Writes, and waits until it is durable. All of `work` takes effect or nothing of it.
    async fn write<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        match &self.0.access {
            Access::Threads(writer) => writer.write(what, work).await,
            Access::Simulated(simulated) => simulated.write(what, work).await,
        }
    }

    /// Writes all of it into a new file, though its own file has been deleted.
    async fn save_to(&self, to: &Path) -> Result<()> {
        match &self.0.access {
            Access::Threads(writer) => writer.save_to(to).await,
            Access::Simulated(_) => Err(Error::failed("a simulated database is saved nowhere")),
        }
    }

    /// Writes, in order, and waits for nothing.
    fn post(
        &self,
        what: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static,
    ) {
        match &self.0.access {
            Access::Threads(writer) => writer.post(what, work),
            Access::Simulated(simulated) => simulated.post(what, work),
        }
    }

    /// Reads what is durable.
    async fn read<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        if let Access::Simulated(simulated) = &self.0.access {
            return simulated.read(what, work);
        }
        let inner = Arc::clone(&self.0);
        let reading = tokio::task::spawn_blocking(move || {
            let idle = inner
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop();
            let connection = match idle {
                Some(connection) => connection,
                None => open::for_reading(&inner.path)?,
            };
            let value =
                work(&connection).map_err(|error| open::explain(&inner.path, what, &error))?;
            inner
                .idle
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(connection);
            Ok(value)
        });
        reading
            .await
            .unwrap_or_else(|error| Err(Error::failed(format!("{what}: {error}"))))
    }
}

/// A path without symbolic links: two names of one file are one database, with one folder of locks. The file itself need not be there.
pub fn canonical(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    let Some((folder, name)) = path.parent().zip(path.file_name()) else {
        return path.to_owned();
    };
    folder
        .canonicalize()
        .map_or_else(|_| path.to_owned(), |folder| folder.join(name))
}

/// Returns the folder of the locks of the processes that run trials for the database of that path, which is [`canonical`].
pub fn host_locks_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-hosts");
    name.into()
}

/// Milliseconds since the Unix epoch.
fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A column that holds JSON.
fn json_of(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<serde_json::Value> {
    row.get(column)
}
