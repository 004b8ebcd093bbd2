//! Campaigns and the processes that run them.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension as _, Row, named_params, params};
use serde::Serialize;
use serde_json::Value;

use super::column::{Named, named};
use super::{Store, json_of, now};
use duress_model::{CampaignOutcome, Error, Result};

/// A campaign that begins.
#[derive(Debug, Clone)]
pub struct NewCampaign {
    /// `campaign-{time}-{hash}`.
    pub id: String,
    /// The process that runs it.
    pub host_id: String,
    /// As the person calls it.
    pub name: String,
    /// Which configuration of whatever is compared.
    pub variant: String,
    /// The whole plan.
    pub definition: Value,
    /// The file's text, as it was written.
    pub source: Option<String>,
    /// Where the file was.
    pub source_path: Option<String>,
    /// What every choice is drawn from.
    pub seed: u64,
    /// How many trials it is to have.
    pub trials_planned: usize,
    /// The digest of everything else that decides what its trials do, by name.
    pub digests: BTreeMap<String, String>,
    /// It breaks nothing.
    pub dry_run: bool,
}

/// A campaign as it was begun: what resuming it needs.
#[derive(Debug, Clone)]
pub struct StoredCampaign {
    /// The whole plan.
    pub definition: Value,
    /// The file's text, as it was written.
    pub source: Option<String>,
    /// Where the file was; absolute.
    pub source_path: Option<String>,
    /// As in [`NewCampaign::digests`].
    pub digests: BTreeMap<String, String>,
    /// It broke nothing.
    pub dry_run: bool,
    /// The version of duress that began it.
    pub version: String,
}

/// A campaign and how far it has come.
#[derive(Debug, Clone, Serialize)]
pub struct CampaignRow {
    /// `campaign-{time}-{hash}`.
    pub id: String,
    /// As the person calls it.
    pub name: String,
    /// Which configuration of whatever is compared.
    pub variant: String,
    /// What every choice is drawn from.
    pub seed: u64,
    /// Where its file was.
    pub source_path: Option<String>,
    /// In milliseconds since the Unix epoch.
    pub started_at: i64,
    /// In milliseconds since the Unix epoch; absent while it runs.
    pub ended_at: Option<i64>,
    /// How it ended; absent while it runs.
    pub outcome: Option<CampaignOutcome>,
    /// How many trials it is to have.
    pub trials_planned: i64,
    /// How many have run to their end: all that ended but those that were cancelled.
    pub trials_ended: i64,
    /// How many of them passed.
    pub trials_passed: i64,
    /// It breaks nothing.
    pub dry_run: bool,
}

/// One row of a campaign's summary.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CombinationSummary {
    /// The system under test.
    pub subject: String,
    /// The fault's name, a label, or `baseline`.
    pub chaos: String,
    /// Trials that have ended.
    pub trials: i64,
    /// Those that passed.
    pub passed: i64,
    /// Those that say something bad of the subject or of its rollback: failed, timed out, aborted. The rest proves nothing.
    pub failed: i64,
    /// The mean time to recover over the trials that count and were unhealthy, in milliseconds.
    pub mean_recovery_ms: Option<f64>,
}

const COLUMNS: &str = "
    SELECT id, name, variant, seed, source_path, started_at, ended_at, outcome, trials_planned, dry_run,
        (SELECT count(*) FROM trials WHERE campaign_id = campaigns.id AND superseded = 0 AND outcome <> 'cancelled') AS ended,
        (SELECT count(*) FROM trials WHERE campaign_id = campaigns.id AND superseded = 0 AND outcome = 'passed') AS passed
    FROM campaigns";

impl CampaignRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get("id")?,
            name: row.get("name")?,
            variant: row.get("variant")?,
            seed: row.get("seed")?,
            source_path: row.get("source_path")?,
            started_at: row.get("started_at")?,
            ended_at: row.get("ended_at")?,
            outcome: named(row, "outcome")?,
            trials_planned: row.get("trials_planned")?,
            trials_ended: row.get("ended")?,
            trials_passed: row.get("passed")?,
            dry_run: row.get("dry_run")?,
        })
    }
}

impl Store {
    /// Notes a process that is about to run trials.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn insert_host(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        self.write("note this process", move |connection| {
            connection
                .prepare_cached("INSERT INTO hosts (id, pid, boot_id, version, started_at) VALUES (?, ?, ?, ?, ?)")?
                .execute(params![
                    id,
                    std::process::id(),
                    super::lock::boot_id(),
                    env!("CARGO_PKG_VERSION"),
                    now()
                ])?;
            Ok(())
        })
        .await
    }

    /// Notes a campaign that begins.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn insert_campaign(&self, campaign: NewCampaign) -> Result<()> {
        self.write("note the campaign", move |connection| {
            connection
                .prepare_cached(
                    "INSERT INTO campaigns (id, host_id, name, variant, definition, source, source_path, seed, trials_planned, digests, dry_run, started_at)
                     VALUES (:id, :host, :name, :variant, :definition, :source, :path, :seed, :planned, :digests, :dry_run, :now)",
                )?
                .execute(named_params! {
                    ":id": campaign.id,
                    ":host": campaign.host_id,
                    ":name": campaign.name,
                    ":variant": campaign.variant,
                    ":definition": campaign.definition,
                    ":source": campaign.source,
                    ":path": campaign.source_path,
                    ":seed": campaign.seed,
                    ":planned": campaign.trials_planned,
                    ":digests": serde_json::to_value(&campaign.digests).unwrap_or_default(),
                    ":dry_run": campaign.dry_run,
                    ":now": now(),
                })?;
            Ok(())
        })
        .await
    }

    /// Notes how a campaign ended.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn finish_campaign(&self, id: &str, outcome: CampaignOutcome) -> Result<()> {
        let id = id.to_owned();
        self.write("note the campaign's end", move |connection| {
            connection
                .prepare_cached("UPDATE campaigns SET ended_at = ?, outcome = ? WHERE id = ? AND outcome IS NULL")?
                .execute(params![now(), Named(outcome), id])?;
            Ok(())
        })
        .await
    }

    /// As [`Store::finish_campaign`], by the process that ran it; one that another process has taken up is left to that.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn finish_own_campaign(
        &self,
        id: &str,
        host: &str,
        outcome: CampaignOutcome,
    ) -> Result<()> {
        let (id, host) = (id.to_owned(), host.to_owned());
        self.write("note the campaign's end", move |connection| {
            connection
                .prepare_cached(
                    "UPDATE campaigns SET ended_at = ?, outcome = ? WHERE id = ? AND host_id = ? AND outcome IS NULL",
                )?
                .execute(params![now(), Named(outcome), id, host])?;
            Ok(())
        })
        .await
    }

    /// Resumes a campaign that has ended, as that process. `false` when some process runs it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn take_up_campaign(&self, id: &str, host: &str) -> Result<bool> {
        let (id, host) = (id.to_owned(), host.to_owned());
        self.write("take up the campaign", move |connection| {
            let taken = connection
                .prepare_cached(
                    "UPDATE campaigns SET host_id = ?, outcome = NULL, ended_at = NULL WHERE id = ? AND outcome IS NOT NULL",
                )?
                .execute(params![host, id])?;
            Ok(taken > 0)
        })
        .await
    }

    /// Returns what a campaign was begun with.
    ///
    /// # Errors
    /// When it cannot be read, or is not there.
    pub async fn stored_campaign(&self, id: &str) -> Result<StoredCampaign> {
        let id = id.to_owned();
        self.read("read the campaign", move |connection| {
            connection
                .prepare_cached(
                    "SELECT definition, source, source_path, digests, dry_run,
                        (SELECT version FROM hosts WHERE hosts.id = campaigns.host_id) AS version
                     FROM campaigns WHERE id = ?",
                )?
                .query_row([id], |row| {
                    Ok(StoredCampaign {
                        definition: json_of(row, "definition")?,
                        source: row.get("source")?,
                        source_path: row.get("source_path")?,
                        digests: serde_json::from_value(json_of(row, "digests")?)
                            .unwrap_or_default(),
                        dry_run: row.get("dry_run")?,
                        version: row.get("version")?,
                    })
                })
        })
        .await
    }

    /// Returns the newest campaign whose file was there.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn campaign_of_file(&self, path: &str) -> Result<Option<CampaignRow>> {
        let path = path.to_owned();
        self.read("find the campaign", move |connection| {
            connection
                .prepare_cached(&format!(
                    "{COLUMNS} WHERE source_path = ? AND dry_run = 0 ORDER BY started_at DESC, id DESC LIMIT 1"
                ))?
                .query_row([path], CampaignRow::read)
                .optional()
        })
        .await
    }

    /// Returns the campaigns that have not ended, each with the process that runs it.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn running_campaigns(&self) -> Result<Vec<(String, String)>> {
        self.read("list the running campaigns", |connection| {
            connection
                .prepare_cached("SELECT id, host_id FROM campaigns WHERE outcome IS NULL")?
                .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
        .await
    }

    /// Returns the newest campaigns, newest first.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn campaigns(&self, limit: usize) -> Result<Vec<CampaignRow>> {
        self.read("list the campaigns", move |connection| {
            connection
                .prepare_cached(&format!(
                    "{COLUMNS} ORDER BY started_at DESC, id DESC LIMIT ?"
                ))?
                .query_map([limit], CampaignRow::read)?
                .collect()
        })
        .await
    }

    /// A campaign by its id, the beginning of one, or its name; of several the newest that was no dry run. `None` if there isn't one.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn find_campaign(&self, name: &str) -> Result<Option<CampaignRow>> {
        let name = name.to_owned();
        self.read("find the campaign", move |connection| {
            connection
                .prepare_cached(&format!(
                    "{COLUMNS} WHERE id = ?1 OR name = ?1 OR substr(id, 1, length(?1)) = ?1 ORDER BY dry_run, started_at DESC, id DESC LIMIT 1"
                ))?
                .query_row([name], CampaignRow::read)
                .optional()
        })
        .await
    }

    /// As [`Store::find_campaign`].
    ///
    /// # Errors
    /// `Input` if it does not exist.
    pub async fn campaign(&self, name: &str) -> Result<CampaignRow> {
        match self.find_campaign(name).await? {
            Some(campaign) => Ok(campaign),
            None => Err(self.unknown("campaign", name).await),
        }
    }

    /// A campaign's results, a row for each combination, in the order in which they began.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn summary(&self, campaign: &str) -> Result<Vec<CombinationSummary>> {
        let campaign = campaign.to_owned();
        self.read("sum the campaign up", move |connection| {
            connection
                .prepare_cached(
                    "SELECT subject, chaos, count(*) AS trials,
                        sum(outcome = 'passed') AS passed,
                        sum(outcome IN ('failed', 'timed_out', 'aborted')) AS failed,
                        avg(CASE WHEN outcome NOT IN ('invalid', 'environment', 'disturbed') THEN recovery_ms END) AS recovery
                     FROM trials WHERE campaign_id = ? AND superseded = 0 AND outcome IS NOT NULL
                     GROUP BY subject, chaos ORDER BY min(started_at), min(id)",
                )?
                .query_map([campaign], |row| {
                    Ok(CombinationSummary {
                        subject: row.get("subject")?,
                        chaos: row.get("chaos")?,
                        trials: row.get("trials")?,
                        passed: row.get("passed")?,
                        failed: row.get("failed")?,
                        mean_recovery_ms: row.get("recovery")?,
                    })
                })?
                .collect()
        })
        .await
    }

    /// No campaign or trial has that name; suggests the nearest.
    pub(super) async fn unknown(&self, what: &str, name: &str) -> Error {
        let error = Error::input(format!(
            "no {what} `{}` in {}",
            name.escape_debug(),
            self.path().display()
        ));
        let recent = self
            .read("list names", recent_names)
            .await
            .unwrap_or_default();
        match duress_model::nearest(name, recent.iter().map(String::as_str)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => {
                error.hint("`duress list` lists the campaigns, `duress show CAMPAIGN` its trials")
            }
        }
    }
}

fn recent_names(connection: &Connection) -> rusqlite::Result<Vec<String>> {
    connection
        .prepare(
            "SELECT id FROM (SELECT id FROM campaigns ORDER BY started_at DESC LIMIT 100)
             UNION SELECT name FROM (SELECT name FROM campaigns ORDER BY started_at DESC LIMIT 100)
             UNION SELECT name FROM (SELECT name FROM trials ORDER BY id DESC LIMIT 1000)",
        )?
        .query_map([], |row| row.get(0))?
        .collect()
}
