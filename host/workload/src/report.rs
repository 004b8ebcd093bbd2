//! What became of operations: by the second, by phase, and in all.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::latency::Latency;

/// One second of a workload. An operation counts as started in the second in which it was due, and as ended in the one in which it
/// ended: a stall shows as seconds in which nothing ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Second {
    /// When it began, in milliseconds since the Unix epoch.
    pub at: i64,
    /// The phase in which it began.
    pub phase: String,
    /// Operations that were due.
    pub started: u64,
    /// Operations that succeeded.
    pub completed: u64,
    /// Operations that failed, by kind.
    pub errors: BTreeMap<String, u64>,
    /// Operations under way at its end.
    pub in_flight: u32,
    /// Latencies of those that succeeded or timed out, from the moment at which they were due; none if there were none.
    pub latency: Option<Latency>,
    /// The longest that this machine began an operation after it was due, in microseconds.
    pub late_us: u64,
}

/// What became of a whole workload.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Operations per second that were asked for.
    pub rate: f64,
    /// Operations per second that were begun.
    pub reached: f64,
    /// Why `reached` is less than `rate`, in one sentence; none if it is not.
    pub shortfall: Option<String>,
    /// How late this machine began operations after they were due: its own part in their latency.
    pub late: Option<Latency>,
    /// Failures of all phases, the most frequent first.
    pub errors: Vec<ErrorCount>,
    /// Its phases, in order.
    pub phases: Vec<PhaseReport>,
}

/// How often operations failed in one way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorCount {
    /// e.g. `refused`.
    pub kind: String,
    /// How often.
    pub count: u64,
    /// What the first of them said.
    pub example: String,
}

/// What became of operations in one phase. Where an operation is under way when a phase ends, it counts in the phase in which it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseReport {
    /// As the caller named it.
    pub name: String,
    /// When it began, in milliseconds since the Unix epoch.
    pub began_at: i64,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Operations that were due.
    pub started: u64,
    /// Operations that succeeded.
    pub completed: u64,
    /// Operations that failed, by kind.
    pub errors: BTreeMap<String, u64>,
    /// Operations that succeeded, per second.
    pub throughput: f64,
    /// The share of operations that failed among those that ended, from 0 to 1; none if none ended.
    pub error_rate: Option<f64>,
    /// Latencies of those that succeeded or timed out; none if there were none.
    pub latency: Option<Latency>,
}
