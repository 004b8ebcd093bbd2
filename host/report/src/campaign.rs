//! What the trials of a campaign show together: verdicts, and each metric over the trials that count.

use duress_experiment::{Judgement, MetricSummary, Plan, Unit, Verdict};
use duress_model::Outcome;
use duress_statistics::{Interval, holm, wilson};
use serde::Serialize;

use crate::pooled::{MetricOverTrials, against, paired};
use crate::trial::CONFIDENCE;

/// A trial of a campaign.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialResult {
    /// Its name.
    pub name: String,
    /// The system under test.
    pub subject: String,
    /// The fault's name or label.
    pub fault: String,
    /// It had no fault.
    pub is_baseline: bool,
    /// How it ended; absent while it runs.
    pub outcome: Option<Outcome>,
    /// Why it did not pass.
    pub error: Option<String>,
    /// How it was measured; absent without an experiment.
    pub plan: Option<Plan>,
    /// What it showed; absent where it was not judged.
    pub judgement: Option<Judgement>,
}

/// The trials of one subject with one fault.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Combination {
    /// The system under test.
    pub subject: String,
    /// The fault's name or label.
    pub fault: String,
    /// Trials with an experiment that have begun.
    pub trials: usize,
    /// How many of them count in what follows.
    pub counted: usize,
    /// Those that do not, with the reason.
    pub excluded: Vec<Excluded>,
    /// The verdicts of those that count.
    pub verdicts: Verdicts,
    /// Each metric over those that count, by name.
    pub metrics: Vec<MetricOverTrials>,
}

/// A trial that proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Excluded {
    /// The trial's name.
    pub trial: String,
    /// Why, in a line for people.
    pub reason: String,
}

/// How often each verdict was given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Verdicts {
    /// The hypothesis was maintained.
    pub maintained: u64,
    /// It was violated.
    pub violated: u64,
    /// Missing values could have made the difference.
    pub inconclusive: u64,
    /// It was never observed.
    pub not_observed: u64,
    /// Trials without a hypothesis.
    pub none: u64,
    /// Trials that were ended for safety, whatever their verdict.
    pub aborted: u64,
    /// Share of maintained among maintained and violated, with its Wilson interval; absent without either.
    pub maintained_rate: Option<Interval>,
}

impl Verdicts {
    fn add(&mut self, judgement: &Judgement) {
        let count = match judgement.hypothesis {
            Some(Verdict::Maintained) => &mut self.maintained,
            Some(Verdict::Violated) => &mut self.violated,
            Some(Verdict::Inconclusive) => &mut self.inconclusive,
            Some(Verdict::NotObserved) => &mut self.not_observed,
            None => &mut self.none,
        };
        *count += 1;
        self.aborted += u64::from(judgement.abort.is_some());
        let decided = self.maintained + self.violated;
        self.maintained_rate = wilson(self.maintained, decided, CONFIDENCE);
    }
}

/// A trial that counts.
struct Counted<'a> {
    judgement: &'a Judgement,
    plan: &'a Plan,
}

/// Returns each combination of a campaign that has an experiment, in the order of its first trial.
pub fn compare(trials: &[TrialResult]) -> Vec<Combination> {
    let measured: Vec<_> = trials.iter().filter(|trial| trial.plan.is_some()).collect();
    let mut found: Vec<Combination> = Vec::new();
    for trial in &measured {
        let is_new = found
            .iter()
            .all(|one| one.subject != trial.subject || one.fault != trial.fault);
        if is_new {
            found.push(combination(trial, &measured));
        }
    }
    correct(&mut found);
    found
}

fn combination(first: &TrialResult, all: &[&TrialResult]) -> Combination {
    let of_subject = all.iter().filter(|trial| trial.subject == first.subject);
    let (mut excluded, mut counted) = (Vec::new(), Vec::new());
    let mut trials = 0;
    for trial in of_subject
        .clone()
        .filter(|trial| trial.fault == first.fault)
    {
        trials += 1;
        match counts(trial) {
            Ok(one) => counted.push(one),
            Err(reason) => excluded.push(Excluded {
                trial: trial.name.clone(),
                reason,
            }),
        }
    }
    let without_fault = of_subject.filter(|trial| trial.is_baseline);
    let baseline: Vec<Counted<'_>> = match first.is_baseline {
        true => Vec::new(),
        false => without_fault
            .filter_map(|trial| counts(trial).ok())
            .collect(),
    };
    let mut verdicts = Verdicts::default();
    for one in &counted {
        verdicts.add(one.judgement);
    }
    Combination {
        subject: first.subject.clone(),
        fault: first.fault.clone(),
        trials,
        counted: counted.len(),
        excluded,
        verdicts,
        metrics: over_trials(&counted, &baseline),
    }
}

/// Returns a trial that counts, or why it does not. One that was ended for safety counts: to leave it out would hide the worst.
fn counts(trial: &TrialResult) -> Result<Counted<'_>, String> {
    let because = |word: &str| match &trial.error {
        Some(error) => format!("{word}: {}", error.lines().next().unwrap_or_default()),
        None => word.to_owned(),
    };
    match trial.outcome {
        None => return Err("it has not ended".to_owned()),
        Some(
            outcome @ (Outcome::Invalid
            | Outcome::Environment
            | Outcome::Disturbed
            | Outcome::Cancelled),
        ) => return Err(because(outcome.as_str())),
        Some(Outcome::Passed | Outcome::Failed | Outcome::TimedOut | Outcome::Aborted) => {}
    }
    match (&trial.judgement, &trial.plan) {
        (Some(judgement), Some(plan)) => Ok(Counted { judgement, plan }),
        _ => Err(because("its measurements were not judged")),
    }
}

fn over_trials(counted: &[Counted<'_>], baseline: &[Counted<'_>]) -> Vec<MetricOverTrials> {
    let mut units: Vec<(&str, Unit)> = Vec::new();
    for metric in counted.iter().flat_map(|one| &one.plan.metrics) {
        if units.iter().all(|(name, _)| *name != metric.name) {
            units.push((&metric.name, metric.unit));
        }
    }
    units.sort_by_key(|(name, _)| *name);
    let metrics = units.into_iter().map(|(name, unit)| {
        // Of trials that measure it in another unit, nothing can be said here.
        let of = |trials: &[Counted<'_>]| -> Vec<MetricSummary> {
            let same = trials.iter().filter(|one| {
                let metric = one.plan.metric(name);
                metric.is_some_and(|metric| metric.unit == unit)
            });
            same.filter_map(|one| one.judgement.metrics.iter().find(|m| m.metric == name))
                .cloned()
                .collect()
        };
        let summaries = of(counted);
        let pairs = summaries
            .iter()
            .filter_map(|one| Some((one.before.mean?, one.during.mean?)));
        let during = |summaries: &[MetricSummary]| -> Vec<f64> {
            summaries.iter().filter_map(|one| one.during.mean).collect()
        };
        MetricOverTrials {
            metric: name.to_owned(),
            unit,
            paired: paired(&pairs.collect::<Vec<_>>()),
            against_baseline: against(&during(&summaries), &during(&of(baseline))),
        }
    });
    metrics.collect()
}

/// Corrects the p-values of all tests of one kind: of twenty without any effect, one has a p-value of 0.05.
fn correct(combinations: &mut [Combination]) {
    let mut metrics: Vec<_> = combinations
        .iter_mut()
        .flat_map(|one| &mut one.metrics)
        .collect();
    let paired: Vec<_> = metrics
        .iter_mut()
        .filter_map(|one| one.paired.as_mut())
        .collect();
    let p_values: Vec<f64> = paired.iter().map(|one| one.test.p).collect();
    for (one, p) in paired.into_iter().zip(holm(&p_values).unwrap_or_default()) {
        one.p_corrected = Some(p);
    }
    let groups = metrics
        .iter_mut()
        .filter_map(|one| one.against_baseline.as_mut());
    let groups: Vec<_> = groups.collect();
    let p_values: Vec<f64> = groups.iter().map(|one| one.test.p).collect();
    for (one, p) in groups.into_iter().zip(holm(&p_values).unwrap_or_default()) {
        one.p_corrected = Some(p);
    }
}
