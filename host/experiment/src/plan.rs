//! A checked experiment: complete, and stored with its trial, so that the trial can be run and judged again from it alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::condition::Operator;
use crate::load::Load;
use crate::source::{ContainerMeasure, Metric, Source};

/// A checked experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The load that clients make, from before the baseline until after the recovery.
    pub load: Option<Load>,
    /// Evaluation interval in milliseconds: how often each metric is asked for.
    pub every_ms: u64,
    /// How long the baseline is measured, in milliseconds.
    pub warm_up_ms: u64,
    /// How long after the rollback it may take until the recovery has held, in milliseconds.
    pub recover_within_ms: u64,
    /// How long every condition must hold to count as recovered, in milliseconds.
    pub hold_ms: u64,
    /// What is measured, sorted by name. Empty for a load without an experiment.
    pub metrics: Vec<Metric>,
    /// The hypothesis, in the file's order.
    pub expect: Vec<Expectation>,
    /// What ends the trial for safety, in the file's order.
    pub abort: Vec<AbortRule>,
    /// What becomes of the campaign after an abort.
    pub on_abort: OnAbort,
    /// Whether an abort may take longer than two evaluation intervals.
    pub lag_accepted: bool,
}

/// A comparison of a metric with a threshold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Condition {
    /// As it was written.
    pub text: String,
    /// The metric's name.
    pub metric: String,
    /// How a value is compared.
    pub operator: Operator,
    /// With what.
    pub threshold: Threshold,
}

/// What values are compared with.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Threshold {
    /// A value in the metric's unit.
    Fixed(f64),
    /// So many times the metric's mean over the baseline.
    Baseline(f64),
}

/// A condition of the hypothesis.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Expectation {
    /// What must hold.
    pub condition: Condition,
    /// Breaches that are allowed; without it, none.
    pub allow: Option<Allowance>,
    /// What a look without a value counts as.
    pub no_data: ExpectNoData,
}

/// At most so many breaches in any so many consecutive samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Allowance {
    /// Breaches.
    pub breaches: u32,
    /// Consecutive samples.
    pub of: u32,
}

/// A condition that ends the trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AbortRule {
    /// When it is met.
    pub condition: Condition,
    /// In how many consecutive samples.
    pub after: u32,
    /// What a look without a value counts as.
    pub no_data: AbortNoData,
}

/// What a look without a value counts as, for the hypothesis. It never counts as good.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExpectNoData {
    /// Nothing can be said where the missing value could have made the difference.
    #[default]
    Inconclusive,
    /// It counts as a breach.
    Breach,
    /// It does not count as a look.
    Ignore,
}

/// What a look without a value counts as, for an abort.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AbortNoData {
    /// It does not count as a look: breaches before it and after it are consecutive.
    #[default]
    Ignore,
    /// It counts as a breach.
    Breach,
}

/// What becomes of the campaign after an abort.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnAbort {
    /// Trials that have not begun are not run.
    #[default]
    Stop,
    /// The next trial begins.
    Continue,
}

/// How long an abort may take at worst, from the breach to the first revert.
///
/// The breach is the moment at which the measured quantity itself crosses the threshold; from then on it stays beyond it. It shows up to
/// a **metric lag** later: a source that is scraped has the value of the last scrape, and a window must have passed before a mean over
/// it is beyond the threshold as well. The look that sees it comes up to one **evaluation interval** after that, and `after: N` needs N
/// looks in a row. Each has its value within the **time limit** of one look. The decision is made with the sample, and the first revert
/// begins with the decision. So the bound is `scrape interval + windows + evaluation interval × after + time limit`.
///
/// "Within two evaluation intervals, metric lag accounted for" means that this whole sum is at most two intervals: a lag that is
/// left out of the promise would break it. What is longer must be accepted in the file (`lag: accepted`), where a reader sees it. Looks
/// without a value prolong the bound, because nothing was seen in them (`no_data: breach` counts them instead).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AbortBound {
    /// The rule's condition, as it was written.
    pub condition: String,
    /// What adds up, those of no time left out.
    pub terms: Vec<BoundTerm>,
    /// Their sum in milliseconds.
    pub total_ms: u64,
    /// Two evaluation intervals in milliseconds: what it may be without `lag: accepted`.
    pub limit_ms: u64,
}

/// One term of a bound.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundTerm {
    /// e.g. `scrape interval`.
    pub name: String,
    /// In milliseconds.
    pub ms: u64,
}

impl AbortBound {
    /// Returns whether the bound is beyond two evaluation intervals.
    pub fn exceeds(&self) -> bool {
        self.total_ms > self.limit_ms
    }
}

impl std::fmt::Display for AbortBound {
    /// Writes the sum with its terms: `2 s = 1 s evaluation interval × 1 + 1 s time limit`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", seconds(self.total_ms))?;
        for (index, term) in self.terms.iter().enumerate() {
            let sign = if index == 0 { '=' } else { '+' };
            write!(f, " {sign} {} {}", seconds(term.ms), term.name)?;
        }
        Ok(())
    }
}

/// Milliseconds for people: `1.5 s`, `200 ms`.
pub(crate) fn seconds(ms: u64) -> String {
    if ms < 1_000 {
        return format!("{ms} ms");
    }
    let text = format!("{}.{:03}", ms / 1_000, ms % 1_000);
    format!("{} s", text.trim_end_matches('0').trim_end_matches('.'))
}

impl Plan {
    /// Returns the plan of a load that nothing is measured about but what its clients see.
    pub fn of_load(load: Load) -> Self {
        Self {
            load: Some(load),
            every_ms: crate::check::EVERY_MS,
            warm_up_ms: crate::check::WARM_UP_MS,
            recover_within_ms: crate::check::RECOVER_WITHIN_MS,
            hold_ms: crate::check::HOLD_MS,
            metrics: Vec::new(),
            expect: Vec::new(),
            abort: Vec::new(),
            on_abort: OnAbort::default(),
            lag_accepted: false,
        }
    }

    /// Returns the metric of a name.
    pub fn metric(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().find(|metric| metric.name == name)
    }

    /// Returns how long each abort may take at worst, in the order of the rules.
    pub fn abort_bounds(&self) -> Vec<AbortBound> {
        self.abort
            .iter()
            .filter_map(|rule| Some((rule, self.metric(&rule.condition.metric)?)))
            .map(|(rule, metric)| bound(rule, metric, self.every_ms))
            .collect()
    }
}

/// Returns the bound of one rule.
pub(crate) fn bound(rule: &AbortRule, metric: &Metric, every_ms: u64) -> AbortBound {
    let mut terms = lag(metric, every_ms);
    terms.push((
        format!("evaluation interval × {}", rule.after),
        every_ms.saturating_mul(u64::from(rule.after)),
    ));
    // What the workload's clients saw is in the host's memory: no answer is waited for.
    if !matches!(metric.source, Source::Workload { .. }) {
        terms.push(("time limit of a look".to_owned(), metric.timeout_ms));
    }
    terms.retain(|(_, ms)| *ms > 0);
    let total_ms = terms
        .iter()
        .fold(0, |sum: u64, (_, ms)| sum.saturating_add(*ms));
    AbortBound {
        condition: rule.condition.text.clone(),
        terms: terms
            .into_iter()
            .map(|(name, ms)| BoundTerm { name, ms })
            .collect(),
        total_ms,
        limit_ms: every_ms.saturating_mul(2),
    }
}

/// How long a change may take until a metric shows it in full, in terms of their own.
fn lag(metric: &Metric, every_ms: u64) -> Vec<(String, u64)> {
    match &metric.source {
        Source::Promql {
            scrape_ms,
            range_ms,
            ..
        } => vec![
            ("scrape interval".to_owned(), *scrape_ms),
            ("range window".to_owned(), *range_ms),
        ],
        // Whole seconds alone are measured, and the running one is not over.
        Source::Workload { window_ms, .. } => vec![
            ("window".to_owned(), *window_ms),
            ("until the second is over".to_owned(), 1_000),
        ],
        // A rate between two looks.
        Source::Container {
            measure: ContainerMeasure::Cpu,
            ..
        } => vec![("since the look before".to_owned(), every_ms)],
        Source::Http { .. }
        | Source::Command { .. }
        | Source::State { .. }
        | Source::Container { .. } => Vec::new(),
    }
}
