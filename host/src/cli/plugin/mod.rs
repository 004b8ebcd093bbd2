//! `duress plugin`: what components ask for, and what they are granted; and how they are made.

mod build;
mod grant;
mod new;
mod place;
mod push;
mod sdk;
mod test;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use grant::Brought;
use serde_json::json;

use super::style::{print_line, say};
use super::{Done, Global, context, style, table};
use duress_model::{Error, Result};
use duress_plugin::{Catalog, Found, PluginManifest, Runtime, Source};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Begin a plugin: a project that builds at once
    New(new::Arguments),
    /// Build a plugin's component from its source
    Build {
        /// Its folder, or the name of one that can be found from here
        plugin: String,
    },
    /// List the plugins that can be found from here, and whether they were granted what they ask for
    List,
    /// Say what a plugin is, what it brings and what it asks for
    Inspect {
        /// Its folder, its component's file, or the name of one that can be found from here
        plugin: String,
    },
    /// Look for mistakes in a plugin's manifest, component and faults
    Check {
        /// Its folder, its component's file, or the name of one that can be found from here
        plugin: String,
    },
    /// Try every fault on a simulated machine, in every way that can go well or wrong; with -v, show what it logs
    Test {
        /// Its folder, its component's file, or the name of one that can be found from here
        plugin: String,
    },
    /// Grant a plugin its requested permissions, copying it into `plugins/` if needed
    Add {
        /// Its folder, that with its `plugin.yaml`; or its component's file; or a URL of that; or `oci://HOST/NAME:TAG` in a registry
        source: String,
        #[command(flatten)]
        how: How,
        /// It is built here, and may be built again: grant it whatever its component's digest
        #[arg(long)]
        built_here: bool,
    },
    /// Grant a plugin that has changed what it asks for now
    Update {
        /// Its name
        name: String,
        #[command(flatten)]
        how: How,
    },
    /// Fetch every plugin that `duress.lock` names and that is not there, as it was granted
    Fetch {
        /// As for `add`
        #[arg(long, value_name = "FOLDER")]
        root: Option<PathBuf>,
    },
    /// Put a plugin into a registry, from which others can add it
    Push {
        /// Its folder, its component's file, or the name of one that can be found from here
        plugin: String,
        /// Where: `oci://HOST/NAME:TAG`
        to: String,
    },
    /// Revoke a plugin's permissions
    Remove {
        /// Its name
        name: String,
        #[command(flatten)]
        how: How,
    },
}

#[derive(Debug, Args)]
pub(super) struct How {
    /// Ask nothing
    #[arg(long)]
    yes: bool,
    /// The folder with `plugins`, `subjects` and the lock [default: the nearest at or above the working directory]
    #[arg(long, value_name = "FOLDER")]
    root: Option<PathBuf>,
}

pub(super) async fn main(global: &Global, verb: Verb) -> Done {
    match verb {
        Verb::New(arguments) => new::main(global, &arguments),
        Verb::Build { plugin } => build::main(global, &source_of(&plugin)?).await,
        Verb::List => list(global).await,
        Verb::Inspect { plugin } => inspect(global, &find(&plugin).await?.folder).await,
        Verb::Check { plugin } => check(global, &find(&plugin).await?.folder).await,
        Verb::Test { plugin } => test::main(global, &find(&plugin).await?.folder).await,
        Verb::Add {
            source,
            how,
            built_here,
        } => grant::add(global, &source, &how, built_here).await,
        Verb::Update { name, how } => grant::update(global, &name, &how).await,
        Verb::Fetch { root } => grant::fetch(global, root.as_deref()).await,
        Verb::Push { plugin, to } => push::main(global, &find(&plugin).await?.folder, &to).await,
        Verb::Remove { name, how } => grant::remove(global, &name, &how),
    }
}

/// A folder with a manifest, a component with one in it, or a plugin of the catalog.
async fn find(plugin: &str) -> Result<Brought> {
    let path = Path::new(plugin);
    if path.join("plugin.yaml").is_file() || path.is_file() {
        return grant::bring(&Source::Path(path.to_owned()), Path::new("")).await;
    }
    let catalog = context::catalog(None)?;
    if let Some(built_in) = catalog.built_in(plugin) {
        return grant::unpack_built_in(built_in);
    }
    let folder = catalog.plugin_directory(plugin)?;
    grant::bring(&Source::Path(folder), Path::new("")).await
}

/// Returns the folder with a plugin's source.
fn source_of(plugin: &str) -> Result<PathBuf> {
    let path = Path::new(plugin);
    if path.join("plugin.yaml").is_file() {
        return absolute(path);
    }
    let catalog = context::catalog(None)?;
    if catalog.built_in(plugin).is_some() {
        return Err(Error::input(format!(
            "`{plugin}` is built into duress, and has no source here"
        )));
    }
    absolute(&catalog.plugin_directory(plugin)?)
}

fn root(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(named) = named {
        return absolute(named);
    }
    let here = absolute(Path::new("."))?;
    Ok(Catalog::nearest_root(&here).unwrap_or(here))
}

fn absolute(path: &Path) -> Result<PathBuf> {
    let found = fs::canonicalize(path);
    found.map_err(|error| Error::input(format!("find {}: {error}", path.display())))
}

async fn list(global: &Global) -> Done {
    let catalog = context::catalog(None)?;
    let mut rows = table::table(&["plugin", "version", "summary", "granted"], 4);
    let mut all = Vec::new();
    for name in catalog.plugin_names() {
        let built_in = catalog.built_in(&name);
        // Looked at as files: a component that lies there and was granted nothing is not compiled.
        let (directory, examined) = match built_in {
            Some(built_in) => {
                let found = catalog.runtime().examine_built_in(built_in).await;
                let found = found.map(|found| (found.plugin.manifest, found.plugin.digest));
                (None, found)
            }
            None => {
                let directory = catalog.plugin_directory(&name)?;
                let found = look(&directory);
                (Some(directory), found)
            }
        };
        match examined {
            Ok((manifest, digest)) => {
                let refusal = match built_in {
                    Some(_) => None,
                    None => catalog.grant_of(&name, &manifest, &digest).err(),
                };
                all.push(json!({
                    "name": name, "version": manifest.version, "summary": manifest.summary, "directory": directory,
                    "digest": digest, "requests": manifest.requests, "granted": refusal.is_none(),
                    "built_in": built_in.is_some(), "reason": refusal.as_ref().map(ToString::to_string),
                }));
                rows.add_row([
                    name,
                    manifest.version.clone(),
                    manifest.summary.clone(),
                    match (built_in, &refusal) {
                        (Some(_), _) => "built in",
                        (None, None) => "yes",
                        (None, Some(_)) => "no",
                    }
                    .to_owned(),
                ]);
            }
            Err(error) => {
                say!("{} plugin `{name}`: {error}", style::WARN.paint("warning:"));
            }
        }
    }
    if global.json {
        style::print_json(&all);
    } else {
        print_line!("{}", table::lines(&rows));
    }
    Ok(ExitCode::SUCCESS)
}

/// A plugin's manifest, and the digest of its component.
fn look(folder: &Path) -> Result<(PluginManifest, String)> {
    let (manifest, _) = duress_yaml::load::<PluginManifest>(&folder.join("plugin.yaml"))?;
    let digest = Runtime::digest(&manifest, folder)?;
    Ok((manifest, digest))
}

async fn inspect(global: &Global, folder: &Path) -> Done {
    let runtime = context::runtime()?;
    let found = runtime.examine(folder).await?;
    if global.json {
        style::print_json(&json!({
            "manifest": found.plugin.manifest, "kind": found.plugin.kind(), "digest": found.plugin.digest,
            "imports": found.imports, "faults": found.faults,
        }));
    } else {
        show(&found);
        print_line!();
        print_line!("imports: {}", found.imports.join(", "));
        print_line!("faults:");
        for fault in &found.faults {
            print_line!("  {}  {}", style::GOOD.paint(&fault.name), fault.summary);
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What it is, and what it asks for.
fn show(found: &Found) {
    let manifest = &found.plugin.manifest;
    print_line!(
        "{} {} ({}): {}",
        style::GOOD.paint(&manifest.name),
        manifest.version,
        manifest.license,
        manifest.summary
    );
    print_line!("{}", found.plugin.digest);
    let words = manifest.requests.in_words();
    if words.is_empty() {
        print_line!("It asks for nothing but to look at its own trial's containers.");
        return;
    }
    print_line!("It asks to:");
    for line in words {
        print_line!("  - {line}");
    }
    print_line!("It gets nothing else: nothing of this machine, and nothing of other trials.");
}

/// Returns whether a plugin's folder beneath `plugins` has another name than the plugin: then the folder's is the one that counts.
fn misnamed(folder: &Path, name: &str) -> Option<String> {
    let folder = absolute(folder).ok()?;
    let is_beneath = folder
        .parent()
        .is_some_and(|parent| parent.ends_with("plugins"));
    let own = folder.file_name()?.to_string_lossy();
    (is_beneath && own != name).then(|| {
        format!("it is called `{name}` in its plugin.yaml, and its folder `{own}`: give both the same name")
    })
}

async fn check(global: &Global, folder: &Path) -> Done {
    let runtime = context::runtime()?;
    let found = runtime.examine(folder).await?;
    let mut problems = found.problems();
    problems.extend(misnamed(folder, &found.plugin.manifest.name));
    if global.json {
        style::print_json(&json!({ "plugin": found.plugin.manifest.name, "problems": problems }));
    } else if problems.is_empty() {
        let faults = match found.faults.len() {
            1 => "1 fault".to_owned(),
            many => format!("{many} faults"),
        };
        print_line!("{} is in order: {faults}.", found.plugin.manifest.name);
    }
    for problem in problems.iter().filter(|_| !global.json) {
        print_line!("{} {problem}", style::ERROR.paint("problem:"));
    }
    Ok(ExitCode::from(if problems.is_empty() { 0 } else { 2 }))
}
