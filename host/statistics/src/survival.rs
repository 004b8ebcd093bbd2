//! Times until something happened, of which some never did within the time that was given.

use serde::{Deserialize, Serialize};

use crate::are_usable;

/// A trial's time. One that timed out is censored, not infinite.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Survival {
    /// Until it happened, or until nobody looked any longer. Not negative.
    pub time: f64,
    /// Whether it happened.
    pub has_happened: bool,
}

/// A Kaplan-Meier estimate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KaplanMeier {
    /// Trials.
    pub count: u64,
    /// Trials in which it happened.
    pub events: u64,
    /// Where the curve falls, by time.
    pub steps: Vec<Step>,
    /// When half are done; absent where fewer than half were seen to be.
    pub median: Option<f64>,
    /// Mean time, where each counts no longer than until `horizon`.
    pub restricted_mean: f64,
    /// Up to when the restricted mean counts.
    pub horizon: f64,
}

/// A step of the curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// When.
    pub time: f64,
    /// Trials that were under way just before.
    pub at_risk: u64,
    /// Trials in which it happened then.
    pub events: u64,
    /// Share of trials in which it has not happened, from then on.
    pub share_left: f64,
}

/// Estimates how many trials are not done after each time (Kaplan and Meier, 1958).
///
/// The restricted mean counts up to `horizon`, which must be above 0; two groups can be compared by it when both have the same. It is as
/// good as the data: beyond the longest time that was looked at, the curve stays where it is.
///
/// ```
/// use duress_statistics::{Survival, kaplan_meier};
/// let seen = |time| Survival { time, has_happened: true };
/// let curve = kaplan_meier(&[seen(1.0), seen(3.0), Survival { time: 10.0, has_happened: false }], 10.0).unwrap();
/// assert_eq!(curve.median, Some(3.0));
/// assert!((curve.restricted_mean - 14.0 / 3.0).abs() < 1e-12);
/// ```
#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 trials")]
pub fn kaplan_meier(trials: &[Survival], horizon: f64) -> Option<KaplanMeier> {
    let mut sorted = trials.to_vec();
    // A zero has no sign here.
    sorted.iter_mut().for_each(|trial| trial.time += 0.0);
    let times: Vec<f64> = sorted.iter().map(|trial| trial.time).collect();
    let is_positive = times.iter().all(|time| *time >= 0.0);
    if !are_usable(&times) || !is_positive || !horizon.is_finite() || horizon <= 0.0 {
        return None;
    }
    sorted.sort_by(|a, b| a.time.total_cmp(&b.time));
    let mut steps = Vec::new();
    let mut left = 1.0;
    let mut at_risk = sorted.len() as u64;
    let mut area = 0.0;
    let mut since = 0.0;
    for same in sorted.chunk_by(|a, b| a.time.total_cmp(&b.time).is_eq()) {
        let time = same[0].time;
        let events = same.iter().filter(|trial| trial.has_happened).count() as u64;
        if events > 0 {
            let until = time.min(horizon);
            area += left * (until - since);
            since = until;
            left *= 1.0 - events as f64 / at_risk as f64;
            steps.push(Step {
                time,
                at_risk,
                events,
                share_left: left,
            });
        }
        at_risk -= same.len() as u64;
    }
    area += left * (horizon - since);
    let half = steps.iter().find(|step| step.share_left <= 0.5 + 1e-12);
    Some(KaplanMeier {
        count: sorted.len() as u64,
        events: steps.iter().map(|step| step.events).sum(),
        median: half.map(|step| step.time),
        steps,
        restricted_mean: area,
        horizon,
    })
}
