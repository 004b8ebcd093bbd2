//! Descriptions of values, and how far two sets of them differ.

use serde::{Deserialize, Serialize};

use crate::{are_usable, mean};

/// Values as few numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// How many.
    pub count: u64,
    /// Arithmetic mean.
    pub mean: f64,
    /// Least value.
    pub min: f64,
    /// Greatest value.
    pub max: f64,
}

/// Describes values.
///
/// ```
/// let values = duress_statistics::describe(&[1.0, 2.0, 6.0]).unwrap();
/// assert_eq!((values.mean, values.min, values.max), (3.0, 1.0, 6.0));
/// assert_eq!(duress_statistics::describe(&[]), None);
/// ```
pub fn describe(values: &[f64]) -> Option<Description> {
    are_usable(values).then(|| Description {
        count: values.len() as u64,
        mean: mean(values),
        min: values.iter().copied().fold(f64::INFINITY, f64::min),
        max: values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    })
}

/// How large a Cliff's delta is, by the usual bounds (Romano and others, 2006).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Magnitude {
    /// Below 0.147.
    Negligible,
    /// Below 0.33.
    Small,
    /// Below 0.474.
    Medium,
    /// The rest.
    Large,
}

impl Magnitude {
    /// Returns the magnitude of a Cliff's delta.
    pub fn of(delta: f64) -> Self {
        match delta.abs() {
            delta if delta < 0.147 => Self::Negligible,
            delta if delta < 0.33 => Self::Small,
            delta if delta < 0.474 => Self::Medium,
            _ => Self::Large,
        }
    }
}

/// Returns Cliff's delta: the probability that a value of `after` is greater than one of `before`, minus the probability that it is less.
/// From -1 to 1. It takes n log n time.
///
/// ```
/// assert_eq!(duress_statistics::cliffs_delta(&[1.0, 2.0], &[3.0, 4.0]), Some(1.0));
/// ```
#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 values")]
pub fn cliffs_delta(before: &[f64], after: &[f64]) -> Option<f64> {
    if !are_usable(before) || !are_usable(after) {
        return None;
    }
    let mut sorted = before.to_vec();
    sorted.sort_by(f64::total_cmp);
    let mut dominance = 0.0;
    for value in after {
        let less = sorted.partition_point(|other| other < value);
        let greater = sorted.len() - sorted.partition_point(|other| other <= value);
        dominance += less as f64 - greater as f64;
    }
    Some(dominance / (before.len() as f64 * after.len() as f64))
}
