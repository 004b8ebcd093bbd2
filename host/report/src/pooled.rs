//! One metric over several trials, with the tests whose unit is the trial.

use duress_experiment::Unit;
use duress_statistics::{
    MannWhitney, SignFlip, cliffs_delta, describe, mann_whitney, pairs_needed, sign_flip,
    smallest_p_of_groups,
};
use serde::Serialize;

/// The p-value up to which a difference counts as shown.
pub const SIGNIFICANCE: f64 = 0.05;

/// Seed of the random sign flips: a report of the same trials is always the same.
const SEED: u64 = 1;

/// A metric over the trials of one combination.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricOverTrials {
    /// Its name.
    pub metric: String,
    /// What its values are counted in.
    pub unit: Unit,
    /// Each trial's mean during the fault, compared with its own mean before.
    pub paired: Option<Paired>,
    /// The means during the fault, compared with those of trials without a fault; absent where there are none.
    pub against_baseline: Option<Against>,
}

/// Trials that are each compared with themselves.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Paired {
    /// Trials with values both before and during.
    pub trials: usize,
    /// Mean of their means before, in the metric's unit.
    pub before: f64,
    /// Mean of their means during.
    pub during: f64,
    /// Sign-flip permutation test of the differences, during minus before.
    pub test: SignFlip,
    /// The p-value, corrected for the number of such tests of the campaign (Holm).
    pub p_corrected: Option<f64>,
    /// How many more trials it takes before any result could count; absent where there are enough.
    pub needs: Option<usize>,
}

/// Trials with a fault, compared with others without one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Against {
    /// Mean of the means of the trials with the fault, in the metric's unit. Their number is the first of the test's sizes.
    pub fault: f64,
    /// Mean of the means of the trials without one. Their number is the second of the test's sizes.
    pub baseline: f64,
    /// Probability that a trial with the fault has a greater mean than one without, minus the probability that it has a smaller one.
    pub cliffs_delta: f64,
    /// Mann-Whitney U test.
    pub test: MannWhitney,
    /// The p-value, corrected for the number of such tests of the campaign (Holm).
    pub p_corrected: Option<f64>,
    /// How many more trials it takes before any result could count; absent where there are enough.
    pub needs: Option<MoreTrials>,
}

/// Trials that are missing from two groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct MoreTrials {
    /// With the fault.
    pub fault: usize,
    /// Without one.
    pub baseline: usize,
}

/// Returns the paired comparison of trials' means before and during; nothing without a trial.
pub(super) fn paired(pairs: &[(f64, f64)]) -> Option<Paired> {
    let differences: Vec<f64> = pairs
        .iter()
        .map(|(before, during)| during - before)
        .collect();
    let test = sign_flip(&differences, SEED)?;
    let mean = |of: fn(&(f64, f64)) -> f64| {
        let values: Vec<f64> = pairs.iter().map(of).collect();
        describe(&values).map(|found| found.mean)
    };
    let needed = pairs_needed(SIGNIFICANCE).unwrap_or_default();
    Some(Paired {
        trials: pairs.len(),
        before: mean(|pair| pair.0)?,
        during: mean(|pair| pair.1)?,
        test,
        p_corrected: None,
        needs: needed.checked_sub(pairs.len()).filter(|more| *more > 0),
    })
}

/// Returns the comparison of two groups of trials' means; nothing where one is empty.
pub(super) fn against(fault: &[f64], baseline: &[f64]) -> Option<Against> {
    Some(Against {
        fault: describe(fault)?.mean,
        baseline: describe(baseline)?.mean,
        cliffs_delta: cliffs_delta(baseline, fault)?,
        test: mann_whitney(fault, baseline)?,
        p_corrected: None,
        needs: more_trials(fault.len(), baseline.len()),
    })
}

/// Returns the fewest trials that must be added to two groups, kept as even as can be; nothing where there are enough.
fn more_trials(fault: usize, baseline: usize) -> Option<MoreTrials> {
    let (mut with, mut without) = (fault, baseline);
    while smallest_p_of_groups(with, without) > SIGNIFICANCE {
        // The smaller group gains the most by one more.
        if with <= without {
            with += 1;
        } else {
            without += 1;
        }
    }
    let more = MoreTrials {
        fault: with - fault,
        baseline: without - baseline,
    };
    (more.fault + more.baseline > 0).then_some(more)
}
