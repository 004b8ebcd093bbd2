//! The journal's rows: `applying → in_force → reverting → reverted`, or `void`.

use rusqlite::{Row, named_params, params};
use serde::Serialize;
use serde_json::Value;

use strum::{Display, EnumString, IntoStaticStr};

use super::column::word;
use super::{PendingNote, Store, json_of, now};
use duress_model::Result;

/// How far a change has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Display, EnumString, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum ChangeStatus {
    /// Written down; some of it may have been made.
    Applying,
    /// Made, and seen.
    InForce,
    /// Some of it may have been reverted.
    Reverting,
    /// Reverted, and seen to be gone.
    Reverted,
    /// Its container is gone, and it with it.
    Void,
}

impl ChangeStatus {
    /// Returns its text form.
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Returns the statuses from which this one may be reached, as a list in SQL.
    fn reached_from(self) -> &'static str {
        match self {
            Self::Applying => "()",
            Self::InForce => "('applying')",
            // That it is being reverted is noted without a wait, and may be lost.
            Self::Reverting | Self::Reverted | Self::Void => {
                "('applying', 'in_force', 'reverting')"
            }
        }
    }
}

/// A change that is about to be made.
#[derive(Debug, Clone)]
pub struct NewChange {
    /// A version 7 UUID.
    pub id: String,
    /// Its trial.
    pub trial_id: String,
    /// The process that makes it.
    pub host_id: String,
    /// The compose project.
    pub project: String,
    /// The container, by the engine's name.
    pub container: String,
    /// The container, by the plugin's name.
    pub container_name: String,
    /// One line.
    pub summary: String,
    /// The whole change, with its way back.
    pub change: Value,
}

/// A change in the journal.
#[derive(Debug, Clone, Serialize)]
pub struct ChangeRow {
    /// A version 7 UUID.
    pub id: String,
    /// Its trial.
    pub trial_id: String,
    /// The process that made it.
    #[serde(skip)]
    pub host_id: String,
    /// The container, by the plugin's name.
    pub container_name: String,
    /// One line.
    pub summary: String,
    /// The whole change, with its way back.
    pub change: Value,
    /// How far it has come.
    pub status: ChangeStatus,
    /// Why it could not be reverted.
    pub error: Option<String>,
    /// In milliseconds since the Unix epoch.
    pub created_at: i64,
    /// In milliseconds since the Unix epoch; absent until it is reverted or void.
    pub settled_at: Option<i64>,
}

impl ChangeRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            trial_id: row.get("trial_id")?,
            host_id: row.get("host_id")?,
            container_name: row.get("container_name")?,
            summary: row.get("summary")?,
            change: json_of(row, "change")?,
            status: word(row, "status")?,
            error: row.get("error")?,
            created_at: row.get("created_at")?,
            settled_at: row.get("settled_at")?,
        })
    }
}

impl Store {
    /// Writes a change down. It is durable before this returns.
    ///
    /// # Errors
    /// When it cannot be written; the change must then not be made.
    pub async fn insert_change(&self, change: NewChange) -> Result<ChangeRow> {
        self.write("write a change down", move |connection| {
            let created_at = now();
            connection
                .prepare_cached(
                    "INSERT INTO changes (id, trial_id, host_id, project, container, container_name, summary, change, status, created_at)
                     VALUES (:id, :trial, :host, :project, :container, :name, :summary, :change, 'applying', :now)",
                )?
                .execute(named_params! {
                    ":id": change.id,
                    ":trial": change.trial_id,
                    ":host": change.host_id,
                    ":project": change.project,
                    ":container": change.container,
                    ":name": change.container_name,
                    ":summary": change.summary,
                    ":change": change.change,
                    ":now": created_at,
                })?;
            Ok(ChangeRow {
                id: change.id,
                trial_id: change.trial_id,
                host_id: change.host_id,
                container_name: change.container_name,
                summary: change.summary,
                change: change.change,
                status: ChangeStatus::Applying,
                error: None,
                created_at,
                settled_at: None,
            })
        })
        .await
    }

    /// Notes that a change was made and seen. Losing this note is harmless: the change is reverted either way.
    pub fn post_change_in_force(&self, id: &str) {
        let id = id.to_owned();
        self.post("note a change", move |connection| {
            let status = ChangeStatus::InForce;
            connection
                .prepare_cached(&format!(
                    "UPDATE changes SET status = ? WHERE id = ? AND status IN {}",
                    status.reached_from()
                ))?
                .execute(params![status.as_str(), id])?;
            Ok(())
        });
    }

    /// Notes that a change is about to be reverted, and waits for nothing.
    pub fn post_change_reverting(&self, id: &str) {
        self.note_change(id, ChangeStatus::Reverting);
    }

    /// Notes why a change could not be reverted, and waits for nothing. It stays unsettled.
    pub fn post_change_stuck(&self, id: &str, why: &str) {
        let (id, why) = (id.to_owned(), why.to_owned());
        self.note("note a change", move |connection| {
            connection
                .prepare_cached("UPDATE changes SET error = ? WHERE id = ?")?
                .execute(params![why, id])?;
            Ok(())
        });
    }

    /// Notes how far a change has come. It is written in order with everything else; to know that it is durable, wait for
    /// [`PendingNote::written`]. One that is settled already stays so: another process may revert the same change at the same time.
    pub fn note_change(&self, id: &str, status: ChangeStatus) -> PendingNote {
        let id = id.to_owned();
        self.note("note a change", move |connection| {
            let settled = matches!(status, ChangeStatus::Reverted | ChangeStatus::Void).then(now);
            connection
                .prepare_cached(&format!(
                    "UPDATE changes SET status = ?1, settled_at = ?2, error = iif(?2 IS NULL, error, NULL)
                     WHERE id = ?3 AND status IN {}",
                    status.reached_from()
                ))?
                .execute(params![status.as_str(), settled, id])?;
            Ok(())
        })
    }

    /// A trial's changes, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn changes_of_trial(&self, trial: &str) -> Result<Vec<ChangeRow>> {
        self.changes("trial_id = ?", Some(trial)).await
    }

    /// A trial's changes that may still be in force, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn unsettled_changes_of_trial(&self, trial: &str) -> Result<Vec<ChangeRow>> {
        self.changes(
            "trial_id = ? AND status NOT IN ('reverted', 'void')",
            Some(trial),
        )
        .await
    }

    /// Returns every change that may still be in force, of whatever process, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn unsettled_changes(&self) -> Result<Vec<ChangeRow>> {
        self.changes("status NOT IN ('reverted', 'void')", None)
            .await
    }

    async fn changes(&self, which: &'static str, trial: Option<&str>) -> Result<Vec<ChangeRow>> {
        let trial = trial.map(str::to_owned);
        self.read("read the journal", move |connection| {
            // Version 7 UUIDs are in the order of time, and of making within one process.
            connection
                .prepare_cached(&format!(
                    "SELECT * FROM changes WHERE {which} ORDER BY id DESC"
                ))?
                .query_map(rusqlite::params_from_iter(trial), ChangeRow::read)?
                .collect()
        })
        .await
    }
}
