//! `duress plugin remove`.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Args;
use duress_plugin::{LockFile, Source, is_plugin_name};
use serde_json::json;

use crate::Done;
use crate::context::Context;
use crate::plugins::Change;
use crate::plugins::grant::unknown;
use crate::plugins::unpacked::remove_files;
use crate::ui::confirm;
use crate::ui::print::{self, print_line, say};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Plugin name
    name: String,
    #[command(flatten)]
    change: Change,
}

pub(crate) fn main(context: &Context, arguments: &Arguments) -> Done {
    let Arguments { name, change } = arguments;
    let root = change.root.find()?;
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
    if was_taken_in && !change.yes && std::io::stdin().is_terminal() {
        let question = format!("Remove plugins/{name} too?");
        if !confirm::is_wanted(&question, "--yes removes without asking")? {
            say!("Nothing was removed.");
            return Ok(ExitCode::from(1));
        }
    }
    lock.write(&root)?;
    if was_taken_in {
        remove_files(&root, name)?;
    }
    if context.json {
        print::json(&json!({ "removed": name, "files": was_taken_in }));
    } else {
        print_line!("Withdrew the permissions of {name}.");
    }
    Ok(ExitCode::SUCCESS)
}
