//! The components: every crate of the workspace that says where its component belongs.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::sh::Sh;
use crate::wasm_std::{TARGET, compiler, compiler_sysroot};
use crate::workspace;
use crate::workspace::Package;

/// Of their own, so that building them never rebuilds the host.
const BUILT: &str = "target/guest";

/// Builds every component and puts each in its place.
pub(crate) fn build(sysroot: Option<&Path>) -> Result<()> {
    let packages = workspace::packages()?;
    let guests: Vec<&Package> = packages
        .iter()
        .filter(|package| package.component().is_some())
        .collect();
    let names = guests
        .iter()
        .flat_map(|package| ["--package", package.name.as_str()]);
    let mut cargo = Sh::new("cargo")
        .args([
            "build",
            "--quiet",
            "--profile",
            "guest",
            "--target",
            TARGET,
            "--target-dir",
            BUILT,
        ])
        .args(names)
        // It comes with the compiler, and makes a component of what the compiler made.
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker()?);
    if let Some(sysroot) = sysroot {
        cargo = cargo.env(
            "CARGO_ENCODED_RUSTFLAGS",
            format!("--sysroot={}", sysroot.display()),
        );
    }
    println!("Building the components");
    cargo.run()?;
    for package in guests {
        let Some(place) = package.component() else {
            continue;
        };
        let file = format!("{}.wasm", package.name.replace('-', "_"));
        let built = workspace::root()
            .join(BUILT)
            .join(TARGET)
            .join("guest")
            .join(file);
        put(&built, &workspace::root().join(place))?;
    }
    Ok(())
}

/// Copies a file whose content differs, so that an unchanged one keeps its time.
fn put(built: &Path, place: &Path) -> Result<()> {
    let content = fs::read(built).with_context(|| format!("read {}", built.display()))?;
    if fs::read(place).is_ok_and(|there| there == content) {
        return Ok(());
    }
    fs::write(place, content).with_context(|| format!("write {}", place.display()))
}

fn linker() -> Result<std::path::PathBuf> {
    let tools = compiler_sysroot()?
        .join("lib/rustlib")
        .join(compiler("host")?)
        .join("bin");
    Ok(tools.join("wasm-component-ld"))
}
