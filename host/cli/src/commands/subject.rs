//! `duress subject`.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use crate::Done;
use crate::context::Context;
use crate::ui::print::{self, print_line, say};
use crate::ui::{style, table};

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// List the subjects that can be found from here
    List,
}

pub(crate) async fn main(context: &Context, verb: Verb) -> Done {
    let Verb::List = verb;
    let catalog = context.catalog(None)?;
    let mut rows = table::table(&["subject", "summary", "plugin", "faults"], 3);
    let mut all = Vec::new();
    let mut exit = ExitCode::SUCCESS;
    for entry in catalog.subjects() {
        match catalog.subject(&entry.name).await {
            Ok(subject) => {
                let manifest = &subject.manifest;
                let faults: Vec<_> = subject
                    .plugin
                    .faults
                    .iter()
                    .map(|fault| fault.name.as_str())
                    .collect();
                all.push(json!({
                    "name": manifest.name, "summary": manifest.summary, "plugin": manifest.plugin(),
                    "directory": subject.directory, "faults": faults,
                }));
                rows.add_row([
                    manifest.name.clone(),
                    manifest.summary.clone(),
                    manifest.plugin().to_owned(),
                    faults.len().to_string(),
                ]);
            }
            Err(error) => {
                // One damaged subject hides no other.
                say!(
                    "{} subject `{}`: {error}",
                    style::WARN.paint("warning:"),
                    entry.name
                );
                for hint in error.hints() {
                    print::hint(hint);
                }
                exit = ExitCode::from(2);
            }
        }
    }
    if context.json {
        print::json(&all);
    } else if catalog.subjects().is_empty() {
        say!(
            "No subjects: no folder `subjects` at or above the working directory holds a `subject.yaml`."
        );
        print::hint(format_args!(
            "change to a folder that has one, or name it in {}",
            duress_plugin::PATH_VARIABLE
        ));
    } else {
        print_line!("{}", table::lines(&rows));
    }
    Ok(exit)
}
