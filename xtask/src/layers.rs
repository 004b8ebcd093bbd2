//! The crates of the host: drawn in `docs/architecture.md` as Cargo.toml has them, and kept free of what they must not depend on.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;

use anyhow::{Context as _, Result};
use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, Package, PackageId};

use crate::workspace;

/// Page that holds the drawing.
const PAGE: &str = "docs/architecture.md";
/// Line before the drawing.
const BEGIN: &str = "<!-- Crates: written by `cargo xtask docs` from Cargo.toml. -->\n";
/// Line after the drawing.
const END: &str = "<!-- End of the crates. -->\n";

/// Libraries that a crate must not have in its dependency tree: without them it is built and tested in seconds, and it cannot do what
/// they are for.
const KEPT_OUT: [(&str, &[&str]); 9] = [
    (
        "duress-model",
        &["bollard", "reqwest", "rusqlite", "tokio", "wasmtime"],
    ),
    (
        "duress-yaml",
        &["bollard", "reqwest", "rusqlite", "tokio", "wasmtime"],
    ),
    (
        "duress-campaign",
        &["bollard", "reqwest", "rusqlite", "tokio", "wasmtime"],
    ),
    ("duress-store", &["bollard", "reqwest", "wasmtime"]),
    ("duress-engine", &["bollard", "rusqlite", "wasmtime"]),
    ("duress-docker", &["rusqlite", "wasmtime"]),
    ("duress-journal", &["bollard", "wasmtime"]),
    ("duress-simulated", &["bollard", "rusqlite", "wasmtime"]),
    ("duress-runner", &["bollard", "clap"]),
];

/// Writes the page with the drawing as it must be.
pub(crate) fn write() -> Result<()> {
    fs::write(workspace::root().join(PAGE), page()?).with_context(|| format!("write {PAGE}"))
}

/// Returns the page with the drawing as it must be.
fn page() -> Result<String> {
    let page =
        fs::read_to_string(workspace::root().join(PAGE)).with_context(|| format!("read {PAGE}"))?;
    let missing = || format!("{PAGE} has no place for the crates");
    let (before, rest) = page.split_once(BEGIN).with_context(missing)?;
    let (_, after) = rest.split_once(END).with_context(missing)?;
    Ok(format!(
        "{before}{BEGIN}{}{END}{after}",
        drawing(&metadata()?)?
    ))
}

/// Returns whether the page draws the crates as they are, and no crate depends on what it must not depend on.
pub(crate) fn are_kept() -> Result<bool> {
    let mut kept = true;
    let there = fs::read_to_string(workspace::root().join(PAGE)).unwrap_or_default();
    if there != page()? {
        println!("{PAGE} is out of date: `cargo xtask docs` writes it again");
        kept = false;
    }
    let metadata = metadata()?;
    for (name, kept_out) in KEPT_OUT {
        let tree = tree(&metadata, name)?;
        for library in kept_out.iter().filter(|library| tree.contains(**library)) {
            println!("{name} depends on {library}, which it must not: see xtask/src/layers.rs");
            kept = false;
        }
    }
    Ok(kept)
}

fn metadata() -> Result<Metadata> {
    let platform = format!("{}-unknown-linux-gnu", std::env::consts::ARCH);
    MetadataCommand::new()
        .current_dir(workspace::root())
        .other_options(["--filter-platform".to_owned(), platform])
        .exec()
        .context("read cargo's metadata")
}

/// Returns the packages in `host/`, by name.
fn crates(metadata: &Metadata) -> BTreeMap<&str, &Package> {
    metadata
        .workspace_packages()
        .into_iter()
        .filter(|package| folder(package).is_some())
        .map(|package| (package.name.as_str(), package))
        .collect()
}

/// Returns the package's folder in `host/`.
fn folder(package: &Package) -> Option<&str> {
    let folder = package.manifest_path.parent()?;
    let inner = folder.strip_prefix(workspace::root().join("host")).ok()?;
    Some(inner.as_str()).filter(|inner| !inner.is_empty())
}

/// Returns the drawing: a line for each floor, and a table of the crates.
fn drawing(metadata: &Metadata) -> Result<String> {
    let crates = crates(metadata);
    let mut floors: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for (name, package) in &crates {
        let name = folder(package).unwrap_or(name);
        floors
            .entry(floor(&crates, package))
            .or_default()
            .push(name);
    }
    let mut text = String::from("\n```text\n");
    for (floor, names) in floors.iter().rev() {
        writeln!(text, "{floor:>2}  {}", names.join("  "))?;
    }
    text.push_str("```\n\n| crate | duty | knows |\n|---|---|---|\n");
    for names in floors.values().rev() {
        for name in names {
            let found = crates
                .values()
                .find(|package| folder(package) == Some(*name));
            let package = found.context("a crate has a package")?;
            let known: Vec<&str> = known(&crates, package).filter_map(folder).collect();
            let duty = package.description.as_deref().unwrap_or_default();
            writeln!(text, "| `{name}` | {duty} | {} |", known.join(", "))?;
        }
    }
    text.push('\n');
    Ok(text)
}

/// Returns the packages in `host/` that a package depends on, but for its tests.
fn known<'a>(
    crates: &'a BTreeMap<&str, &'a Package>,
    package: &'a Package,
) -> impl Iterator<Item = &'a Package> {
    package
        .dependencies
        .iter()
        .filter(|dependency| dependency.kind == DependencyKind::Normal)
        .filter_map(|dependency| crates.get(dependency.name.as_str()).copied())
}

/// Returns the floor of a package: one above the highest that it knows.
fn floor(crates: &BTreeMap<&str, &Package>, package: &Package) -> usize {
    let below = known(crates, package).map(|known| floor(crates, known) + 1);
    below.max().unwrap_or(0)
}

/// Returns the names of everything in a package's dependency tree, but for its tests.
fn tree<'a>(metadata: &'a Metadata, name: &str) -> Result<BTreeSet<&'a str>> {
    let resolve = metadata
        .resolve
        .as_ref()
        .context("cargo resolved nothing")?;
    let root = crates(metadata);
    let root = root
        .get(name)
        .with_context(|| format!("no crate named {name}"))?;
    let nodes: BTreeMap<&PackageId, _> =
        resolve.nodes.iter().map(|node| (&node.id, node)).collect();
    let mut seen = BTreeSet::new();
    let mut open = vec![&root.id];
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let dependencies = nodes.get(id).into_iter().flat_map(|node| &node.deps);
        open.extend(dependencies.filter_map(|dependency| {
            let is_normal =
                |kind: &cargo_metadata::DepKindInfo| kind.kind == DependencyKind::Normal;
            dependency
                .dep_kinds
                .iter()
                .any(is_normal)
                .then_some(&dependency.pkg)
        }));
    }
    Ok(seen
        .into_iter()
        .map(|id| metadata[id].name.as_str())
        .collect())
}
