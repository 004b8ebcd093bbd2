//! The components: every package of the workspace that names a place for one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use xshell::cmd;

use crate::compiler::{self, WASM_TARGET};
use crate::progress::step;
use crate::sh::{CmdExt as _, shell};
use crate::workspace::{self, Guest};

/// A target folder of their own, so that building them never rebuilds the host.
const BUILT: &str = "target/guest";

/// Which components are built.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Components {
    /// All of them.
    All,
    /// Those of these packages.
    Of(&'static [&'static str]),
}

impl Components {
    /// Builds them and puts each in its place.
    pub(crate) fn build(self, sysroot: Option<&Path>) -> Result<()> {
        let mut guests = workspace::guests()?;
        if let Self::Of(names) = self {
            guests.retain(|guest| names.contains(&guest.package.as_str()));
        }
        step("Build the components", "40 s", || {
            compile(&guests, sysroot)?;
            guests.iter().try_for_each(put)
        })
    }
}

fn compile(guests: &[Guest], sysroot: Option<&Path>) -> Result<()> {
    let packages = guests
        .iter()
        .flat_map(|guest| ["--package", guest.package.as_str()]);
    let sh = shell()?;
    let mut cargo = cmd!(
        sh,
        "cargo build --quiet --profile guest --target {WASM_TARGET} --target-dir {BUILT} {packages...}"
    )
    // This linker comes with the compiler, and makes a component of what the compiler made.
    .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker()?);
    if let Some(sysroot) = sysroot {
        let flags = format!("--sysroot={}", sysroot.display());
        cargo = cargo.env("CARGO_ENCODED_RUSTFLAGS", flags);
    }
    cargo.show()
}

/// Copies a component if its content differs, so that an unchanged one keeps its time of change.
fn put(guest: &Guest) -> Result<()> {
    let file = format!("{}.wasm", guest.package.replace('-', "_"));
    let built = workspace::root()
        .join(BUILT)
        .join(WASM_TARGET)
        .join("guest")
        .join(file);
    let place = workspace::root().join(&guest.component);
    let content = fs::read(&built).with_context(|| format!("read {}", built.display()))?;
    if fs::read(&place).is_ok_and(|current| current == content) {
        return Ok(());
    }
    fs::write(&place, content).with_context(|| format!("write {}", place.display()))
}

fn linker() -> Result<PathBuf> {
    let tools = compiler::sysroot()?
        .join("lib/rustlib")
        .join(compiler::version("host")?)
        .join("bin");
    Ok(tools.join("wasm-component-ld"))
}
