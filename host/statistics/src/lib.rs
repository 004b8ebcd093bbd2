//! Statistics of trials: effects, intervals, tests, survival, and what too few trials cannot say.
//!
//! The trial is the unit of every test. Samples within one trial depend on one another, so nothing here gives a p-value of them: they
//! have an effect size ([`cliffs_delta`]) and an interval that keeps neighbours together ([`difference_of_means`]).
//!
//! Each function returns nothing where its input has no answer (no values, a value that is not finite). What is drawn at random is drawn
//! from a seed, so the same input gives the same result.

mod bootstrap;
mod effect;
mod groups;
mod multiple;
mod paired;
mod rates;
mod survival;

pub use bootstrap::{DifferenceOfMeans, difference_of_means};
pub use effect::{Description, Magnitude, cliffs_delta, describe};
pub use groups::{MannWhitney, mann_whitney, smallest_p_of_groups, trials_needed_per_group};
pub use multiple::holm;
pub use paired::{SignFlip, pairs_needed, sign_flip, smallest_p_of_pairs};
pub use rates::{Interval, fisher_exact, mcnemar_exact, pass_all_k, pass_at_k, wilson};
pub use survival::{KaplanMeier, Step, Survival, kaplan_meier};

/// Whether there are values, and each is a finite number.
fn are_usable(values: &[f64]) -> bool {
    !values.is_empty() && values.iter().all(|value| value.is_finite())
}

/// Mean of values of which there is at least one. It is finite for any finite values.
#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 values")]
fn mean(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let sum: f64 = values.iter().sum();
    if sum.is_finite() {
        return sum / count;
    }
    values.iter().map(|value| value / count).sum()
}
