//! Rates: how often something succeeded, and whether two rates differ.

use serde::{Deserialize, Serialize};
use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, Normal};
use statrs::stats_tests::Alternative;
use statrs::stats_tests::fisher::fishers_exact;

/// A rate with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Successes of all.
    pub rate: f64,
    /// Lower end.
    pub low: f64,
    /// Upper end.
    pub high: f64,
}

/// Returns a rate with its Wilson score interval.
///
/// ```
/// // Three of three is not certainty.
/// assert!(duress_statistics::wilson(3, 3, 0.95).unwrap().low < 0.45);
/// ```
#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 trials")]
pub fn wilson(successes: u64, trials: u64, confidence: f64) -> Option<Interval> {
    let is_probability = confidence > 0.0 && confidence < 1.0;
    if trials == 0 || successes > trials || !is_probability {
        return None;
    }
    let z = Normal::new(0.0, 1.0)
        .ok()?
        .inverse_cdf(0.5 + confidence / 2.0);
    let n = trials as f64;
    let rate = successes as f64 / n;
    let centre = rate + z * z / (2.0 * n);
    let half = z * (rate * (1.0 - rate) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    Some(Interval {
        rate,
        low: ((centre - half) / scale).clamp(0.0, rate),
        high: ((centre + half) / scale).clamp(rate, 1.0),
    })
}

/// Returns the two-sided p-value of Fisher's exact test of two groups' successes and failures.
pub fn fisher_exact(first: (u64, u64), second: (u64, u64)) -> Option<f64> {
    let table = [first.0, second.0, first.1, second.1];
    // More than a campaign can have, and what the calculation is sure for.
    if table.iter().any(|count| *count > 1_000_000) {
        return None;
    }
    let has_both = |a: (u64, u64)| a.0 + a.1 > 0;
    if !has_both(first) || !has_both(second) {
        return None;
    }
    // All succeeded, or none: nothing differs.
    if first.0 + second.0 == 0 || first.1 + second.1 == 0 {
        return Some(1.0);
    }
    let p = fishers_exact(&table, Alternative::TwoSided).ok()?;
    Some(p.min(1.0))
}

/// Returns the two-sided p-value of McNemar's exact test of pairs: how many succeeded only first, and only second. Pairs with the same
/// result add nothing.
pub fn mcnemar_exact(only_first: u64, only_second: u64) -> Option<f64> {
    let discordant = only_first.checked_add(only_second)?;
    if discordant == 0 {
        return Some(1.0);
    }
    let binomial = Binomial::new(0.5, discordant).ok()?;
    Some((2.0 * binomial.cdf(only_first.min(only_second))).min(1.0))
}

/// Returns pass@k: the probability that at least one of `k` trials succeeds, from `successes` of `trials`, without bias (Chen and others,
/// 2021).
pub fn pass_at_k(successes: u64, trials: u64, k: u64) -> Option<f64> {
    let failures = trials.checked_sub(successes)?;
    Some(1.0 - all_of(failures, trials, k)?)
}

/// Returns pass^k: the probability that all of `k` trials succeed, from `successes` of `trials`, without bias.
pub fn pass_all_k(successes: u64, trials: u64, k: u64) -> Option<f64> {
    all_of(successes, trials, k)
}

/// The probability that `k` drawn of `all` without return are all among `some`.
#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 trials")]
fn all_of(some: u64, all: u64, k: u64) -> Option<f64> {
    if some > all || k == 0 || k > all {
        return None;
    }
    if k > some {
        return Some(0.0);
    }
    Some(
        (0..k)
            .map(|drawn| (some - drawn) as f64 / (all - drawn) as f64)
            .product(),
    )
}
