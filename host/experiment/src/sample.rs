//! One look at a metric.

use serde::{Deserialize, Serialize};

/// What one look at a metric came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Which metric.
    pub metric: String,
    /// The value in the metric's unit, or why it is missing.
    pub value: Result<f64, NoData>,
    /// When the value was so, in milliseconds since the Unix epoch: its own time where the source tells it.
    pub sampled_at: i64,
    /// When it was asked for, in milliseconds since the Unix epoch.
    pub asked_at: i64,
    /// How long the answer took, in microseconds.
    pub took_us: u64,
    /// What was asked, with every name resolved.
    pub query: String,
}

/// Why a value is missing. It never counts as a good one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoData {
    /// One line for a person.
    pub reason: String,
}
