//! Generates pages from what they describe: `docs/faults.md` from the components' own descriptions, `docs/wit.md` from `wit/`.
//!
//! With `--check` it writes nothing and fails where a page would change. It needs `target/debug/duress`.

#![allow(
    clippy::print_stdout,
    reason = "a command line tool of one file prints where it works"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use wit_bindgen_core::Files;
use wit_parser::Resolve;

/// Generates a page.
type Writer = fn() -> Result<String>;

/// Each page, and what generates it.
const PAGES: [(&str, Writer); 2] = [("docs/faults.md", faults), ("docs/wit.md", interface)];

fn main() -> Result<ExitCode> {
    let is_check = std::env::args()
        .nth(1)
        .is_some_and(|word| word == "--check");
    let mut status = ExitCode::SUCCESS;
    for (path, page) in PAGES {
        let place = root().join(path);
        let page = page().with_context(|| format!("generate {path}"))?;
        if !is_check {
            fs::write(&place, page).with_context(|| format!("write {path}"))?;
        } else if fs::read_to_string(&place).unwrap_or_default() != page {
            println!("{path} is out of date: `cargo xtask docs` generates it");
            status = ExitCode::FAILURE;
        }
    }
    Ok(status)
}

/// Returns the workspace's folder.
fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Describes the world with everything in it.
fn interface() -> Result<String> {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(root().join("wit"))?;
    let world = resolve.select_world(&[package], Some("workload-subject"))?;
    let mut files = Files::default();
    let options = wit_bindgen_markdown::Opts::default();
    options.build().generate(&mut resolve, world, &mut files)?;
    let written = files
        .iter()
        .find(|(name, _)| name.ends_with(".md"))
        .context("the interface has no page")?;
    let text = String::from_utf8(written.1.to_vec())?;
    let (_, text) = text.split_once('\n').context("the page has a heading")?;
    Ok(format!(
        "# The interface between duress and its plugins\n\nWritten by `cargo xtask docs` from [`wit/plugin.wit`](../wit/plugin.wit), for the \
         world `workload-subject`; an `eval-subject` exports no `workload`, and a `chaos-plugin` imports no `stack` and exports `chaos` alone. \
         [versions.md](versions.md) says what may change when.\n{text}"
    ))
}

fn faults() -> Result<String> {
    // Without the user's own plugins.
    let listed = Command::new(root().join("target/debug/duress"))
        .args(["fault", "list", "--json"])
        .current_dir(root())
        .env("DURESS_PATH", "")
        .output()
        .context("start target/debug/duress")?;
    ensure!(
        listed.status.success(),
        "list the faults: {}",
        String::from_utf8_lossy(&listed.stderr)
    );
    let faults: Vec<Value> =
        serde_json::from_slice(&listed.stdout).context("read the list of faults")?;
    let mut page = String::from(
        "# Faults\n\nWritten by `cargo xtask docs` from the components' own schemas.\n\n\
         A campaign names a fault by its name, the subject's own first; `plugin:fault` is exact.\n",
    );
    let mut plugin = "";
    for fault in &faults {
        let name = text(fault, "plugin");
        if name != plugin {
            plugin = name;
            write!(page, "\n## {plugin}\n")?;
        }
        write!(
            page,
            "\n### `{}`\n\n{}\n",
            text(fault, "name"),
            text(fault, "summary")
        )?;
        facts(&mut page, fault)?;
        parameters(&mut page, fault)?;
    }
    Ok(page)
}

fn facts(page: &mut String, fault: &Value) -> Result<()> {
    let list = |key: &str| -> String {
        let items = fault[key]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str);
        items
            .map(|item| format!("`{item}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    let (services, requires) = (list("services"), list("requires"));
    let mut told = Vec::new();
    if !services.is_empty() {
        told.push(format!("Hurts {services}."));
    }
    if fault["choice"] == "by_fault" {
        told.push("Picks its target by the system's state.".to_owned());
    }
    if !requires.is_empty() {
        told.push(format!("Needs {requires}."));
    }
    if !told.is_empty() {
        write!(page, "\n{}\n", told.join(" "))?;
    }
    Ok(())
}

fn parameters(page: &mut String, fault: &Value) -> Result<()> {
    let schema = &fault["parameters"];
    let Some(properties) = schema["properties"]
        .as_object()
        .filter(|properties| !properties.is_empty())
    else {
        return Ok(());
    };
    let required: Vec<_> = schema["required"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    page.push_str("\n| parameter | meaning | range | default |\n|---|---|---|---|\n");
    for (name, property) in properties {
        let range = match (property.get("minimum"), property.get("maximum")) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("at least {least}"),
            (None, Some(most)) => format!("at most {most}"),
            (None, None) => String::new(),
        };
        let default = if required.contains(&name.as_str()) {
            "required".to_owned()
        } else {
            property
                .get("default")
                .map(|default| format!("`{default}`"))
                .unwrap_or_default()
        };
        let meaning = text(property, "description")
            .replace('\n', " ")
            .replace('|', "\\|");
        writeln!(page, "| `{name}` | {meaning} | {range} | {default} |")?;
    }
    Ok(())
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}
