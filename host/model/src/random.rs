//! Random numbers that can be repeated.

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A random sequence that can be repeated: the same seed gives the same sequence on every machine and in every version.
#[derive(Debug)]
pub struct SeededRandom(ChaCha12Rng);

impl SeededRandom {
    /// Returns the sequence of a seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha12Rng::seed_from_u64(seed))
    }

    /// Returns the next number.
    pub fn draw(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// Returns a number below `bound`, which is at least 1. The bias of the remainder is below one in 2^32 for any number of containers.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.draw() % bound as u64) as usize
    }
}
