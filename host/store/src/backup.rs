//! A copy of the database while others use it.

use std::path::Path;

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::{Store, open};
use duress_model::{Error, Result};

impl Store {
    /// Copies the whole database into a new file, as it is at one moment, by SQLite's [online backup](https://sqlite.org/backup.html).
    /// Concurrent writers are not delayed.
    ///
    /// # Errors
    /// `Input` when the file is there already; `Environment` when it cannot be written.
    pub async fn back_up(&self, to: &Path) -> Result<()> {
        let to = to.to_owned();
        let shown = to.display().to_string();
        let path = self.path().to_owned();
        let copied = tokio::task::spawn_blocking(move || copy(&path, &to));
        copied
            .await
            .unwrap_or_else(|error| Err(Error::failed(format!("back up to {shown}: {error}"))))
    }
}

/// Into a file beside the one that is asked for, which takes its name once it is whole.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    let shown = to.display();
    if to.exists() {
        return Err(Error::input(format!("{shown} is there already"))
            .hint("name a file that is not there: a backup overwrites nothing"));
    }
    let folder = match to.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let failed = |error: std::io::Error| {
        Error::environment(format!("back up to {shown}: {error}")).hint("name another file")
    };
    let partial = tempfile::Builder::new()
        .prefix(".duress-backup-")
        .tempfile_in(folder)
        .map_err(failed)?;
    let source = open::for_reading(from)?;
    let wrong = |error: rusqlite::Error| open::explain(to, "back up to", &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut copy = Connection::open_with_flags(partial.path(), flags).map_err(wrong)?;
    let backup = Backup::new(&source, &mut copy).map_err(wrong)?;
    // All at once: one moment of the database, which a writer beside it neither changes nor waits for.
    match backup.step(-1).map_err(wrong)? {
        StepResult::Done => {}
        _ => {
            return Err(
                Error::environment(format!("back up to {shown}: the database is locked"))
                    .hint("another program holds it: end that one first"),
            );
        }
    }
    drop(backup);
    open::check_soundness(&copy, from)?;
    open::renew_identity(&copy).map_err(wrong)?;
    copy.close().map_err(|(_, error)| wrong(error))?;
    partial.as_file().sync_all().map_err(failed)?;
    partial
        .persist_noclobber(to)
        .map_err(|error| failed(error.error))?;
    Ok(())
}
