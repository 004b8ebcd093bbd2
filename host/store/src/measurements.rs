//! What a trial measured: samples of its metrics, and seconds of its workload.

use rusqlite::{Row, params};
use serde::Serialize;
use serde_json::Value;

use super::{Store, json_of};
use duress_model::Result;

/// A look at a metric. Times are in milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SampleRow {
    /// Which metric.
    pub metric: String,
    /// The trial's phase when it was seen.
    pub phase: String,
    /// The value in the metric's unit; absent where there was none.
    pub value: Option<f64>,
    /// Why there was none.
    pub reason: Option<String>,
    /// When the value was so.
    pub sampled_at: i64,
    /// When it was asked for.
    pub asked_at: i64,
    /// How long the answer took, in microseconds.
    pub took_us: u64,
    /// What was asked, with every name resolved.
    pub query: String,
}

/// A second of a workload.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SecondRow {
    /// When it began, in milliseconds since the Unix epoch.
    pub at: i64,
    /// The trial's phase in which it began.
    pub phase: String,
    /// Operations that were due.
    pub started: u64,
    /// Operations that succeeded.
    pub completed: u64,
    /// Operations that failed: an object with a number by each kind.
    pub errors: Value,
    /// Operations under way at its end.
    pub in_flight: u32,
    /// Latencies in microseconds: an object with `p50_us`, `p90_us`, `p99_us`, `max_us`; absent where nothing ended.
    pub latency: Option<Value>,
    /// The longest that this machine began an operation after it was due, in microseconds.
    pub late_us: u64,
}

impl SampleRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            metric: row.get("metric")?,
            phase: row.get("phase")?,
            value: row.get("value")?,
            reason: row.get("reason")?,
            sampled_at: row.get("sampled_at")?,
            asked_at: row.get("asked_at")?,
            took_us: row.get("took_us")?,
            query: row.get("query")?,
        })
    }
}

impl SecondRow {
    fn read(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            at: row.get("at")?,
            phase: row.get("phase")?,
            started: row.get("started")?,
            completed: row.get("completed")?,
            errors: json_of(row, "errors")?,
            in_flight: row.get("in_flight")?,
            latency: row.get("latency")?,
            late_us: row.get("late_us")?,
        })
    }
}

impl Store {
    /// Notes looks at metrics. It is not waited for.
    pub fn post_samples(&self, trial: &str, samples: Vec<SampleRow>) {
        let trial = trial.to_owned();
        self.post("note samples", move |connection| {
            let mut insert = connection.prepare_cached(
                "INSERT INTO samples (trial_id, metric, phase, value, reason, sampled_at, asked_at, took_us, query)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?;
            for sample in samples {
                insert.execute(params![
                    trial,
                    sample.metric,
                    sample.phase,
                    sample.value,
                    sample.reason,
                    sample.sampled_at,
                    sample.asked_at,
                    sample.took_us,
                    sample.query
                ])?;
            }
            Ok(())
        });
    }

    /// Notes seconds of a workload. It is not waited for.
    pub fn post_seconds(&self, trial: &str, seconds: Vec<SecondRow>) {
        let trial = trial.to_owned();
        self.post("note seconds of the workload", move |connection| {
            let mut insert = connection.prepare_cached(
                "INSERT INTO workload_seconds (trial_id, at, phase, started, completed, errors, in_flight, latency, late_us)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            )?;
            for second in seconds {
                insert.execute(params![
                    trial,
                    second.at,
                    second.phase,
                    second.started,
                    second.completed,
                    second.errors,
                    second.in_flight,
                    second.latency,
                    second.late_us
                ])?;
            }
            Ok(())
        });
    }

    /// Notes what is to be said of a trial's experiment. It is not waited for.
    pub fn post_findings(&self, trial: &str, findings: Value) {
        let trial = trial.to_owned();
        self.post("note the findings", move |connection| {
            connection
                .prepare_cached("UPDATE trials SET findings = ? WHERE id = ?")?
                .execute(params![findings, trial])?;
            Ok(())
        });
    }

    /// Returns a trial's samples, in the order in which they were noted.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn samples(&self, trial: &str) -> Result<Vec<SampleRow>> {
        let trial = trial.to_owned();
        self.read("read the samples", move |connection| {
            connection
                .prepare_cached("SELECT * FROM samples WHERE trial_id = ? ORDER BY id")?
                .query_map([trial], SampleRow::read)?
                .collect()
        })
        .await
    }

    /// Returns the seconds of a trial's workload, in order.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn seconds(&self, trial: &str) -> Result<Vec<SecondRow>> {
        let trial = trial.to_owned();
        self.read("read the workload", move |connection| {
            connection
                .prepare_cached("SELECT * FROM workload_seconds WHERE trial_id = ? ORDER BY at")?
                .query_map([trial], SecondRow::read)?
                .collect()
        })
        .await
    }
}
