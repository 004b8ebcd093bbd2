//! The Rust compiler that builds everything.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use xshell::cmd;

use crate::sh::{CmdExt as _, shell};

/// The target that components are built for.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// Returns the compiler's sysroot.
pub(crate) fn sysroot() -> Result<PathBuf> {
    let sh = shell()?;
    let path = cmd!(sh, "rustc --print sysroot").capture()?;
    Ok(path.trim().into())
}

/// Returns a line of `rustc -vV`, e.g. `release` or `host`.
pub(crate) fn version(key: &str) -> Result<String> {
    let sh = shell()?;
    let version = cmd!(sh, "rustc -vV").capture()?;
    let line = version
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    Ok(line
        .with_context(|| format!("`rustc -vV` has no line `{key}`"))?
        .to_owned())
}
