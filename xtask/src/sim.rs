//! The simulation, with any number of seeds.

use anyhow::Result;
use xshell::cmd;

use crate::sh::{CmdExt as _, shell};

/// Runs it. Returns whether every seed passed.
pub(crate) fn run(seeds: u64, from: u64, every: u64) -> Result<bool> {
    let sh = shell()?;
    cmd!(sh, "cargo test --workspace --test sim -- --nocapture")
        .env("DURESS_SIM_SEEDS", seeds.to_string())
        .env("DURESS_SIM_FROM", from.to_string())
        .env("DURESS_SIM_EVERY", every.to_string())
        .succeeds()
}
