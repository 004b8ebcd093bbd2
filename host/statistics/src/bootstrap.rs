//! An interval of a difference of means whose values depend on their neighbours.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::{are_usable, mean};

/// How many times values are drawn again. The ends of a 95 % interval are then sure to about a hundredth of its width.
const RESAMPLES: usize = 5_000;

/// A difference of means with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct DifferenceOfMeans {
    /// Mean after minus mean before.
    pub difference: f64,
    /// Lower end of the interval.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// e.g. 0.95.
    pub confidence: f64,
    /// Values of a block before and after.
    pub blocks: (usize, usize),
}

/// Returns the difference of the means of two series, with a percentile interval of the moving-block bootstrap (Künsch, 1989).
///
/// Each series is drawn again in blocks of neighbours, of the cube root of its length, so that values that depend on one another stay
/// together. The confidence must be between 0 and 1. Series of fewer than four values have no interval.
pub fn difference_of_means(
    before: &[f64],
    after: &[f64],
    confidence: f64,
    seed: u64,
) -> Option<DifferenceOfMeans> {
    const LEAST: usize = 4;
    let is_probability = confidence > 0.0 && confidence < 1.0;
    if !are_usable(before) || !are_usable(after) || !is_probability {
        return None;
    }
    if before.len() < LEAST || after.len() < LEAST {
        return None;
    }
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let (before_blocks, after_blocks) = (Blocks::new(before), Blocks::new(after));
    let mut differences: Vec<f64> = (0..RESAMPLES)
        .map(|_| after_blocks.draw(&mut random) - before_blocks.draw(&mut random))
        .collect();
    if !are_usable(&differences) {
        return None;
    }
    differences.sort_by(f64::total_cmp);
    let tail = (1.0 - confidence) / 2.0;
    Some(DifferenceOfMeans {
        difference: mean(after) - mean(before),
        low: quantile(&differences, tail),
        high: quantile(&differences, 1.0 - tail),
        confidence,
        blocks: (before_blocks.length, after_blocks.length),
    })
}

/// A series with the sums up to each of its values.
struct Blocks {
    sums: Vec<f64>,
    length: usize,
}

impl Blocks {
    fn new(values: &[f64]) -> Self {
        let mut sums = Vec::with_capacity(values.len() + 1);
        let mut sum = 0.0;
        sums.push(sum);
        for value in values {
            sum += value;
            sums.push(sum);
        }
        Self {
            sums,
            length: block_length(values.len()),
        }
    }

    /// Draws as many values as there are, in blocks, and returns their mean.
    #[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 values")]
    fn draw(&self, random: &mut ChaCha12Rng) -> f64 {
        let count = self.sums.len() - 1;
        let starts = count - self.length + 1;
        let mut sum = 0.0;
        let mut left = count;
        while left > 0 {
            let start = below(random, starts);
            let taken = self.length.min(left);
            sum += self.sums[start + taken] - self.sums[start];
            left -= taken;
        }
        sum / count as f64
    }
}

/// The cube root, rounded up.
fn block_length(count: usize) -> usize {
    (1..=count)
        .find(|length| length * length * length >= count)
        .unwrap_or(count)
}

/// A number below a bound that is at least 1. The bias of the remainder is below one in 2^32 for any bound that a series can have.
fn below(random: &mut ChaCha12Rng, bound: usize) -> usize {
    (random.next_u64() % bound as u64) as usize
}

/// A quantile of sorted values, between the two nearest.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a position in a list, from 0 to its end"
)]
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share * (sorted.len() - 1) as f64;
    let below = position.floor();
    let index = below as usize;
    let next = (index + 1).min(sorted.len() - 1);
    sorted[index] + (sorted[next] - sorted[index]) * (position - below)
}
