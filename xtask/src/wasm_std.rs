//! Rust's standard library for `wasm32-unknown-unknown`: what is installed, else rustup's, else one built from Debian's source.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::debian;
use crate::sh::Sh;

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// Forces one way: `rustup` or `debian`.
const CHOICE: &str = "DURESS_WASM_STD";

/// Returns the sysroot to build components with; `None` where the compiler's own will do.
pub(crate) fn find_or_build() -> Result<Option<PathBuf>> {
    match std::env::var(CHOICE).as_deref() {
        Ok("debian") => debian::sysroot().map(Some),
        Ok("rustup") => {
            if !installed()? {
                add()?;
            }
            Ok(None)
        }
        Ok(other) => bail!("{CHOICE} is `{other}`: it must be `rustup` or `debian`"),
        Err(_) if installed()? => Ok(None),
        // Built before, when rustup could not help.
        Err(_) if debian::is_built()? => debian::sysroot().map(Some),
        Err(_) => match add() {
            Ok(()) => Ok(None),
            Err(error) => {
                println!(
                    "rustup cannot add the target {TARGET}, so it is built from Debian's source: {error:#}"
                );
                debian::sysroot().map(Some)
            }
        },
    }
}

fn installed() -> Result<bool> {
    let folder = compiler_sysroot()?
        .join("lib/rustlib")
        .join(TARGET)
        .join("lib");
    Ok(std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()))
}

fn add() -> Result<()> {
    println!("Adding the target {TARGET} with rustup");
    Sh::new("rustup")
        .args(["target", "add", TARGET])
        .read()
        .map(drop)
}

pub(crate) fn compiler_sysroot() -> Result<PathBuf> {
    let path = Sh::new("rustc").args(["--print", "sysroot"]).read()?;
    Ok(path.trim().into())
}

/// A line of `rustc -vV`, e.g. `release` or `host`.
pub(crate) fn compiler(key: &str) -> Result<String> {
    let version = Sh::new("rustc").arg("-vV").read()?;
    let line = version
        .lines()
        .find_map(|line| line.strip_prefix(key)?.strip_prefix(": "));
    Ok(line
        .with_context(|| format!("`rustc -vV` says no `{key}`"))?
        .to_owned())
}
