//! What one trial measured: each metric before, during and after the fault, and how far the fault moved it.

use duress_experiment::{Judgement, Part, Plan, Summary, Unit};
use duress_statistics::{DifferenceOfMeans, Magnitude, cliffs_delta, difference_of_means};
use serde::Serialize;

/// Confidence of the intervals.
pub const CONFIDENCE: f64 = 0.95;

/// Seed of the bootstrap: a report of the same samples is always the same.
const SEED: u64 = 1;

/// A look at a metric, as it is stored. Times are in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Look<'a> {
    /// The metric.
    pub metric: &'a str,
    /// The value in the metric's unit; absent where there was none.
    pub value: Option<f64>,
    /// When the value was so.
    pub sampled_at: i64,
    /// When it was known.
    pub seen_at: i64,
}

/// A metric of a trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricReport {
    /// Its name.
    pub metric: String,
    /// What its values are counted in.
    pub unit: Unit,
    /// Over the baseline.
    pub before: Summary,
    /// While the fault was in force.
    pub during: Summary,
    /// After the rollback.
    pub after: Summary,
    /// From before to during; absent where one of them has no value.
    pub difference: Option<Difference>,
}

/// How far a metric moved from before the fault to while it was in force.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// Values before.
    pub before: usize,
    /// Values during.
    pub during: usize,
    /// Mean during minus mean before, in the metric's unit.
    pub difference: f64,
    /// Probability that a value during is greater than one before, minus the probability that it is less: from -1 to 1.
    pub cliffs_delta: f64,
    /// How large that is.
    pub magnitude: Magnitude,
    /// Interval of the difference by the moving-block bootstrap; absent where there are fewer than four values on one side.
    pub interval: Option<DifferenceOfMeans>,
}

/// Returns each metric of a trial, in the plan's order.
pub fn metrics(plan: &Plan, judgement: &Judgement, looks: &[Look<'_>]) -> Vec<MetricReport> {
    let summaries = judgement.metrics.iter();
    summaries
        .map(|summary| {
            let unit = plan.metric(&summary.metric).map(|metric| metric.unit);
            let (before, during) = split(judgement, &summary.metric, looks);
            MetricReport {
                metric: summary.metric.clone(),
                unit: unit.unwrap_or_default(),
                before: summary.before,
                during: summary.during,
                after: summary.after,
                difference: difference(&before, &during),
            }
        })
        .collect()
}

/// Returns a metric's values before and during the fault, in the order of their times, divided as the judge divided them.
fn split(judgement: &Judgement, metric: &str, looks: &[Look<'_>]) -> (Vec<f64>, Vec<f64>) {
    let of_metric = looks.iter().filter(|look| look.metric == metric);
    let mut values: Vec<(i64, Part, f64)> = of_metric
        .filter_map(|look| {
            let value = look.value.filter(|value| value.is_finite())?;
            let at = look.sampled_at.min(look.seen_at);
            let part = judgement.times.part(at);
            // The baseline was closed before this value was known.
            let is_late = part == Part::Before && judgement.times.part(look.seen_at) != part;
            (!is_late).then_some((at, part, value))
        })
        .collect();
    values.sort_by_key(|(at, ..)| *at);
    let of = |wanted: Part| {
        let those = values.iter().filter(|(_, part, _)| *part == wanted);
        those.map(|(.., value)| *value).collect()
    };
    (of(Part::Before), of(Part::During))
}

fn difference(before: &[f64], during: &[f64]) -> Option<Difference> {
    let delta = cliffs_delta(before, during)?;
    let mean = |values: &[f64]| duress_statistics::describe(values).map(|found| found.mean);
    Some(Difference {
        before: before.len(),
        during: during.len(),
        difference: mean(during)? - mean(before)?,
        cliffs_delta: delta,
        magnitude: Magnitude::of(delta),
        interval: difference_of_means(before, during, CONFIDENCE, SEED),
    })
}
