//! `duress plugin add`, `update`, `fetch`, `remove`: what a root's plugins are granted, and whence they come.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;
use tempfile::TempDir;

use super::super::style::{print_line, say};
use super::super::{Done, Global, context, style};
use super::place::{Unpacked, remove_files};
use super::{How, absolute, root, show};
use duress_model::{Error, Result};
use duress_plugin::{
    BuiltIn, Fetched, LOCK_FILE, LockFile, Locked, Runtime, Source, is_plugin_name,
};

/// A plugin that lies somewhere, and what holds it there.
pub(super) struct Brought {
    pub(super) folder: PathBuf,
    /// As the lock says it.
    source: String,
    /// It must be copied beneath the root.
    is_elsewhere: bool,
    /// What was fetched is here until it has been taken in.
    _folder: Option<TempDir>,
}

pub(super) async fn add(global: &Global, source: &str, how: &How, built_here: bool) -> Done {
    let root = root(how.root.as_deref())?;
    let brought = bring(&source.parse()?, &root).await?;
    grant(global, &root, &brought, how.yes, built_here).await
}

/// From wherever it is to a folder of this machine.
pub(super) async fn bring(source: &Source, root: &Path) -> Result<Brought> {
    if let Source::Path(folder) = source
        && !folder.is_file()
    {
        let folder = absolute(folder).map_err(|error| {
            error.hint("it is a folder with a plugin.yaml, a component's file, a URL, or oci://HOST/NAME:TAG")
        })?;
        let inside = folder.strip_prefix(root).ok();
        return Ok(Brought {
            source: match inside {
                // The root itself, for a plugin in the same folder as its subjects.
                Some(inside) if inside.as_os_str().is_empty() => ".".to_owned(),
                Some(inside) => inside.display().to_string(),
                None => folder.display().to_string(),
            },
            is_elsewhere: inside.is_none(),
            folder,
            _folder: None,
        });
    }
    let source = match source {
        Source::Path(file) => &Source::Path(absolute(file)?),
        elsewhere => elsewhere,
    };
    let fetched = fetched(source, None).await?;
    let folder = tempfile::tempdir()
        .map_err(|error| Error::environment(format!("make a folder for {source}: {error}")))?;
    Unpacked::from(fetched)?.write_to(folder.path())?;
    Ok(Brought {
        folder: folder.path().to_owned(),
        source: source.to_string(),
        is_elsewhere: true,
        _folder: Some(folder),
    })
}

/// A plugin that belongs to the program, as if it lay in a folder.
pub(super) fn unpack_built_in(built_in: BuiltIn) -> Result<Brought> {
    let name = built_in.name();
    let failed = |error: std::io::Error| {
        Error::environment(format!("unpack the built-in plugin `{name}`: {error}"))
    };
    let folder = tempfile::tempdir().map_err(failed)?;
    let fetched = Fetched {
        manifest: built_in.manifest_text().to_owned(),
        component: built_in.component()?.to_owned(),
    };
    Unpacked::from(fetched)?.write_to(folder.path())?;
    std::fs::write(
        folder.path().join("conformance.yaml"),
        built_in.conformance_text(),
    )
    .map_err(failed)?;
    Ok(Brought {
        folder: folder.path().to_owned(),
        source: name.to_owned(),
        is_elsewhere: true,
        _folder: Some(folder),
    })
}

async fn fetched(source: &Source, digest: Option<&str>) -> Result<Fetched> {
    let kept = Runtime::fetched_directory();
    let fetched = source.fetch(digest, kept.as_deref()).await?;
    fetched.ok_or_else(|| Error::input(format!("{source} is a folder, and not to be fetched")))
}

/// Shows the requested permissions, asks, and records the answer.
async fn grant(
    global: &Global,
    root: &Path,
    brought: &Brought,
    yes: bool,
    built_here: bool,
) -> Done {
    let found = context::runtime()?.examine(&brought.folder).await?;
    if !global.json {
        show(&found);
    }
    if !yes && !is_wanted("Grant this?")? {
        say!("Nothing was granted.");
        return Ok(ExitCode::from(1));
    }
    if brought.is_elsewhere {
        // What lies there may be another by now: what was looked at is what is taken in.
        let unpacked = Unpacked::read(&brought.folder)?;
        unpacked.must_be(&found.plugin.digest, &found.plugin.manifest)?;
        unpacked.take_in(root)?;
    }
    let manifest = &found.plugin.manifest;
    let mut lock = LockFile::read(root)?;
    let locked = Locked {
        version: manifest.version.clone(),
        source: brought.source.clone(),
        digest: (!built_here).then(|| found.plugin.digest.clone()),
        settings: (!built_here).then(|| Locked::settings_of(manifest)),
        grants: manifest.requests.clone(),
    };
    lock.plugins.insert(manifest.name.clone(), locked);
    lock.write(root)?;
    told(global, &manifest.name, root)
}

pub(super) async fn update(global: &Global, name: &str, how: &How) -> Done {
    let root = root(how.root.as_deref())?;
    let lock = LockFile::read(&root)?;
    let locked = lock.plugins.get(name).ok_or_else(|| unknown(name, &root))?;
    let source = match locked.source.parse()? {
        // A relative source lies beneath the root, and joining an absolute one gives that.
        Source::Path(path) => Source::Path(root.join(path)),
        elsewhere => elsewhere,
    };
    let brought = bring(&source, &root).await?;
    let found = context::runtime()?.examine(&brought.folder).await?;
    let manifest = &found.plugin.manifest;
    if manifest.name != name {
        return Err(Error::input(format!(
            "{source} is now the plugin `{}`, and was `{name}`",
            manifest.name
        ))
        .hint(format!(
            "add it by its new name: duress plugin add {source}; and remove the old: duress plugin remove {name}"
        ))
        .into());
    }
    let differences = locked.differences(manifest, &found.plugin.digest);
    if differences.is_empty() && locked.version == manifest.version {
        print_line!("{name} is what was granted.");
        return Ok(ExitCode::SUCCESS);
    }
    for line in &differences {
        say!("changed: {line}");
    }
    grant(global, &root, &brought, how.yes, locked.digest.is_none()).await
}

/// Returns what another checkout of the root needs: components are not committed.
pub(super) async fn fetch(global: &Global, named: Option<&Path>) -> Done {
    let root = root(named)?;
    let lock = LockFile::read(&root)?;
    let mut brought = Vec::new();
    for (name, locked) in &lock.plugins {
        let source: Source = locked.source.parse()?;
        let (Some(digest), false) = (&locked.digest, matches!(source, Source::Path(_))) else {
            continue;
        };
        let folder = root.join("plugins").join(name);
        if locked.is_in(&folder) {
            continue;
        }
        let fetched = fetched(&source, Some(digest)).await?;
        let unpacked = Unpacked::from(fetched)?;
        let brought_name = &unpacked.manifest().name;
        if brought_name != name {
            return Err(Error::input(format!(
                "{source} is the plugin `{brought_name}`; {LOCK_FILE} has it as `{name}`"
            ))
            .hint("name it rightly there"))?;
        }
        unpacked.take_in(&root)?;
        if !global.json {
            print_line!("{name}: fetched from {source}");
        }
        brought.push(name);
    }
    if global.json {
        style::print_json(&json!({ "fetched": brought }));
    } else if brought.is_empty() {
        print_line!("Every plugin that {LOCK_FILE} has from elsewhere is there.");
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn remove(global: &Global, name: &str, how: &How) -> Done {
    let root = root(how.root.as_deref())?;
    let mut lock = LockFile::read(&root)?;
    let locked = lock
        .plugins
        .remove(name)
        .filter(|_| is_plugin_name(name))
        .ok_or_else(|| unknown(name, &root))?;
    let was_taken_in = match locked.source.parse()? {
        Source::Path(path) => path.is_absolute(),
        Source::Url(_) | Source::Registry(_) => true,
    };
    if was_taken_in && !how.yes && std::io::stdin().is_terminal() {
        let question = format!("Remove plugins/{name} too?");
        if !is_wanted(&question)? {
            say!("Nothing was removed.");
            return Ok(ExitCode::from(1));
        }
    }
    lock.write(&root)?;
    if was_taken_in {
        remove_files(&root, name)?;
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

/// Asks the user at the terminal.
fn is_wanted(question: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(
            Error::input("nobody can be asked: standard input is not a terminal")
                .hint("--yes grants it without a question"),
        );
    }
    let answer = style::ask(&format!("{question} [y/N]"))
        .map_err(|error| Error::environment(format!("ask: {error}")))?;
    Ok(matches!(answer.as_str(), "y" | "yes"))
}
