//! Rust's standard library for WebAssembly: the installed one, else rustup's, else one built from Debian's source.

mod debian;

use std::path::PathBuf;

use anyhow::{Result, bail};
use xshell::cmd;

use crate::compiler::{self, WASM_TARGET};
use crate::progress::{say, step};
use crate::sh::{CmdExt as _, shell};

/// Forces one way: `rustup` or `debian`.
const CHOICE: &str = "DURESS_WASM_STD";

/// Returns the sysroot to build components with; `None` where the compiler's own has the target.
pub(crate) fn find_or_build() -> Result<Option<PathBuf>> {
    match std::env::var(CHOICE).as_deref() {
        Ok("debian") => debian::sysroot().map(Some),
        Ok("rustup") => {
            if !is_installed()? {
                add()?;
            }
            Ok(None)
        }
        Ok(other) => bail!("{CHOICE} is `{other}`: it must be `rustup` or `debian`"),
        Err(_) if is_installed()? => Ok(None),
        // Built before, when rustup failed.
        Err(_) if debian::is_built()? => debian::sysroot().map(Some),
        Err(_) => match add() {
            Ok(()) => Ok(None),
            Err(error) => {
                say(&format!(
                    "rustup cannot add the target {WASM_TARGET}, so its standard library is built from Debian's source: {error:#}"
                ));
                debian::sysroot().map(Some)
            }
        },
    }
}

fn is_installed() -> Result<bool> {
    let folder = compiler::sysroot()?
        .join("lib/rustlib")
        .join(WASM_TARGET)
        .join("lib");
    Ok(std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()))
}

fn add() -> Result<()> {
    step(
        &format!("Add the target {WASM_TARGET} with rustup"),
        "5 s",
        || {
            let sh = shell()?;
            cmd!(sh, "rustup target add {WASM_TARGET}")
                .capture()
                .map(drop)
        },
    )
}
