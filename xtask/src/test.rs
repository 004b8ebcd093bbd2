//! Every test, and then a look at what they left behind.

use anyhow::Result;
use xshell::{Cmd, Shell, cmd};

use crate::compiler::Lints;
use crate::progress::step;
use crate::sh::{CmdExt as _, shell};
use crate::{durations, images, leftovers, tools, wasm_std};

/// Runs the tests whose names contain one of these texts, or all. Returns whether they passed and left nothing behind.
pub(crate) fn run(names: &[String], lints: Lints) -> Result<bool> {
    let sh = lints.shell()?;
    sh.set_var("PATH", tools::path()?);
    for (variable, name) in images::environment() {
        sh.set_var(variable, name);
    }
    // For components that a test builds.
    if let Some(sysroot) = wasm_std::find_or_build()? {
        sh.set_var("DURESS_WASM_SYSROOT", sysroot);
    }
    // An earlier run that was killed may have left something: this run is not blamed for it.
    let before = leftovers::all()?;
    for what in &before {
        println!("there before the tests, and not counted: {what}");
    }
    let is_whole = names.is_empty();
    let passed = step("Run the tests", "10 min", || {
        nextest_or_test(&sh, names).succeeds()
    })?;
    let documented = !is_whole || cmd!(sh, "cargo test --quiet --doc --workspace").succeeds()?;
    let current = pages_are_current(&sh)?;
    let left = leftovers::since(&before)?;
    if is_whole {
        durations::print();
    }
    println!();
    for what in &left {
        println!("left behind: {}", leftovers::described(what));
    }
    let word = |good: bool| if good { "passed" } else { "FAILED" };
    println!("tests: {}", word(passed));
    if is_whole {
        println!("doc tests: {}", word(documented));
    }
    println!("generated pages: {}", word(current));
    println!("nothing left behind: {}", word(left.is_empty()));
    Ok(passed && documented && current && left.is_empty())
}

/// Returns the command that runs every test, by nextest where it is installed. Without it the tests run one after the other.
pub(crate) fn nextest_or_test<'a>(sh: &'a Shell, arguments: &[impl AsRef<str>]) -> Cmd<'a> {
    let arguments = arguments.iter().map(AsRef::as_ref);
    if cmd!(sh, "cargo nextest --version").works() {
        return cmd!(sh, "cargo nextest run --workspace {arguments...}");
    }
    let (flags, names): (Vec<&str>, Vec<&str>) = arguments.partition(|word| word.starts_with("--"));
    cmd!(
        sh,
        "cargo test --workspace --no-fail-fast --lib --bins --tests {flags...} -- {names...}"
    )
}

/// Writes the generated pages.
pub(crate) fn write_pages() -> Result<bool> {
    let sh = shell()?;
    cmd!(sh, "cargo run --quiet --bin duress-pages").succeeds()
}

fn pages_are_current(sh: &Shell) -> Result<bool> {
    // The pages are written by the program.
    cmd!(sh, "cargo build --quiet --bin duress").show()?;
    cmd!(sh, "cargo run --quiet --bin duress-pages -- --check").succeeds()
}
