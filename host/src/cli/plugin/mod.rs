//! `duress plugin`: what components ask for, and what they are granted; and how they are made.

mod build;
mod new;
mod test;

use std::fs;
use std::io::{BufRead as _, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use duress::plugin::{Catalog, Found, LOCK_FILE, LockFile, Locked};
use duress::{Error, Result};
use serde_json::json;

use super::style::{self, print_line, say};
use super::{Done, Global, context, table};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Begin a plugin: a project in Rust that builds at once
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
        /// Its folder, or the name of one that can be found from here
        plugin: String,
    },
    /// Look for mistakes in a plugin's manifest, component and faults
    Check {
        /// Its folder, or the name of one that can be found from here
        plugin: String,
    },
    /// Try every fault on a simulated machine, in every way that can go well or wrong
    Test {
        /// Its folder, or the name of one that can be found from here
        plugin: String,
    },
    /// Grant a plugin what it asks for, and take it in where it lies elsewhere
    Add {
        /// Its folder: that with its `plugin.yaml`
        folder: PathBuf,
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
    /// Take back what a plugin was granted
    Remove {
        /// Its name
        name: String,
        /// As for `add`
        #[arg(long, value_name = "FOLDER")]
        root: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(super) struct How {
    /// Grant it without a question
    #[arg(long)]
    yes: bool,
    /// The folder with `plugins`, `subjects` and the lock [default: the nearest at or above the working directory]
    #[arg(long, value_name = "FOLDER")]
    root: Option<PathBuf>,
}

pub(super) async fn main(global: &Global, verb: Verb) -> Done {
    match verb {
        Verb::New(arguments) => new::main(global, &arguments),
        Verb::Build { plugin } => build::main(global, &find(&plugin)?).await,
        Verb::List => list(global).await,
        Verb::Inspect { plugin } => inspect(global, &find(&plugin)?).await,
        Verb::Check { plugin } => check(global, &find(&plugin)?).await,
        Verb::Test { plugin } => test::main(global, &find(&plugin)?).await,
        Verb::Add {
            folder,
            how,
            built_here,
        } => add(global, &folder, &how, built_here).await,
        Verb::Update { name, how } => update(global, &name, &how).await,
        Verb::Remove { name, root } => remove(global, &name, root.as_deref()),
    }
}

/// A folder with a manifest, or a plugin of the catalog.
fn find(plugin: &str) -> Result<PathBuf> {
    let path = Path::new(plugin);
    if path.join("plugin.yaml").is_file() {
        return Ok(path.to_owned());
    }
    context::catalog(None)?.plugin_directory(plugin)
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
        let directory = catalog.plugin_directory(&name)?;
        match catalog.runtime().examine(&directory).await {
            Ok(found) => {
                let refusal = catalog.grant_of(&name, &found).err();
                let manifest = &found.plugin.manifest;
                all.push(json!({
                    "name": name, "version": manifest.version, "summary": manifest.summary, "directory": directory,
                    "digest": found.plugin.digest, "requests": manifest.requests, "granted": refusal.is_none(),
                    "reason": refusal.as_ref().map(ToString::to_string),
                }));
                rows.add_row([
                    name,
                    manifest.version.clone(),
                    manifest.summary.clone(),
                    if refusal.is_none() { "yes" } else { "no" }.to_owned(),
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

async fn check(global: &Global, folder: &Path) -> Done {
    let runtime = context::runtime()?;
    let found = runtime.examine(folder).await?;
    let problems = found.problems();
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

async fn add(global: &Global, folder: &Path, how: &How, built_here: bool) -> Done {
    let root = root(how.root.as_deref())?;
    let folder = absolute(folder)?;
    let found = context::runtime()?.examine(&folder).await?;
    if !global.json {
        show(&found);
    }
    let name = found.plugin.manifest.name.clone();
    if !how.yes && !is_wanted()? {
        say!("Nothing was granted.");
        return Ok(ExitCode::from(1));
    }
    let source = match folder.strip_prefix(&root) {
        // The root itself, for a plugin that lies beside its subjects.
        Ok(inside) if inside.as_os_str().is_empty() => PathBuf::from("."),
        Ok(inside) => inside.to_owned(),
        Err(_) => {
            take_in(&found, &folder, &root)?;
            folder.clone()
        }
    };
    grant(&root, &found, source.display().to_string(), built_here)?;
    told(global, &name, &root)
}

/// Copy what makes the plugin beneath the root.
fn take_in(found: &Found, folder: &Path, root: &Path) -> Result<()> {
    let manifest = &found.plugin.manifest;
    let to = root.join("plugins").join(&manifest.name);
    let component = manifest.component.file_name().ok_or_else(|| {
        Error::input(format!("`component` in {} names no file", folder.display()))
    })?;
    if component != manifest.component.as_os_str() {
        return Err(Error::input(format!(
            "the component {} does not lie beside its plugin.yaml",
            manifest.component.display()
        ))
        .hint("put both into one folder"));
    }
    let copied = fs::create_dir_all(&to)
        .and_then(|()| fs::copy(folder.join("plugin.yaml"), to.join("plugin.yaml")))
        .and_then(|_| fs::copy(folder.join(component), to.join(component)));
    copied.map(drop).map_err(|error| {
        Error::environment(format!(
            "copy {} to {}: {error}",
            folder.display(),
            to.display()
        ))
    })
}

fn grant(root: &Path, found: &Found, source: String, built_here: bool) -> Result<()> {
    let manifest = &found.plugin.manifest;
    let mut lock = LockFile::read(root)?;
    let locked = Locked {
        version: manifest.version.clone(),
        source,
        digest: (!built_here).then(|| found.plugin.digest.clone()),
        grants: manifest.requests.clone(),
    };
    lock.plugins.insert(manifest.name.clone(), locked);
    lock.write(root)
}

async fn update(global: &Global, name: &str, how: &How) -> Done {
    let root = root(how.root.as_deref())?;
    let lock = LockFile::read(&root)?;
    let locked = lock.plugins.get(name).ok_or_else(|| unknown(name, &root))?;
    // A relative source lies beneath the root, and joining an absolute one gives that.
    let folder = absolute(&root.join(&locked.source))?;
    let found = context::runtime()?.examine(&folder).await?;
    let differences = locked.differences(&found.plugin.manifest, &found.plugin.digest);
    if differences.is_empty() && locked.version == found.plugin.manifest.version {
        print_line!("{name} is what was granted.");
        return Ok(ExitCode::SUCCESS);
    }
    for line in &differences {
        say!("changed: {line}");
    }
    add(global, &folder, how, locked.digest.is_none()).await
}

fn remove(global: &Global, name: &str, named: Option<&Path>) -> Done {
    let root = root(named)?;
    let mut lock = LockFile::read(&root)?;
    let locked = lock
        .plugins
        .remove(name)
        .ok_or_else(|| unknown(name, &root))?;
    lock.write(&root)?;
    let folder = root.join("plugins").join(name);
    let was_taken_in = Path::new(&locked.source).is_absolute();
    if was_taken_in && folder.is_dir() {
        fs::remove_dir_all(&folder)
            .map_err(|error| Error::environment(format!("remove {}: {error}", folder.display())))?;
    }
    if global.json {
        style::print_json(&json!({ "removed": name, "files": was_taken_in }));
    } else {
        print_line!("{name} is granted nothing any more.");
    }
    Ok(ExitCode::SUCCESS)
}

fn unknown(name: &str, root: &Path) -> Error {
    Error::input(format!(
        "`{}` is not in {}",
        name.escape_debug(),
        root.join(LOCK_FILE).display()
    ))
    .hint("`duress plugin list` lists the plugins that there are")
}

fn told(global: &Global, name: &str, root: &Path) -> Done {
    let lock = root.join(LOCK_FILE);
    if global.json {
        style::print_json(&json!({ "granted": name, "lock": lock }));
    } else {
        print_line!(
            "{name} was granted this; {} says so: commit it.",
            lock.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}

/// Ask whoever sits there.
fn is_wanted() -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(
            Error::input("nobody can be asked: standard input is no terminal")
                .hint("--yes grants it without a question"),
        );
    }
    let failed = |error: std::io::Error| Error::environment(format!("ask: {error}"));
    let mut out = anstream::stderr();
    write!(out, "Grant this? [y/N] ")
        .and_then(|()| out.flush())
        .map_err(failed)?;
    let mut answer = String::new();
    std::io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(failed)?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}
