//! A test of pairs: the same seed with and without something.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use crate::{are_usable, mean};

/// Up to so many pairs, every assignment of signs is tried: a million.
const EXACT: usize = 20;
/// Beyond that, so many random ones.
const DRAWS: u32 = 100_000;

/// The result of a sign-flip permutation test.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SignFlip {
    /// How many pairs.
    pub pairs: usize,
    /// Mean of the differences.
    pub mean: f64,
    /// Two-sided p-value.
    pub p: f64,
    /// The smallest p-value that so many pairs can have.
    pub smallest_p: f64,
    /// Every assignment of signs was tried; else a hundred thousand random ones.
    pub is_exact: bool,
}

/// Tests whether paired differences have a mean of 0: by how many assignments of signs the mean would be as far from 0 as it is.
///
/// ```
/// // Six pairs that all agree are the fewest that can have p < 0.05.
/// let test = duress_statistics::sign_flip(&[1.0, 2.0, 1.5, 3.0, 0.5, 2.5], 1).unwrap();
/// assert_eq!(test.p, 0.03125);
/// ```
pub fn sign_flip(differences: &[f64], seed: u64) -> Option<SignFlip> {
    if !are_usable(differences) {
        return None;
    }
    let size: f64 = differences.iter().map(|difference| difference.abs()).sum();
    if !size.is_finite() {
        return None;
    }
    let observed: f64 = differences.iter().sum::<f64>().abs();
    // Sums of the same numbers in another order are the same sum.
    let is_as_far = |sum: f64| sum.abs() >= observed - size * 1e-12;
    let is_exact = differences.len() <= EXACT;
    let p = if is_exact {
        exact(differences, is_as_far)
    } else {
        drawn(differences, seed, is_as_far)
    };
    Some(SignFlip {
        pairs: differences.len(),
        mean: mean(differences),
        p,
        smallest_p: smallest_p_of_pairs(differences.len()),
        is_exact,
    })
}

fn exact(differences: &[f64], is_as_far: impl Fn(f64) -> bool) -> f64 {
    let all = 1_u32 << differences.len();
    let mut count = 0_u32;
    for signs in 0..all {
        let sum = signed_sum(differences, u64::from(signs));
        count += u32::from(is_as_far(sum));
    }
    f64::from(count) / f64::from(all)
}

fn drawn(differences: &[f64], seed: u64, is_as_far: impl Fn(f64) -> bool) -> f64 {
    let mut random = ChaCha12Rng::seed_from_u64(seed);
    let mut count = 0_u32;
    for _ in 0..DRAWS {
        let chunks = differences.chunks(64);
        let sum = chunks
            .map(|chunk| signed_sum(chunk, random.next_u64()))
            .sum();
        count += u32::from(is_as_far(sum));
    }
    // What was observed is one of the assignments, so that p is never 0.
    f64::from(count + 1) / f64::from(DRAWS + 1)
}

/// The sum with the signs that the bits say.
fn signed_sum(differences: &[f64], signs: u64) -> f64 {
    differences
        .iter()
        .enumerate()
        .map(|(index, difference)| match signs >> index & 1 {
            0 => *difference,
            _ => -difference,
        })
        .sum()
}

/// Returns the smallest two-sided p-value that so many pairs can have: 2 of 2^n assignments, or 1 without pairs.
pub fn smallest_p_of_pairs(pairs: usize) -> f64 {
    let pairs = i32::try_from(pairs).unwrap_or(i32::MAX);
    (2.0_f64.powi(-pairs) * 2.0).min(1.0)
}

/// Returns how many pairs there must be for a p-value of at most `alpha` to be possible; nothing where `alpha` is not above 0.
pub fn pairs_needed(alpha: f64) -> Option<usize> {
    // Nobody asks for a p-value below 2^-1000.
    (1..1_000).find(|pairs| smallest_p_of_pairs(*pairs) <= alpha)
}
