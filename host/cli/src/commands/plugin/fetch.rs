//! `duress plugin fetch`.

use std::process::ExitCode;

use duress_model::Error;
use duress_plugin::{LOCK_FILE, LockFile, Source};
use serde_json::json;

use crate::Done;
use crate::context::Context;
use crate::plugins::Root;
use crate::plugins::brought::fetched;
use crate::plugins::unpacked::Unpacked;
use crate::ui::print::{self, print_line};

/// Another checkout of the root needs this, because components are not committed.
pub(crate) async fn main(context: &Context, root: &Root) -> Done {
    let root = root.find()?;
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
                "{source} is the plugin `{brought_name}`, but {LOCK_FILE} calls it `{name}`"
            ))
            .hint(format!("correct the name in {LOCK_FILE}")))?;
        }
        unpacked.take_in(&root)?;
        if !context.json {
            print_line!("{name}: fetched from {source}");
        }
        brought.push(name);
    }
    if context.json {
        print::json(&json!({ "fetched": brought }));
    } else if brought.is_empty() {
        print_line!("Nothing to fetch: every plugin in {LOCK_FILE} is present.");
    }
    Ok(ExitCode::SUCCESS)
}
