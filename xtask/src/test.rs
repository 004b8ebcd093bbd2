//! Every test, and then a look at what they left.

use anyhow::Result;

use crate::sh::Sh;
use crate::{docs, images, leftovers, tools, wasm_std};

pub(crate) fn run(names: &[String]) -> Result<bool> {
    let mut environment = images::environment()?;
    // With what the components are built, for those that a test begins.
    if let Some(sysroot) = wasm_std::find_or_build()? {
        let sysroot = sysroot.display().to_string();
        environment.push(("DURESS_WASM_SYSROOT".to_owned(), sysroot));
    }
    environment.push(("PATH".to_owned(), tools::path()?));
    // What an earlier run was killed in the middle of is not this run's doing.
    let before = leftovers::all()?;
    for what in &before {
        println!("there before the tests, and not counted: {what}");
    }
    // Tests start the program itself.
    Sh::new("cargo")
        .args(["build", "--package", "duress"])
        .run()?;
    let nextest = Sh::new("cargo").args(["nextest", "--version"]).works();
    let tests = if nextest {
        Sh::new("cargo")
            .args(["nextest", "run", "--workspace", "--no-fail-fast"])
            .args(names)
    } else {
        Sh::new("cargo")
            .args([
                "test",
                "--workspace",
                "--no-fail-fast",
                "--lib",
                "--bins",
                "--tests",
                "--",
            ])
            .args(names)
    };
    let tested = tests.envs(environment).succeeds()?;
    let documented = !names.is_empty()
        || Sh::new("cargo")
            .args(["test", "--quiet", "--doc"])
            .succeeds()?;
    let current = docs::are_current()?;
    let mut left = leftovers::all()?;
    left.retain(|what| !before.contains(what));
    println!();
    for what in &left {
        println!("left behind: {what}");
    }
    let word = |good: bool| if good { "passed" } else { "FAILED" };
    println!("tests: {}", word(tested));
    if names.is_empty() {
        println!("doc tests: {}", word(documented));
    }
    println!("written pages: {}", word(current));
    println!("nothing left behind: {}", word(left.is_empty()));
    Ok(tested && documented && current && left.is_empty())
}
