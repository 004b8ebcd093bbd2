//! Which operation a number stands for, by the shares of a mix.

use duress_experiment::Operation;
use duress_model::SeededRandom;

/// Spreads consecutive numbers over the seeds: the odd number nearest to 2^64 divided by the golden ratio.
const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15;

/// A mix of operations. The same seed and number give the same operation, in whatever order they are asked for.
#[derive(Debug, Clone)]
pub struct Mix {
    /// Each with the end of its share, from 0 to 1.
    ends: Vec<(String, f64)>,
    seed: u64,
}

impl Mix {
    /// Returns the mix of operations by their shares; `None` if no operation has one.
    pub fn new(operations: &[Operation], seed: u64) -> Option<Self> {
        let share = |operation: &Operation| match operation.share.is_finite() {
            true => operation.share.max(0.0),
            false => 0.0,
        };
        let all: f64 = operations.iter().map(share).sum();
        if all <= 0.0 {
            return None;
        }
        let mut sum = 0.0;
        let mut ends = Vec::new();
        for operation in operations.iter().filter(|operation| share(operation) > 0.0) {
            sum += share(operation) / all;
            ends.push((operation.name.clone(), sum));
        }
        Some(Self { ends, seed })
    }

    /// Returns the name of the operation with this number, and a random number for its own choices.
    pub fn operation(&self, number: u64) -> (&str, u64) {
        let mut random = SeededRandom::new(self.seed.wrapping_add(number.wrapping_mul(SPREAD)));
        // 53 bits are what a double holds.
        let place = (random.draw() >> 11) as f64 / (1_u64 << 53) as f64;
        let found = self.ends.iter().find(|(_, end)| place < *end);
        // The last share's end may be a little below 1.
        let (name, _) = found.unwrap_or(&self.ends[self.ends.len() - 1]);
        (name, random.draw())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operations(shares: &[(&str, f64)]) -> Vec<Operation> {
        let operation = |&(name, share): &(&str, f64)| Operation {
            name: name.to_owned(),
            share,
        };
        shares.iter().map(operation).collect()
    }

    #[test]
    fn a_mix_keeps_its_shares_and_repeats_itself() {
        let operations = operations(&[("put", 0.8), ("get", 0.2), ("none", 0.0)]);
        let mix = Mix::new(&operations, 7).expect("a mix");
        let names: Vec<_> = (0..10_000).map(|n| mix.operation(n).0.to_owned()).collect();
        let puts = names.iter().filter(|name| *name == "put").count();
        assert!((7_800..8_200).contains(&puts), "{puts}");
        assert!(!names.contains(&"none".to_owned()));
        let again = Mix::new(&operations, 7).expect("a mix");
        let repeated = (0..10_000).rev().map(|n| again.operation(n).0.to_owned());
        assert!(repeated.eq(names.iter().rev().cloned()));
        let other = Mix::new(&operations, 8).expect("a mix");
        assert!(!(0..100).all(|n| other.operation(n) == mix.operation(n)));
    }

    #[test]
    fn a_mix_without_shares_is_none() {
        for shares in [
            &[][..],
            &[("put", 0.0)],
            &[("put", f64::NAN)],
            &[("put", -1.0)],
        ] {
            assert!(Mix::new(&operations(shares), 1).is_none(), "{shares:?}");
        }
    }
}
