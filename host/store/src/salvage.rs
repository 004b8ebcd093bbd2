//! What can still be read of a damaged database: each table from its beginning, and from its end, up to what cannot be read.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

/// What refers to it comes after a table.
const TABLES: [(&str, &str); 9] = [
    ("hosts", "id"),
    ("campaigns", "id"),
    ("trials", "id"),
    ("changes", "id"),
    ("phases", "id"),
    ("audit", "id"),
    ("logs", "id"),
    ("samples", "id"),
    ("workload_seconds", "id"),
];

/// Rows that others refer to and that could not be read. A change needs its trial: what it has in force is reverted by that.
const STAND_INS: &str = "
INSERT OR IGNORE INTO hosts (id, pid, boot_id, version, started_at)
    SELECT host_id, 0, '', 'salvaged', 0 FROM campaigns UNION SELECT host_id, 0, '', 'salvaged', 0 FROM trials
    UNION SELECT host_id, 0, '', 'salvaged', 0 FROM changes;
INSERT OR IGNORE INTO trials (id, campaign_id, host_id, name, subject, chaos, slot, seed, project, digests, spec, started_at)
    SELECT trial_id, 'salvaged', min(host_id), 'salvaged-' || trial_id, '?', '?', 0, 0, min(project), '{}', '{}', 0
    FROM changes WHERE trial_id NOT IN (SELECT id FROM trials) GROUP BY trial_id;
INSERT OR IGNORE INTO campaigns (id, host_id, name, variant, definition, seed, trials_planned, started_at, ended_at, outcome)
    SELECT campaign_id, min(host_id), 'salvaged', 'default', '{}', 0, 0, 0, 0, 'failed'
    FROM trials WHERE campaign_id NOT IN (SELECT id FROM campaigns) GROUP BY campaign_id;
DELETE FROM phases WHERE trial_id NOT IN (SELECT id FROM trials);
DELETE FROM audit WHERE trial_id NOT IN (SELECT id FROM trials);
DELETE FROM logs WHERE trial_id NOT IN (SELECT id FROM trials);
DELETE FROM samples WHERE trial_id NOT IN (SELECT id FROM trials);
DELETE FROM workload_seconds WHERE trial_id NOT IN (SELECT id FROM trials);
";

/// Copies all rows that can be read. For each table, how many that were, and whether nothing kept others from being read.
pub(super) fn rows(
    source: &Connection,
    target: &Connection,
) -> rusqlite::Result<Vec<(String, usize, bool)>> {
    target.pragma_update(None, "foreign_keys", false)?;
    target.execute_batch("BEGIN IMMEDIATE")?;
    let mut copied = Vec::new();
    for (table, key) in TABLES {
        let columns = columns(source, target, table)?;
        let mut whole = true;
        for order in ["ASC", "DESC"] {
            let sql = format!(
                "SELECT {} FROM {table} NOT INDEXED ORDER BY {key} {order}",
                columns.join(", ")
            );
            let read = copy(source, target, table, &columns, &sql)?;
            if read {
                break;
            }
            whole = false;
        }
        let count = format!("SELECT count(*) FROM {table}");
        let count = target.query_row(&count, [], |row| row.get(0))?;
        copied.push((table.to_owned(), count, whole));
    }
    target.execute_batch(STAND_INS)?;
    // The stacks of its runs carry the old one's identity.
    if let Ok(uuid) = source.query_row("SELECT uuid FROM identity", [], |row| {
        row.get::<_, String>(0)
    }) {
        target.execute("UPDATE identity SET uuid = ?", [uuid])?;
    }
    target.execute_batch("COMMIT")?;
    Ok(copied)
}

/// Returns the columns that both have: the damaged one may be of an earlier version.
fn columns(source: &Connection, target: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let of = |connection: &Connection| -> rusqlite::Result<Vec<String>> {
        connection
            .prepare("SELECT name FROM pragma_table_info(?)")?
            .query_map([table], |row| row.get(0))?
            .collect()
    };
    let there = of(source).unwrap_or_default();
    let mut columns = of(target)?;
    columns.retain(|column| there.contains(column));
    Ok(columns)
}

/// Copies rows until one cannot be read. Whether all were. What cannot be written into the target is an error.
fn copy(
    source: &Connection,
    target: &Connection,
    table: &str,
    columns: &[String],
    sql: &str,
) -> rusqlite::Result<bool> {
    if columns.is_empty() {
        return Ok(false);
    }
    let places = vec!["?"; columns.len()].join(", ");
    let mut insert = target.prepare(&format!(
        "INSERT OR IGNORE INTO {table} ({}) VALUES ({places})",
        columns.join(", ")
    ))?;
    let Ok(mut select) = source.prepare(sql) else {
        return Ok(false);
    };
    let Ok(mut rows) = select.query([]) else {
        return Ok(false);
    };
    loop {
        match rows.next() {
            Ok(Some(row)) => {
                let values: rusqlite::Result<Vec<Value>> =
                    (0..columns.len()).map(|index| row.get(index)).collect();
                let Ok(values) = values else { continue };
                insert.execute(params_from_iter(values))?;
            }
            Ok(None) => return Ok(true),
            Err(_) => return Ok(false),
        }
    }
}
