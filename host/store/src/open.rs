//! Opening the file: what it must be, and what its connections are set to.

use std::path::Path;
use std::sync::LazyLock;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags};
use rusqlite_migration::{M, Migrations};

use super::damage;
use duress_model::{Error, Result};

/// Marks the file as one of ours (`PRAGMA application_id`): the bytes `drss`.
const APPLICATION_ID: i32 = 0x6472_7373;
/// How long a write waits for another process's write.
const BUSY: Duration = Duration::from_secs(30);

static MIGRATIONS: LazyLock<Migrations<'static>> = LazyLock::new(|| {
    Migrations::new(vec![
        M::up(include_str!("schema_1.sql")),
        M::up(include_str!("schema_2.sql")),
        M::up_with_hook(include_str!("schema_3.sql"), |transaction| {
            transaction
                .execute("INSERT INTO identity (uuid) VALUES (?)", [new_identity()])
                .map(drop)
                .map_err(Into::into)
        }),
        M::up(include_str!("schema_4.sql")),
        M::up(include_str!("schema_5.sql")),
    ])
});
/// The version of the schema that this program writes: the number of migrations.
const VERSION: i64 = 5;

/// A connection that may write, to a file with the schema of this version.
pub(super) fn for_writing(path: &Path) -> Result<Connection> {
    let failed = |error: rusqlite::Error| explain(path, "open", &error);
    let mut connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY).map_err(failed)?;
    check_ours(&connection, path)?;
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

/// Returns whether the file's last user did not close it: its write-ahead log still exists.
pub(super) fn was_left_open(path: &Path) -> bool {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    std::fs::metadata(log).is_ok_and(|log| log.len() > 0)
}

/// Looks through the whole file for damage (`PRAGMA quick_check`).
pub(super) fn check_soundness(connection: &Connection, path: &Path) -> Result<()> {
    let failed = |error: rusqlite::Error| explain(path, "check", &error);
    let found: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(failed)?;
    if found == "ok" {
        Ok(())
    } else {
        Err(damage::note(
            path,
            format!("check: the database {}: {found}", path.display()),
        ))
    }
}

/// Returns the file at a path: its device and its number there.
pub(super) fn file_of(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

/// Whether it is ours to write, before anything in it is changed.
pub(super) fn check_ours(connection: &Connection, path: &Path) -> Result<()> {
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

fn new_identity() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// Returns the identity of an open database.
pub(super) fn identity(connection: &Connection, path: &Path) -> Result<String> {
    connection
        .query_row("SELECT uuid FROM identity", [], |row| row.get(0))
        .map_err(|error| explain(path, "open", &error))
}

/// Gives a copy an identity of its own: what the original's runs have in force is not the copy's to revert.
pub(super) fn renew_identity(connection: &Connection) -> rusqlite::Result<()> {
    // One of an earlier version gets its identity when it is opened.
    if version(connection)? < 3 {
        return Ok(());
    }
    connection
        .execute("UPDATE identity SET uuid = ?", [new_identity()])
        .map(drop)
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

/// Returns what a person needs to know of an error of SQLite.
pub(super) fn explain(path: &Path, what: &str, error: &rusqlite::Error) -> Error {
    let message = format!("{what}: the database {}: {error}", path.display());
    let another = "name another file with --db";
    match error.sqlite_error_code() {
        Some(ErrorCode::NotADatabase) => {
            Error::input(format!("{} is not an SQLite database", path.display())).hint(another)
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
        Some(ErrorCode::DatabaseCorrupt) => damage::note(path, message),
        _ => Error::failed(message),
    }
}

/// A database as an earlier version left it, with a row of everything.
#[cfg(test)]
pub(super) fn of_version(path: &Path, version: usize) {
    let mut connection = Connection::open(path).expect("open");
    MIGRATIONS
        .to_version(&mut connection, version)
        .expect("an earlier schema");
    connection
        .pragma_update(None, "application_id", APPLICATION_ID)
        .expect("ours");
    connection
        .execute_batch(
            "INSERT INTO hosts VALUES ('h', 1, 'b', '0.0.1', 1);
             INSERT INTO campaigns (id, host_id, name, variant, definition, seed, trials_planned, started_at)
                 VALUES ('campaign-old', 'h', 'old', 'default', '{}', 7, 2, 1);
             INSERT INTO trials (id, campaign_id, host_id, name, subject, chaos, slot, seed, project, digests, spec, started_at, outcome)
                 VALUES ('t1', 'campaign-old', 'h', 'trial-etcd-node_kill-1', 'etcd', 'node_kill', 0, 7, 'duress-1', '{}', '{}', 1, 'passed'),
                        ('t2', 'campaign-old', 'h', 'trial-etcd-node_kill-2', 'etcd', 'node_kill', 0, 8, 'duress-2', '{}', '{}', 2, NULL);
             INSERT INTO changes (id, trial_id, host_id, project, container, container_name, summary, change, status, created_at)
                 VALUES ('c1', 't2', 'h', 'duress-2', 'x', 'etcd0', 'pause etcd0', '{}', 'in_force', 3);",
        )
        .expect("rows");
}

/// Returns the versions that there are.
#[cfg(test)]
pub(super) fn versions() -> std::ops::RangeInclusive<usize> {
    1..=usize::try_from(VERSION).expect("a small number")
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
