//! What a trial leaves beside its result: phases, the audit, the log.

use rusqlite::params;
use serde::Serialize;
use serde_json::Value;
use strum::{Display, EnumString, IntoStaticStr};

use super::column::{Named, word};
use super::{Store, json_of};
use duress_model::{Outcome, Phase, Result};

/// A phase that has ended. Times are in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Serialize)]
pub struct PhaseRow {
    /// Which.
    pub phase: Phase,
    /// When it began.
    pub began_at: i64,
    /// When it ended.
    pub ended_at: i64,
    /// How it ended.
    pub outcome: Outcome,
    /// Why it did not pass.
    pub detail: Option<String>,
}

/// A line of a trial's log.
#[derive(Debug, Clone, Serialize)]
pub struct LogLine {
    /// Its trial.
    #[serde(skip)]
    pub trial_id: String,
    /// In milliseconds since the Unix epoch.
    pub at: i64,
    /// `trace` to `error`.
    pub level: String,
    /// A plugin's name, `health` or `duress`.
    pub source: String,
    /// What it says.
    pub message: String,
}

/// What became of a host call.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Display,
    EnumString,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Verdict {
    /// It was allowed and succeeded.
    Allowed,
    /// It was refused.
    Denied,
    /// It was allowed and failed.
    Failed,
}

/// A host call of a plugin.
#[derive(Debug, Clone)]
pub struct AuditEntry {
    /// Its trial.
    pub trial_id: String,
    /// When it ended, in milliseconds since the Unix epoch.
    pub at: i64,
    /// Who called.
    pub plugin: String,
    /// From which export, e.g. `chaos.inject`.
    pub function: String,
    /// What, e.g. `changes.apply`.
    pub call: String,
    /// With what: JSON.
    pub arguments: String,
    /// What became of it.
    pub verdict: Verdict,
    /// Why it did not succeed.
    pub detail: Option<String>,
    /// How long it took, in microseconds.
    pub duration_us: i64,
}

/// A host call of a plugin, as it is read.
#[derive(Debug, Clone, Serialize)]
pub struct AuditRow {
    /// When it ended, in milliseconds since the Unix epoch.
    pub at: i64,
    /// Who called.
    pub plugin: String,
    /// From which export, e.g. `chaos.inject`.
    pub function: String,
    /// What, e.g. `changes.apply`.
    pub call: String,
    /// With what.
    pub arguments: Value,
    /// What became of it.
    pub verdict: Verdict,
    /// Why it did not succeed.
    pub detail: Option<String>,
    /// How long it took, in microseconds.
    pub duration_us: i64,
}

impl Store {
    /// Notes the phase that a trial is in.
    pub fn post_phase(&self, trial: &str, phase: Phase) {
        let trial = trial.to_owned();
        self.post("note a phase", move |connection| {
            connection
                .prepare_cached("UPDATE trials SET phase = ? WHERE id = ?")?
                .execute(params![Named(phase), trial])?;
            Ok(())
        });
    }

    /// Notes a phase that has ended.
    pub fn post_phase_end(&self, trial: &str, phase: PhaseRow) {
        let trial = trial.to_owned();
        self.post("note a phase", move |connection| {
            connection
                .prepare_cached(
                    "INSERT INTO phases (trial_id, phase, began_at, ended_at, outcome, detail) VALUES (?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![
                    trial,
                    Named(phase.phase),
                    phase.began_at,
                    phase.ended_at,
                    Named(phase.outcome),
                    phase.detail
                ])?;
            Ok(())
        });
    }

    /// Notes a line of a trial's log.
    pub fn post_log(&self, line: LogLine) {
        self.post("note a line of the log", move |connection| {
            connection
                .prepare_cached("INSERT INTO logs (trial_id, at, level, source, message) VALUES (?, ?, ?, ?, ?)")?
                .execute(params![line.trial_id, line.at, line.level, line.source, line.message])?;
            Ok(())
        });
    }

    /// Notes a host call.
    pub fn post_audit(&self, entry: AuditEntry) {
        self.post("note a host call", move |connection| {
            connection
                .prepare_cached(
                    "INSERT INTO audit (trial_id, at, plugin, function, call, arguments, verdict, detail, duration_us)
                     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                )?
                .execute(params![
                    entry.trial_id,
                    entry.at,
                    entry.plugin,
                    entry.function,
                    entry.call,
                    entry.arguments,
                    Named(entry.verdict),
                    entry.detail,
                    entry.duration_us
                ])?;
            Ok(())
        });
    }

    /// A trial's phases, in order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn phases(&self, trial: &str) -> Result<Vec<PhaseRow>> {
        let trial = trial.to_owned();
        self.read("read the phases", move |connection| {
            connection
                .prepare_cached("SELECT * FROM phases WHERE trial_id = ? ORDER BY id")?
                .query_map([trial], |row| {
                    Ok(PhaseRow {
                        phase: word(row, "phase")?,
                        began_at: row.get("began_at")?,
                        ended_at: row.get("ended_at")?,
                        outcome: word(row, "outcome")?,
                        detail: row.get("detail")?,
                    })
                })?
                .collect()
        })
        .await
    }

    /// A trial's log, in order.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn log(&self, trial: &str) -> Result<Vec<LogLine>> {
        let trial = trial.to_owned();
        self.read("read the log", move |connection| {
            connection
                .prepare_cached("SELECT * FROM logs WHERE trial_id = ? ORDER BY id")?
                .query_map([trial], |row| {
                    Ok(LogLine {
                        trial_id: row.get("trial_id")?,
                        at: row.get("at")?,
                        level: row.get("level")?,
                        source: row.get("source")?,
                        message: row.get("message")?,
                    })
                })?
                .collect()
        })
        .await
    }

    /// A trial's host calls, in order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn audit(&self, trial: &str) -> Result<Vec<AuditRow>> {
        let trial = trial.to_owned();
        self.read("read the audit", move |connection| {
            connection
                .prepare_cached("SELECT * FROM audit WHERE trial_id = ? ORDER BY id")?
                .query_map([trial], |row| {
                    Ok(AuditRow {
                        at: row.get("at")?,
                        plugin: row.get("plugin")?,
                        function: row.get("function")?,
                        call: row.get("call")?,
                        arguments: json_of(row, "arguments")?,
                        verdict: word(row, "verdict")?,
                        detail: row.get("detail")?,
                        duration_us: row.get("duration_us")?,
                    })
                })?
                .collect()
        })
        .await
    }
}
