//! A test of two independent groups: Mann-Whitney.

use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, Normal};

use crate::are_usable;

/// Up to so many values in both groups together, every division into two groups is counted.
const EXACT: usize = 60;

/// The result of a Mann-Whitney test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MannWhitney {
    /// Sizes of the groups.
    pub sizes: (usize, usize),
    /// U of the first group: how many pairs the first group wins, ties counting half.
    pub u: f64,
    /// Two-sided p-value.
    pub p: f64,
    /// The smallest p-value that groups of these sizes can have.
    pub smallest_p: f64,
    /// Every division was counted; else the normal approximation, with correction for ties and continuity.
    pub is_exact: bool,
}

/// Tests whether values of one of two independent groups tend to be greater.
///
/// ```
/// // Three against three cannot say anything at 0.05.
/// let test = duress_statistics::mann_whitney(&[1.0, 2.0, 3.0], &[7.0, 8.0, 9.0]).unwrap();
/// assert!((test.p - 0.1).abs() < 1e-12);
/// ```
#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 values")]
pub fn mann_whitney(first: &[f64], second: &[f64]) -> Option<MannWhitney> {
    if !are_usable(first) || !are_usable(second) {
        return None;
    }
    let (n1, n2) = (first.len(), second.len());
    let ranks = Ranks::of(first, second);
    let twice_sum: u64 = ranks.twice.iter().take(n1).sum();
    let u = twice_sum as f64 / 2.0 - (n1 * (n1 + 1)) as f64 / 2.0;
    let is_exact = n1 + n2 <= EXACT;
    let p = if is_exact {
        exact(&ranks.twice, n1, twice_sum)
    } else {
        approximate(&ranks, n1, n2, u)?
    };
    Some(MannWhitney {
        sizes: (n1, n2),
        u,
        p,
        smallest_p: smallest_p_of_groups(n1, n2),
        is_exact,
    })
}

/// Ranks of two groups together.
struct Ranks {
    /// Twice the rank of each value, the first group's before the second's: tied values share the mean, which may be a half.
    twice: Vec<u64>,
    /// Sizes of the groups of tied values.
    ties: Vec<u64>,
}

impl Ranks {
    fn of(first: &[f64], second: &[f64]) -> Self {
        // A zero has no sign here.
        let values: Vec<f64> = first
            .iter()
            .chain(second)
            .map(|value| value + 0.0)
            .collect();
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
        let mut twice = vec![0; values.len()];
        let mut ties = Vec::new();
        let mut before = 0_u64;
        for tied in order.chunk_by(|a, b| values[*a].total_cmp(&values[*b]).is_eq()) {
            let count = tied.len() as u64;
            for index in tied {
                twice[*index] = 2 * before + count + 1;
            }
            ties.push(count);
            before += count;
        }
        Self { twice, ties }
    }
}

/// Counts the divisions by their sums of ranks, and returns twice the smaller tail.
fn exact(twice: &[u64], size: usize, observed: u64) -> f64 {
    let total: u64 = twice.iter().sum();
    let width = usize::try_from(total)
        .unwrap_or(usize::MAX)
        .saturating_add(1);
    // counts[taken][sum]: in how many ways so many values have this sum.
    let mut counts = vec![vec![0.0_f64; width]; size + 1];
    counts[0][0] = 1.0;
    for rank in twice {
        let rank = usize::try_from(*rank).unwrap_or(usize::MAX);
        for taken in (0..size).rev() {
            for sum in 0..width.saturating_sub(rank) {
                let ways = counts[taken][sum];
                if ways > 0.0 {
                    counts[taken + 1][sum + rank] += ways;
                }
            }
        }
    }
    let ways = &counts[size];
    let observed = usize::try_from(observed).unwrap_or(usize::MAX);
    let all: f64 = ways.iter().sum();
    let low: f64 = ways.iter().take(observed + 1).sum();
    let high: f64 = ways.iter().skip(observed).sum();
    (2.0 * low.min(high) / all).min(1.0)
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 values")]
fn approximate(ranks: &Ranks, n1: usize, n2: usize, u: f64) -> Option<f64> {
    let (n1, n2) = (n1 as f64, n2 as f64);
    let n = n1 + n2;
    let ties: f64 = ranks
        .ties
        .iter()
        .map(|count| *count as f64)
        .map(|count| count * count * count - count)
        .sum();
    let variance = n1 * n2 / 12.0 * (n + 1.0 - ties / (n * (n - 1.0)));
    if variance <= 0.0 {
        return Some(1.0);
    }
    let distance = ((u - n1 * n2 / 2.0).abs() - 0.5).max(0.0);
    let normal = Normal::new(0.0, 1.0).ok()?;
    Some((2.0 * normal.sf(distance / variance.sqrt())).min(1.0))
}

/// Returns the smallest two-sided p-value that groups of these sizes can have, without ties: 2 of all divisions.
pub fn smallest_p_of_groups(first: usize, second: usize) -> f64 {
    (2.0 / divisions(first, second)).min(1.0)
}

/// In how many ways as many values can be divided into two groups of these sizes.
#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 values")]
fn divisions(first: usize, second: usize) -> f64 {
    let (small, large) = (first.min(second), first.max(second));
    let mut ways: f64 = 1.0;
    for step in 1..=small {
        ways *= (large + step) as f64 / step as f64;
        if ways.is_infinite() {
            break;
        }
    }
    ways
}

/// Returns how large both groups must be for a p-value of at most `alpha` to be possible; nothing where `alpha` is not above 0.
pub fn trials_needed_per_group(alpha: f64) -> Option<usize> {
    let mut sizes = 1..1_000;
    sizes.find(|size| alpha > 0.0 && smallest_p_of_groups(*size, *size) <= alpha)
}
