//! Rust: cargo builds a core module, which holds the description of its interface.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use duress_model::{Error, Result};
use serde_json::Value;

/// What plugins in Rust are built for: a target without a system, so that they can do nothing but call the host.
const TARGET: &str = "wasm32-unknown-unknown";

/// Builds it by cargo; where the module is.
pub(crate) fn build(folder: &Path) -> Result<PathBuf> {
    let output = Command::new("cargo")
        .args(["build", "--release", "--target", TARGET])
        .arg("--message-format=json-render-diagnostics")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| {
            Error::environment(format!("start cargo: {error}"))
                .hint("install Rust: https://rustup.rs")
        })?;
    if !output.status.success() {
        let failed = Error::input(format!("{} does not build", folder.display()));
        return Err(match has_target() {
            true => failed.hint("cargo says why, above"),
            false => failed.hint(format!(
                "Rust's standard library for WebAssembly is missing: rustup target add {TARGET}"
            )),
        });
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let messages = text
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let files = messages.filter(|message| message["reason"] == "compiler-artifact");
    let mut modules = files.filter_map(|message| {
        let names = message["filenames"].as_array()?.clone();
        let module = names
            .iter()
            .filter_map(Value::as_str)
            .find(|name| name.ends_with(".wasm"));
        module.map(PathBuf::from)
    });
    modules.next_back().ok_or_else(|| {
        Error::input(format!("{} builds no WebAssembly module", folder.display()))
            .hint("its Cargo.toml needs: [lib] crate-type = [\"cdylib\"]")
    })
}

fn has_target() -> bool {
    let asked = Command::new("rustc")
        .args(["--print", "target-libdir", "--target", TARGET])
        .output();
    asked.is_ok_and(|output| {
        let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        fs::read_dir(folder).is_ok_and(|mut files| files.next().is_some())
    })
}
