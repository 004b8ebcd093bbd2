//! The simulation, with as many seeds as somebody has time for.

use anyhow::Result;

use crate::sh::Sh;

pub(crate) fn run(seeds: u64, from: u64, every: u64) -> Result<bool> {
    let (seeds, from, every) = (seeds.to_string(), from.to_string(), every.to_string());
    let numbers = [
        ("DURESS_SIM_SEEDS", seeds),
        ("DURESS_SIM_FROM", from),
        ("DURESS_SIM_EVERY", every),
    ];
    Sh::new("cargo")
        .args(["test", "--package", "duress", "--test", "sim"])
        .args(["--", "--nocapture"])
        .envs(numbers.map(|(name, value)| (name.to_owned(), value)))
        .succeeds()
}
