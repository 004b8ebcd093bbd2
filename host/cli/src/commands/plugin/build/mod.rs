//! `duress plugin build`: from a project's source to its component, by the language's own tools.

mod c;
mod python;
mod rust;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use duress_model::{Error, Result};
use duress_plugin::{PluginManifest, embed};
use serde_json::json;
use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::ComponentEncoder;

use crate::Done;
use crate::context::Context;
use crate::plugins::locate;
use crate::ui::print::{self, print_line};

/// The preamble of a core module (WebAssembly core specification 5.5.16).
const CORE: &[u8] = b"\0asm\x01\0\0\0";

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Plugin: its folder, or its name if it can be found from here
    plugin: String,
}

pub(crate) async fn main(context: &Context, arguments: &Arguments) -> Done {
    let folder = &locate::source_folder(&arguments.plugin, context)?;
    let path = folder.join("plugin.yaml");
    let (manifest, _) = duress_yaml::load::<PluginManifest>(&path)?;
    let text = read(&path)?;
    let built = if folder.join("Cargo.toml").is_file() {
        rust::build(folder)?
    } else if folder.join("src/plugin.c").is_file() {
        c::build(folder)?
    } else if folder.join("src/app.py").is_file() {
        python::build(folder)?
    } else {
        return Err(Error::input(format!(
            "no project to build in {}: it has no Cargo.toml, no src/plugin.c and no src/app.py",
            folder.display()
        ))
        .hint("`duress plugin new NAME --lang rust|c|python` begins one; put the component of another language beside plugin.yaml yourself")
        .into());
    };
    let bytes = read(&built)?;
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
    let component = embed(&component, &String::from_utf8_lossy(&text))?;
    let place = folder.join(manifest.component_file()?);
    duress_files::replace(&place, &component)
        .map_err(|error| Error::environment(format!("write {}: {error}", place.display())))?;
    let found = context.runtime()?.examine(folder).await?;
    if context.json {
        print::json(&json!({
            "component": place, "bytes": component.len(), "digest": found.digest,
        }));
        return Ok(ExitCode::SUCCESS);
    }
    print_line!(
        "{} has {} kB",
        place.display(),
        component.len().div_ceil(1000)
    );
    let name = &manifest.name;
    print::next(format_args!(
        "duress plugin check {name} && duress plugin test {name}"
    ));
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|error| Error::environment(format!("read {}: {error}", path.display())))
}

/// A core module with the description of its interface in it, as a component. What it asks of WASI's first preview is asked of the second.
fn encode(module: &[u8]) -> Result<Vec<u8>, String> {
    let encoded = ComponentEncoder::default()
        .validate(true)
        .module(module)
        .and_then(|encoder| {
            encoder.adapter(
                WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME,
                WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
            )
        })
        .and_then(|mut encoder| encoder.encode());
    encoded.map_err(|error| format!("{error:#}"))
}
