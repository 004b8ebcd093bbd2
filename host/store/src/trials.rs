//! Trials: begun, ended, found again.

use std::collections::{BTreeMap, HashSet};

use rusqlite::{OptionalExtension as _, Row, named_params, params};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::column::{Json, Named, json, named};
use super::{Store, json_of, now};
use duress_model::{Circumstances, Outcome, Phase, PlannedFault, Result, TrialSpec};

/// A trial that begins.
#[derive(Debug, Clone)]
pub struct NewTrial {
    /// A version 7 UUID.
    pub id: String,
    /// Its campaign.
    pub campaign_id: String,
    /// The process that runs it.
    pub host_id: String,
    /// From 0.
    pub slot: usize,
    /// Its compose project.
    pub project: String,
    /// The digest of each component that takes part, by plugin.
    pub digests: BTreeMap<String, String>,
    /// What it does.
    pub spec: TrialSpec,
    /// How it is measured and judged; absent where nothing is measured.
    pub experiment: Option<Value>,
}

/// What came of a trial. Times are in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Default)]
pub struct TrialEnd {
    /// The verdict.
    pub outcome: Outcome,
    /// Why it did not pass.
    pub error: Option<String>,
    /// What to do about it.
    pub hints: Vec<String>,
    /// The containers that were changed.
    pub targets: Vec<String>,
    /// What the fault's cleanup needs.
    pub metadata: Option<Value>,
    /// The subject's state before the fault.
    pub state_before: Option<Value>,
    /// The subject's state after it recovered.
    pub state_after: Option<Value>,
    /// When the fault was in force.
    pub injected_at: Option<i64>,
    /// When the rollback began.
    pub rollback_at: Option<i64>,
    /// When the subject was healthy again.
    pub recovered_at: Option<i64>,
    /// From when the last fault was seen to be gone to the first healthy report, in milliseconds, without waits for the engine; absent
    /// where the subject stayed healthy.
    pub recovery_ms: Option<i64>,
    /// What else happened.
    pub circumstances: Circumstances,
    /// When its stack was gone.
    pub ended_at: i64,
}

/// What a stored trial does.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub enum StoredSpec {
    /// As this duress describes a trial.
    Known(Box<TrialSpec>),
    /// As another version of duress described it: it can be shown, and not run again.
    Other(Value),
}

impl StoredSpec {
    /// Returns its faults; none of another version's.
    pub fn faults(&self) -> &[PlannedFault] {
        match self {
            Self::Known(spec) => &spec.faults,
            Self::Other(_) => &[],
        }
    }
}

/// A trial. Times are in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Serialize)]
pub struct TrialRow {
    /// A version 7 UUID.
    pub id: String,
    /// Its campaign.
    pub campaign_id: String,
    /// The process that runs it.
    #[serde(skip)]
    pub host_id: String,
    /// `trial-{subject}-{chaos}-{index}`.
    pub name: String,
    /// The system under test.
    pub subject: String,
    /// The fault's name, a label, or `baseline`.
    pub chaos: String,
    /// What every choice was drawn from.
    pub seed: u64,
    /// Its compose project.
    pub project: String,
    /// The digest of each component, by plugin.
    pub digests: BTreeMap<String, String>,
    /// What it does.
    pub spec: StoredSpec,
    /// How it is measured and judged; absent where nothing is measured.
    #[serde(skip)]
    pub experiment: Option<Value>,
    /// What is to be said of the experiment; absent until its end.
    #[serde(skip)]
    pub findings: Option<Value>,
    /// The phase that runs or ran last.
    pub phase: Option<Phase>,
    /// The containers that were changed; in a dry run, those that would have been.
    pub targets: Vec<String>,
    /// What the fault's cleanup needs.
    pub metadata: Option<Value>,
    /// The subject's state before the fault.
    pub state_before: Option<Value>,
    /// The subject's state after it recovered.
    pub state_after: Option<Value>,
    /// When it began.
    pub started_at: i64,
    /// When the fault was in force.
    pub injected_at: Option<i64>,
    /// When the rollback began.
    pub rollback_at: Option<i64>,
    /// When the subject was healthy again.
    pub recovered_at: Option<i64>,
    /// From when the last fault was seen to be gone to the first healthy report, in milliseconds, without waits for the engine; absent
    /// where the subject stayed healthy.
    pub recovery_ms: Option<i64>,
    /// What else happened.
    pub circumstances: Circumstances,
    /// When its stack was gone; absent while it runs.
    pub ended_at: Option<i64>,
    /// The verdict; absent while it runs.
    pub outcome: Option<Outcome>,
    /// Why it did not pass.
    pub error: Option<String>,
    /// What to do about it.
    pub hints: Vec<String>,
    /// The trial ran again later, and that attempt counts.
    pub superseded: bool,
    /// It was a dry run: nothing was changed.
    pub dry_run: bool,
}

/// A trial's columns, and its campaign's word on whether it was a dry run.
const TRIALS: &str = "SELECT trials.*, campaigns.dry_run FROM trials JOIN campaigns ON campaigns.id = trials.campaign_id";

impl TrialRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            campaign_id: row.get("campaign_id")?,
            host_id: row.get("host_id")?,
            name: row.get("name")?,
            subject: row.get("subject")?,
            chaos: row.get("chaos")?,
            seed: row.get("seed")?,
            project: row.get("project")?,
            digests: json(row, "digests")?,
            spec: json(row, "spec")?,
            phase: named(row, "phase")?,
            targets: json(row, "targets")?,
            experiment: row.get("experiment")?,
            findings: row.get("findings")?,
            metadata: row.get("metadata")?,
            state_before: row.get("state_before")?,
            state_after: row.get("state_after")?,
            started_at: row.get("started_at")?,
            injected_at: row.get("injected_at")?,
            rollback_at: row.get("rollback_at")?,
            recovered_at: row.get("recovered_at")?,
            recovery_ms: row.get("recovery_ms")?,
            // What a newer duress wrote is left out, and is not a reason to show nothing.
            circumstances: serde_json::from_value(json_of(row, "circumstances")?)
                .unwrap_or_default(),
            ended_at: row.get("ended_at")?,
            outcome: named(row, "outcome")?,
            error: row.get("error")?,
            hints: json(row, "hints")?,
            superseded: row.get("superseded")?,
            dry_run: row.get("dry_run")?,
        })
    }
}

impl Store {
    /// Notes a trial that begins. An attempt at the same trial of the campaign that was cancelled does not count any more.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn start_trial(&self, trial: NewTrial) -> Result<()> {
        self.write("note the trial", move |connection| {
            connection
                .prepare_cached(
                    "UPDATE trials SET superseded = 1
                     WHERE campaign_id = ? AND name = ? AND superseded = 0 AND outcome = 'cancelled'",
                )?
                .execute(params![trial.campaign_id, trial.spec.name])?;
            connection
                .prepare_cached(
                    "INSERT INTO trials (id, campaign_id, host_id, name, subject, chaos, slot, seed, project, digests, spec, experiment, started_at)
                     VALUES (:id, :campaign, :host, :name, :subject, :chaos, :slot, :seed, :project, :digests, :spec, :experiment, :now)",
                )?
                .execute(named_params! {
                    ":id": trial.id,
                    ":campaign": trial.campaign_id,
                    ":host": trial.host_id,
                    ":name": trial.spec.name,
                    ":subject": trial.spec.subject,
                    ":chaos": trial.spec.label,
                    ":slot": trial.slot,
                    ":seed": trial.spec.seed,
                    ":project": trial.project,
                    ":digests": Json(trial.digests),
                    ":spec": Json(&trial.spec),
                    ":experiment": trial.experiment,
                    ":now": now(),
                })?;
            Ok(())
        })
        .await
    }

    /// Notes what came of a trial. One that a recovery has ended stays as that left it: another attempt may run by now.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn finish_trial(&self, id: &str, end: TrialEnd) -> Result<()> {
        let id = id.to_owned();
        self.write("note the trial's end", move |connection| {
            connection
                .prepare_cached(
                    "UPDATE trials SET outcome = :outcome, error = :error, hints = :hints, targets = :targets,
                        metadata = :metadata, state_before = :before, state_after = :after, injected_at = :injected,
                        rollback_at = :rollback, recovered_at = :recovered, recovery_ms = :recovery,
                        circumstances = :circumstances, ended_at = :ended
                     WHERE id = :id AND outcome IS NULL",
                )?
                .execute(named_params! {
                    ":id": id,
                    ":outcome": Named(end.outcome),
                    ":error": end.error,
                    ":hints": Json(end.hints),
                    ":targets": Json(end.targets),
                    ":metadata": end.metadata,
                    ":before": end.state_before,
                    ":after": end.state_after,
                    ":injected": end.injected_at,
                    ":rollback": end.rollback_at,
                    ":recovered": end.recovered_at,
                    ":recovery": end.recovery_ms,
                    ":circumstances": Json(end.circumstances),
                    ":ended": end.ended_at,
                })?;
            Ok(())
        })
        .await
    }

    /// Returns whether any trial attached to the containers of a selection, by its text.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn has_trials_on(&self, selection: &str) -> Result<bool> {
        let end = format!("@{selection}");
        self.read("look for trials", move |connection| {
            let query =
                "SELECT EXISTS (SELECT 1 FROM trials WHERE substr(project, -length(?1)) = ?1)";
            connection.query_row(query, [&end], |row| row.get(0))
        })
        .await
    }

    /// Notes the containers that were changed.
    pub fn post_targets(&self, id: &str, targets: &[String]) {
        let (id, targets) = (id.to_owned(), Json(targets.to_owned()));
        self.post("note the targets", move |connection| {
            connection
                .prepare_cached("UPDATE trials SET targets = ? WHERE id = ?")?
                .execute(params![targets, id])?;
            Ok(())
        });
    }

    /// Notes what a fault's cleanup needs.
    pub fn post_injected(&self, id: &str, metadata: &Value, at: i64) {
        let (id, metadata) = (id.to_owned(), metadata.clone());
        self.post("note the injection", move |connection| {
            connection
                .prepare_cached("UPDATE trials SET metadata = ?, injected_at = ? WHERE id = ?")?
                .execute(params![metadata, at, id])?;
            Ok(())
        });
    }

    /// Notes that a trial's host was killed, and that its stack is gone.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn abandon_trial(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.write("note the trial's end", move |connection| {
            connection
                .prepare_cached(
                    "UPDATE trials SET outcome = 'cancelled', error = 'duress was killed while the trial ran', ended_at = ?
                     WHERE id = ? AND outcome IS NULL",
                )?
                .execute(params![now(), id])?;
            Ok(())
        })
        .await
    }

    /// A trial by its id, the beginning of one, or its name; of several the newest that was no dry run.
    ///
    /// # Errors
    /// `Input` if it does not exist.
    pub async fn trial(&self, name: &str) -> Result<TrialRow> {
        match self.find_trial(name).await? {
            Some(trial) => Ok(trial),
            None => Err(self.unknown("trial", name).await),
        }
    }

    /// As [`Store::trial`]; `None` if there isn't one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn find_trial(&self, name: &str) -> Result<Option<TrialRow>> {
        let name = name.to_owned();
        self.read("find the trial", move |connection| {
            let end = format!("{name}\u{10ffff}");
            connection
                .prepare_cached(&format!(
                    "{TRIALS} WHERE trials.id = ?1 OR trials.name = ?1
                        OR (trials.id >= ?1 AND trials.id < ?2 AND ?1 <> '')
                     ORDER BY dry_run, trials.id DESC LIMIT 1",
                ))?
                .query_row([name, end], TrialRow::read)
                .optional()
        })
        .await
    }

    /// A campaign's newest trials, at most so many, in the order in which they began.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn trials_of_campaign(&self, campaign: &str, limit: usize) -> Result<Vec<TrialRow>> {
        let campaign = campaign.to_owned();
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.read("list the trials", move |connection| {
            let mut rows = connection
                .prepare_cached(&format!(
                    "{TRIALS} WHERE campaign_id = ? ORDER BY trials.started_at DESC, trials.id DESC LIMIT ?",
                ))?
                .query_map(params![campaign, limit], TrialRow::read)?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            rows.reverse();
            Ok(rows)
        })
        .await
    }

    /// Returns the names of a campaign's trials that have run to their end: all but those that were cancelled.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn finished_trials(&self, campaign: &str) -> Result<HashSet<String>> {
        let campaign = campaign.to_owned();
        self.read("list the finished trials", move |connection| {
            connection
                .prepare_cached(
                    "SELECT name FROM trials
                     WHERE campaign_id = ? AND superseded = 0 AND outcome IS NOT NULL AND outcome <> 'cancelled'",
                )?
                .query_map([campaign], |row| row.get(0))?
                .collect()
        })
        .await
    }

    /// Returns every trial that has not ended, of whatever process.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn running_trials(&self) -> Result<Vec<TrialRow>> {
        self.read("list the running trials", |connection| {
            connection
                .prepare_cached(&format!(
                    "{TRIALS} WHERE trials.outcome IS NULL ORDER BY trials.id"
                ))?
                .query_map([], TrialRow::read)?
                .collect()
        })
        .await
    }
}
