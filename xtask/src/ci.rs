//! Everything that CI runs, arranged so that nothing is compiled twice and little is waited for.
//!
//! Images and tools are made while cargo compiles. The storm, which mostly waits, runs beside the virtual machine, which computes.

use std::thread;

use anyhow::{Result, anyhow};

use crate::compiler::Lints;
use crate::setup::{Setup, build_tests};
use crate::{lint, netem, progress, storm, test};

/// How often the storm kills duress.
const KILLS: u64 = 5;
/// What was tested is what was linted.
const LINTS: Lints = Lints::Denied;

/// Runs it. Returns whether all of it passed.
pub(crate) fn run() -> Result<bool> {
    let is_clean = lint::run_quick_part()?;
    Setup::TEST.run_with(|| build_tests(LINTS))?;
    let (netem, storm) = thread::scope(|scope| {
        let storm =
            scope.spawn(|| progress::step("Run the storm", "3 min", || storm::run(KILLS, None)));
        let netem = netem::run(LINTS);
        (netem, storm.join())
    });
    let survived = storm.map_err(|_| anyhow!("the thread of the storm panicked"))??;
    let passed = netem? & test::run(&[], LINTS)?;
    progress::summary();
    Ok(is_clean && survived && passed)
}
