//! Whether tests share their dependencies with the program.
//!
//! A dependency's features are the union of those that the chosen packages ask for. Where tests ask for more, cargo compiles it a second
//! time, with everything above it.

use std::collections::BTreeSet;

use anyhow::Result;
use xshell::{Shell, cmd};

use crate::sh::{CmdExt as _, shell};

/// Prints the dependencies that would be compiled twice. Returns whether all are compiled once.
pub(super) fn are_shared() -> Result<bool> {
    let sh = shell()?;
    let tests = resolved(&sh, "all")?;
    let program = resolved(&sh, "normal,build")?;
    let mut differing = program.difference(&tests).peekable();
    let are_shared = differing.peek().is_none();
    for package in differing {
        println!(
            "a test's dev-dependency changes the features of a dependency that the program has too, which is then compiled twice: {package}\n\
             help: make it a dependency of a package of tests instead, as `proptest` in tests/fuzz"
        );
    }
    Ok(are_shared)
}

/// Returns every dependency with its features.
fn resolved(sh: &Shell, edges: &str) -> Result<BTreeSet<String>> {
    let format = "{p} {f}";
    let tree = cmd!(
        sh,
        "cargo tree --workspace --edges {edges} --prefix none --format {format}"
    )
    .capture()?;
    let lines = tree
        .lines()
        .map(|line| line.trim_end_matches(" (*)").to_owned());
    Ok(lines.collect())
}
