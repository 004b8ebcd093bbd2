//! What lasts: campaigns, trials, changes, the audit and the logs, in one SQLite file.
//!
//! One thread writes, and answers a write once it is durable; reads have connections of their own. Several processes may share a
//! file. What is called `post_…` is written in order with everything else, and nobody waits for it.

mod campaigns;
mod changes;
mod open;
mod outcome;
mod path;
mod records;
#[cfg(test)]
mod tests;
mod trials;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;

pub use campaigns::{CampaignOutcome, CampaignRow, CombinationSummary, NewCampaign};
pub use changes::{ChangeRow, ChangeStatus, NewChange};
pub use outcome::Outcome;
pub use path::default_path;
pub use records::{AuditEntry, AuditRow, LogLine, PhaseRow, Verdict};
pub use trials::{NewTrial, TrialEnd, TrialRow};

use crate::{Error, Result};
use writer::Writer;

/// The database. Cheap to clone; the clones are one.
#[derive(Clone)]
pub struct Store(Arc<Inner>);

struct Inner {
    path: PathBuf,
    /// Connections that nobody reads with at the moment. They close before the writer's: the last one that may write tidies up.
    idle: Mutex<Vec<Connection>>,
    writer: Writer,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Store").field(&self.0.path).finish()
    }
}

impl Store {
    /// Open the database of that path, and make it where there is none.
    ///
    /// # Errors
    /// `Input` when the file is no database of duress, or one of a newer version; `Environment` when it cannot be written.
    pub fn open(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path).map_err(|error| {
            Error::input(format!("open the database {}: {error}", path.display()))
        })?;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|error| {
                Error::environment(format!("make the folder {}: {error}", folder.display()))
                    .hint("name another database with --db")
            })?;
        }
        let connection = open::for_writing(&path)?;
        let writer = Writer::start(connection, path.clone())?;
        Ok(Self(Arc::new(Inner {
            path,
            writer,
            idle: Mutex::default(),
        })))
    }

    /// Open a database that must be there.
    ///
    /// # Errors
    /// As [`Store::open`], and `Input` when there is none.
    pub fn open_existing(path: &Path) -> Result<Self> {
        if !path.exists() {
            return Err(
                Error::input(format!("there is no database at {}", path.display()))
                    .hint("`duress run` makes it; --db names another one"),
            );
        }
        Self::open(path)
    }

    /// Where it is; absolute.
    pub fn path(&self) -> &Path {
        &self.0.path
    }

    /// The folder of the locks of the processes that run trials.
    pub fn host_locks(&self) -> PathBuf {
        let mut name = self.0.path.clone().into_os_string();
        name.push("-hosts");
        name.into()
    }

    /// Wait until everything is written, and fold the write-ahead log into the file.
    ///
    /// # Errors
    /// When something cannot be written.
    pub async fn close(&self) -> Result<()> {
        self.write("close", |_| Ok(())).await?;
        self.0.writer.checkpoint();
        Ok(())
    }

    /// Write, and wait until it is durable. All of `work` takes effect or nothing of it.
    async fn write<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.0.writer.write(what, work).await
    }

    /// Write, in order, and wait for nothing.
    fn post(
        &self,
        what: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<()> + Send + 'static,
    ) {
        self.0.writer.post(what, work);
    }

    /// Read what is durable.
    async fn read<T: Send + 'static>(
        &self,
        what: &'static str,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
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

/// Milliseconds since the Unix epoch.
fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

/// A column that holds JSON.
fn json_of(row: &rusqlite::Row<'_>, column: &str) -> rusqlite::Result<serde_json::Value> {
    row.get(column)
}
