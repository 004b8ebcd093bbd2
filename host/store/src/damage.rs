//! Damage is not forgotten: a database that failed a check is refused until it is restored, salvaged, or found to be sound.
//!
//! SQLite notices a damaged page when it meets it, and not before: the next command may never do so, and would go on as if all were well.
//! A mark beside the file outlives the command that met it.

use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{HostLock, Store, canonical, host_locks_of, open};
use duress_model::{Error, Result};

/// The end of the name of the file that says that a database is damaged.
const MARK: &str = "-damaged";

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Refuses a database that is known to be damaged.
pub(super) fn refuse(path: &Path) -> Result<()> {
    let mark = beside(path, MARK);
    if !mark.exists() {
        return Ok(());
    }
    Err(error(format!(
        "the database {} is damaged: it failed a check earlier, and is refused until it is repaired",
        path.display()
    )))
}

/// That a database is damaged, as an error; noted beside it where that is possible.
pub(super) fn note(path: &Path, message: String) -> Error {
    // One that is not there is a copy in the making.
    if path.exists()
        && let Err(why) = fs::write(beside(path, MARK), format!("{message}\n"))
    {
        tracing::warn!("note the damage of {}: {why}", path.display());
    }
    error(message)
}

fn error(message: String) -> Error {
    Error::environment(message)
        .hint("put a backup in its place: duress db restore BACKUP")
        .hint("or keep what can still be read of it: duress db salvage")
        .hint("what its runs left in the engine: duress recover --all")
}

/// Looks for damage in a whole database, in every table and index (`PRAGMA integrity_check`, `PRAGMA foreign_key_check`). What was found;
/// nothing where all is well. A database that is damaged is refused from now on; one that is sound is not any more.
///
/// # Errors
/// When the file cannot be read.
pub fn check(path: &Path) -> Result<Vec<String>> {
    let path = canonical(path);
    if !path.exists() {
        return Err(Error::input(format!("no database at {}", path.display()))
            .hint("--db names another one"));
    }
    let connection = open::for_reading(&path)?;
    open::check_ours(&connection, &path)?;
    let found = match look(&connection) {
        Ok(found) => found,
        // So damaged that it cannot even be looked through.
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseCorrupt) => {
            vec![error.to_string()]
        }
        Err(error) => return Err(open::explain(&path, "check", &error)),
    };
    if let Some(first) = found.first() {
        note(&path, first.clone());
    } else {
        // Somebody has put a sound file in its place.
        let _ = fs::remove_file(beside(&path, MARK));
    }
    Ok(found)
}

fn look(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut found: Vec<String> = connection
        .prepare("PRAGMA integrity_check")?
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<_>>()?;
    found.retain(|line| line != "ok");
    let dangling: Vec<String> = connection
        .prepare("PRAGMA foreign_key_check")?
        .query_map([], |row| {
            let (table, other): (String, String) = (row.get(0)?, row.get(2)?);
            Ok(format!(
                "a row of {table} refers to one of {other} that is not there"
            ))
        })?
        .collect::<rusqlite::Result<_>>()?;
    found.extend(dangling);
    Ok(found)
}

/// Puts a backup in the place of a database. What was there is kept beside it; its new name.
///
/// # Errors
/// `Input` when the backup is not a valid database of duress, or a run uses the one to be replaced; `Environment` when a file cannot be
/// written.
pub fn restore(path: &Path, backup: &Path) -> Result<Option<PathBuf>> {
    let path = canonical(path);
    refuse_while_used(&path)?;
    let source = open::for_reading(backup)?;
    open::check_ours(&source, backup)?;
    open::check_soundness(&source, backup)?;
    drop(source);
    let aside = set_aside(&path)?;
    super::backup::copy(backup, &path)?;
    // It has what the newest schema has, and is what the runs of the old one are labelled with, where that can still be read.
    let identity = aside.as_deref().and_then(identity_of);
    let connection = open::for_writing(&path)?;
    if let Some(identity) = identity {
        connection
            .execute("UPDATE identity SET uuid = ?", [identity])
            .map_err(|error| open::explain(&path, "restore", &error))?;
    }
    Ok(aside)
}

/// What was saved of a damaged database.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Salvaged {
    /// Where the damaged file is kept.
    pub kept: Option<PathBuf>,
    /// For each table, how many rows were saved, and whether all were.
    pub tables: Vec<(String, usize, bool)>,
}

/// Makes a new database of all rows that can still be read, and puts it in the place of the damaged one, which is kept beside it.
///
/// # Errors
/// `Input` when a run uses it; `Environment` when a file cannot be written, or nothing can be read.
pub fn salvage(path: &Path) -> Result<Salvaged> {
    let path = canonical(path);
    refuse_while_used(&path)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let failed =
        |error: std::io::Error| Error::environment(format!("salvage {}: {error}", path.display()));
    let partial = tempfile::Builder::new()
        .prefix(".duress-salvage-")
        .tempfile_in(folder)
        .map_err(failed)?;
    let source = open::for_reading(&path)?;
    open::check_ours(&source, &path)?;
    let target = open::for_writing(partial.path())?;
    let tables = super::salvage::rows(&source, &target)
        .map_err(|error| Error::environment(format!("salvage {}: {error}", path.display())))?;
    let found = look(&target).map_err(|error| open::explain(&path, "salvage", &error))?;
    if let Some(first) = found.first() {
        return Err(Error::failed(format!(
            "salvage {}: {first}",
            path.display()
        )));
    }
    // In one file, before it takes the other's name.
    target
        .pragma_update(None, "journal_mode", "delete")
        .map_err(|error| open::explain(&path, "salvage", &error))?;
    drop(target);
    drop(source);
    partial.as_file().sync_all().map_err(failed)?;
    let kept = set_aside(&path)?;
    partial
        .persist_noclobber(&path)
        .map_err(|error| failed(error.error))?;
    Ok(Salvaged { kept, tables })
}

fn identity_of(path: &Path) -> Option<String> {
    let connection = open::for_reading(path).ok()?;
    open::identity(&connection, path).ok()
}

fn refuse_while_used(path: &Path) -> Result<()> {
    if HostLock::alive(&host_locks_of(path)).is_empty() {
        return Ok(());
    }
    Err(
        Error::input(format!("a run uses the database {}", path.display()))
            .hint("wait for it, or end it with Ctrl+C there or with `duress halt`"),
    )
}

/// Gives a database and what belongs to it another name.
fn set_aside(path: &Path) -> Result<Option<PathBuf>> {
    if !path.exists() {
        let _ = fs::remove_file(beside(path, MARK));
        return Ok(None);
    }
    let now = jiff::Timestamp::now()
        .strftime("%Y%m%dT%H%M%SZ")
        .to_string();
    let aside = beside(path, &format!(".damaged-{now}"));
    for end in ["", "-wal", "-shm"] {
        let (from, to) = (beside(path, end), beside(&aside, end));
        if from.exists() {
            fs::rename(&from, &to).map_err(|error| {
                Error::environment(format!(
                    "rename {} to {}: {error}",
                    from.display(),
                    to.display()
                ))
            })?;
        }
    }
    let _ = fs::remove_file(beside(path, MARK));
    Ok(Some(aside))
}

impl Store {
    /// Saves what this database holds, where its file was deleted or replaced while it was used. Where to; `None` when it is still there.
    ///
    /// # Errors
    /// `Environment` when it can be saved nowhere.
    pub async fn rescue(&self) -> Result<Option<PathBuf>> {
        if open::file_of(self.path()).is_some_and(|file| Some(file) == self.0.file) {
            return Ok(None);
        }
        let now = jiff::Timestamp::now()
            .strftime("%Y%m%dT%H%M%SZ")
            .to_string();
        let name = self
            .path()
            .file_name()
            .unwrap_or_default()
            .to_string_lossy();
        let name = format!("{name}.saved-{now}");
        let folders = [
            self.path().parent().map(Path::to_owned),
            Some(std::env::temp_dir()),
        ];
        let mut last = None;
        for folder in folders.into_iter().flatten() {
            let to = folder.join(&name);
            match self.save_to(&to).await {
                Ok(()) => return Ok(Some(to)),
                Err(error) => last = Some(error),
            }
        }
        Err(last.unwrap_or_else(|| Error::environment("no folder to save the database in")))
    }
}
