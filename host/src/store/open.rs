//! Opening the file: what it must be, and what its connections are set to.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use rusqlite_migration::{M, Migrations};

use crate::{Error, Result};

/// Marks the file as one of ours (`PRAGMA application_id`): the bytes `drss`.
const APPLICATION_ID: i32 = 0x6472_7373;
/// How long a write waits for another process's write.
const BUSY: Duration = Duration::from_secs(30);

static MIGRATIONS: LazyLock<Migrations<'static>> =
    LazyLock::new(|| Migrations::new(vec![M::up(include_str!("schema_1.sql"))]));
/// The version of the schema that this program writes: the number of migrations.
const VERSION: i64 = 1;

/// A connection that may write, to a file with the schema of this version.
pub(super) fn for_writing(path: &Path) -> Result<Connection> {
    let failed = |error: rusqlite::Error| explain(path, "open", &error);
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    check(&connection, path)?;
    // The log survives the loss of power at each commit: that is what makes the journal one.
    connection
        .pragma_update(None, "journal_mode", "wal")
        .map_err(failed)?;
    connection
        .pragma_update(None, "synchronous", "full")
        .map_err(failed)?;
    connection
        .pragma_update(None, "foreign_keys", true)
        .map_err(failed)?;
    if version(&connection).map_err(failed)? < VERSION {
        migrate(&mut connection, path)?;
    }
    Ok(connection)
}

/// A connection that cannot write.
pub(super) fn for_reading(path: &Path) -> Result<Connection> {
    let failed = |error: rusqlite::Error| explain(path, "open", &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    Ok(connection)
}

/// Whether it is ours to write, before anything in it is changed.
fn check(connection: &Connection, path: &Path) -> Result<()> {
    let failed = |error: rusqlite::Error| explain(path, "open", &error);
    let shown = path.display();
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let tables = number("SELECT count(*) FROM sqlite_schema").map_err(failed)?;
    let application = number("PRAGMA application_id").map_err(failed)?;
    if tables > 0 && application != i64::from(APPLICATION_ID) {
        return Err(
            Error::input(format!("{shown} is a database of another program"))
                .hint("name another file with --db"),
        );
    }
    let version = version(connection).map_err(failed)?;
    if version > VERSION {
        return Err(Error::input(format!(
            "{shown} was written by a newer duress: its schema is {version}, this one knows up to {VERSION}"
        ))
        .hint("use the newer duress, or name another file with --db"));
    }
    Ok(())
}

fn version(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("PRAGMA user_version", [], |row| row.get(0))
}

fn migrate(connection: &mut Connection, path: &Path) -> Result<()> {
    let failed = |error: rusqlite::Error| explain(path, "set up", &error);
    connection
        .pragma_update(None, "application_id", APPLICATION_ID)
        .map_err(failed)?;
    if let Err(error) = MIGRATIONS.to_latest(connection) {
        // Another process may have been quicker.
        if version(connection).map_err(failed)? < VERSION {
            return Err(Error::environment(format!(
                "set up the database {}: {error}",
                path.display()
            )));
        }
    }
    Ok(())
}

/// What a person needs to know of an error of SQLite.
pub(super) fn explain(path: &Path, what: &str, error: &rusqlite::Error) -> Error {
    let message = format!("{what}: the database {}: {error}", path.display());
    let another = "name another file with --db";
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            Error::input(format!("{} is no SQLite database", path.display())).hint(another)
        }
        Some(ErrorCode::DiskFull) => Error::environment(message).hint("make room on its disk"),
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::environment(message).hint("another program holds it: end that one first")
        }
        Some(
            ErrorCode::CannotOpen
            | ErrorCode::ReadOnly
            | ErrorCode::PermissionDenied
            | ErrorCode::SystemIoFailure
            | ErrorCode::FileLockingProtocolFailed,
        ) => Error::environment(message).hint(another),
        Some(ErrorCode::DatabaseCorrupt) => Error::environment(message)
            .hint("the file is damaged: keep it, and name another one with --db"),
        _ => Error::failed(message),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn migrations_are_sound_and_counted() {
        super::MIGRATIONS.validate().expect("sound");
        let mut connection = rusqlite::Connection::open_in_memory().expect("open");
        super::MIGRATIONS
            .to_latest(&mut connection)
            .expect("migrate");
        assert_eq!(
            super::version(&connection).expect("version"),
            super::VERSION
        );
    }
}
