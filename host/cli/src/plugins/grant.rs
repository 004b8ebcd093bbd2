//! The permissions that a plugin requests, the question, and the answer in `duress.lock`.

use std::path::Path;
use std::process::ExitCode;

use duress_model::Error;
use duress_plugin::{LOCK_FILE, LockFile, Locked, Plugin};
use serde_json::json;

use super::brought::Brought;
use super::unpacked::Unpacked;
use crate::Done;
use crate::context::Context;
use crate::ui::print::{self, print_line, say};
use crate::ui::{confirm, style};

/// Shows the requested permissions, asks, and records the answer.
pub(crate) async fn grant(
    context: &Context,
    root: &Path,
    brought: &Brought,
    yes: bool,
    built_here: bool,
) -> Done {
    let found = context.runtime()?.examine(&brought.folder).await?;
    if !context.json {
        show(&found);
    }
    if !yes && !confirm::is_wanted("Grant this?", "--yes grants without asking")? {
        say!("Nothing was granted.");
        return Ok(ExitCode::from(1));
    }
    if brought.is_elsewhere {
        // What lies there may be another by now: what was looked at is what is taken in.
        let unpacked = Unpacked::read(&brought.folder)?;
        unpacked.must_be(&found.digest, &found.manifest)?;
        unpacked.take_in(root)?;
    }
    let manifest = &found.manifest;
    let mut lock = LockFile::read(root)?;
    let locked = Locked {
        version: manifest.version.clone(),
        source: brought.source.clone(),
        digest: (!built_here).then(|| found.digest.clone()),
        settings: (!built_here).then(|| Locked::settings_of(manifest)),
        grants: manifest.permissions.clone(),
    };
    lock.plugins.insert(manifest.name.clone(), locked);
    lock.write(root)?;
    told(context, &manifest.name, root)
}

/// What it is, and what it asks for.
pub(crate) fn show(found: &Plugin) {
    let manifest = &found.manifest;
    print_line!(
        "{} {} ({}): {}",
        style::GOOD.paint(&manifest.name),
        manifest.version,
        manifest.license,
        manifest.summary
    );
    print_line!("{}", found.digest);
    let words = manifest.permissions.in_words();
    if words.is_empty() {
        print_line!("It requests no permissions; it may look at its own trial's containers.");
        return;
    }
    print_line!("Requested permissions:");
    for line in words {
        print_line!("  - {line}");
    }
    print_line!("It may do nothing else on this machine or to other trials.");
}

pub(crate) fn unknown(name: &str, root: &Path) -> Error {
    Error::input(format!(
        "`{}` is not in {}",
        name.escape_debug(),
        root.join(LOCK_FILE).display()
    ))
    .hint("list the plugins: duress plugin list")
}

fn told(context: &Context, name: &str, root: &Path) -> Done {
    let lock = root.join(LOCK_FILE);
    if context.json {
        print::json(&json!({ "granted": name, "lock": lock }));
    } else {
        print_line!(
            "Granted {name} these permissions in {}; commit that file.",
            lock.display()
        );
    }
    Ok(ExitCode::SUCCESS)
}
