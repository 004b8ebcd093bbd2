//! What is to be said of a trial's experiment at its end, as it is stored and reported.

use duress_experiment::{AbortBound, Judgement, Verdict};
use duress_workload::Report;
use serde::{Deserialize, Serialize};

/// All that is to be said. Times are in milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// What the samples show.
    pub judgement: Judgement,
    /// What became of the workload; absent without one.
    pub workload: Option<Report>,
    /// Why and when the trial was ended for safety; absent where it was not.
    pub abort: Option<AbortTimes>,
    /// What Prometheus said of the same window afterwards; absent where nothing keeps a past.
    pub reread: Option<Reread>,
    /// How long each abort may have taken at worst.
    pub bounds: Vec<AbortBound>,
}

/// The way from a breach to the last fault's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbortTimes {
    /// The rule, as it was written.
    pub condition: String,
    /// When the breach was so, by its sample's own time.
    pub breached_at: i64,
    /// When the sample had arrived.
    pub seen_at: i64,
    /// When it was decided to abort.
    pub decided_at: i64,
    /// When the first revert began.
    pub rollback_began_at: Option<i64>,
    /// When the first fault was seen to be gone.
    pub first_gone_at: Option<i64>,
    /// When the last one was.
    pub last_gone_at: Option<i64>,
}

/// The hypothesis, judged again by what Prometheus said of the window afterwards.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reread {
    /// The verdict by what was read again.
    pub hypothesis: Option<Verdict>,
    /// Each condition whose verdict differs, in a line for people.
    pub differences: Vec<String>,
    /// What could not be read again, in a line for people.
    pub problems: Vec<String>,
}
