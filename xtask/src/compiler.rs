//! The Rust compiler that builds everything.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use xshell::{Shell, cmd};

use crate::sh::{CmdExt as _, shell};

/// The target that components are built for.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// Whether the lints are checked by whatever compiles the workspace.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lints {
    /// `rustc` compiles.
    Unchecked,
    /// Clippy compiles, which is `rustc` with more lints, and any lint is an error. `cargo clippy` does the same without making
    /// programs, so that everything is compiled again for the tests.
    Denied,
}

impl Lints {
    /// Opens a shell in which cargo compiles so.
    pub(crate) fn shell(self) -> Result<Shell> {
        let sh = shell()?;
        if matches!(self, Self::Denied) {
            sh.set_var("RUSTC_WORKSPACE_WRAPPER", "clippy-driver");
            // As `cargo clippy -- --deny warnings` passes it on.
            sh.set_var(
                "CLIPPY_ARGS",
                "--deny__CLIPPY_HACKERY__warnings__CLIPPY_HACKERY__",
            );
        }
        Ok(sh)
    }
}

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
