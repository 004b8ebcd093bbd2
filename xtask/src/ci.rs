//! Everything that CI runs, in the order in which it finds most mistakes soonest.

use anyhow::Result;

use crate::setup::{Setup, build_host};
use crate::{lint, netem, progress, storm, test};

/// How often the storm kills duress.
const KILLS: u64 = 5;

/// Runs it. Returns whether all of it passed.
pub(crate) fn run() -> Result<bool> {
    let mut passed = progress::step("Lint", "5 min", lint::run)?;
    Setup::TEST.run()?;
    passed &= netem::run()?;
    passed &= test::run(&[])?;
    build_host()?;
    passed &= progress::step("Run the storm", "3 min", || storm::run(KILLS, None))?;
    progress::summary();
    Ok(passed)
}
