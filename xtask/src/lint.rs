//! The format and the lints.

use anyhow::Result;

use crate::sh::Sh;

pub(crate) fn run() -> Result<bool> {
    let formatted = Sh::new("cargo")
        .args(["fmt", "--all", "--check"])
        .succeeds()?;
    let clean = Sh::new("cargo")
        .args([
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "--deny",
            "warnings",
        ])
        .succeeds()?;
    Ok(formatted && clean)
}
