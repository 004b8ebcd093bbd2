//! The format, the lints, and what no lint of the compiler covers.

mod features;
mod language;

use anyhow::Result;
use xshell::cmd;

use crate::layers;
use crate::sh::{CmdExt as _, shell};

/// Checks all of it. Returns whether nothing was found.
pub(crate) fn run() -> Result<bool> {
    let is_quick_part_clean = run_quick_part()?;
    let sh = shell()?;
    let is_clean = cmd!(
        sh,
        "cargo clippy --workspace --all-targets -- --deny warnings"
    )
    .succeeds()?;
    Ok(is_quick_part_clean && is_clean)
}

/// Checks what takes no compilation.
pub(crate) fn run_quick_part() -> Result<bool> {
    let sh = shell()?;
    let is_formatted = cmd!(sh, "cargo fmt --all --check").succeeds()?;
    let are_shared = features::are_shared()?;
    let are_layers_kept = layers::are_kept()?;
    let is_plain = language::is_plain()?;
    Ok(is_formatted && are_shared && are_layers_kept && is_plain)
}
