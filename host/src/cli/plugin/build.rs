//! `duress plugin build`: from a project's source to its component, by the language's own tools.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use duress::plugin::PluginManifest;
use duress::{Error, Result, yaml};
use serde_json::{Value, json};
use wit_component::ComponentEncoder;

use super::super::style::{self, print_line, say};
use super::super::{Done, Global, context};

/// What plugins in Rust are built for: a target without a system, so that they can do nothing but call the host.
const TARGET: &str = "wasm32-unknown-unknown";
/// The preamble of a core module (WebAssembly core specification 5.5.16).
const CORE: &[u8] = b"\0asm\x01\0\0\0";

pub(super) async fn main(global: &Global, folder: &Path) -> Done {
    let (manifest, _) = yaml::load::<PluginManifest>(&folder.join("plugin.yaml"))?;
    if !folder.join("Cargo.toml").is_file() {
        return Err(Error::input(format!(
            "{} holds no project that can be built: there is no Cargo.toml",
            folder.display()
        ))
        .hint("projects in Rust are built; put the component of another language beside plugin.yaml yourself")
        .into());
    }
    let built = rust(folder)?;
    let bytes = fs::read(&built)
        .map_err(|error| Error::environment(format!("read {}: {error}", built.display())))?;
    let component = if bytes.starts_with(CORE) {
        encode(&bytes).map_err(|why| {
            Error::input(format!(
                "{} cannot be made a component: {why}",
                built.display()
            ))
            .hint("it must be built against the bindings of wit/plugin.wit")
        })?
    } else {
        bytes
    };
    let place = folder.join(&manifest.component);
    fs::write(&place, &component)
        .map_err(|error| Error::environment(format!("write {}: {error}", place.display())))?;
    let found = context::runtime()?.examine(folder).await?;
    if global.json {
        style::print_json(&json!({
            "component": place, "bytes": component.len(), "digest": found.plugin.digest,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    print_line!(
        "{} has {} kB",
        place.display(),
        component.len().div_ceil(1000)
    );
    say!(
        "Next: {}",
        style::HINT.paint(format_args!("duress plugin check {}", manifest.name))
    );
    Ok(ExitCode::SUCCESS)
}

/// A core module with the description of its interface in it, as a component.
fn encode(module: &[u8]) -> Result<Vec<u8>, String> {
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|mut encoder| encoder.encode());
    encoded.map_err(|error| format!("{error:#}"))
}

/// Build it by cargo; where the module is.
fn rust(folder: &Path) -> Result<PathBuf> {
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
