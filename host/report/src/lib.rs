//! Reports of experiments: what one trial measured ([`metrics`]), and what the trials of a campaign show together ([`compare`]).
//!
//! Everything is computed from what is given; nothing here reads a database or prints. Each number comes with the count of samples or
//! trials behind it. Samples within one trial depend on one another, so a trial has effect sizes and intervals, and no p-value: the trial
//! is the unit of every test.

mod campaign;
mod pooled;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests may panic")]
mod tests;
mod trial;

pub use campaign::{Combination, Excluded, TrialResult, Verdicts, compare};
pub use pooled::{Against, MetricOverTrials, MoreTrials, Paired, SIGNIFICANCE};
pub use trial::{CONFIDENCE, Difference, Look, MetricReport, metrics};
