//! `duress db`: the database's own care.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use duress_store::damage;
use serde_json::json;

use crate::Done;
use crate::context::Context;
use crate::ui::print::{self, print_line, say};
use crate::ui::style;

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Copy the database into a new file while campaigns go on
    Backup {
        /// The new file
        file: PathBuf,
    },
    /// Look for damage in the whole database
    Check,
    /// Put a backup in the place of the database, and keep what was there under another name
    Restore {
        /// The backup
        backup: PathBuf,
    },
    /// Make a sound database of all that can still be read of a damaged one, which is kept under another name
    Salvage,
}

pub(crate) async fn main(context: &Context, verb: Verb) -> Done {
    match verb {
        Verb::Backup { file } => {
            let store = context.existing_store()?;
            store.back_up(&file).await?;
            if context.json {
                print::json(&json!({ "backup": file }));
            } else {
                print_line!("{} is a copy of {}", file.display(), store.path().display());
            }
            Ok(ExitCode::SUCCESS)
        }
        Verb::Check => check(context),
        Verb::Restore { backup } => restore(context, &backup),
        Verb::Salvage => salvage(context),
    }
}

fn restore(context: &Context, backup: &Path) -> Done {
    let database = context.database()?;
    let kept = damage::restore(database, backup)?;
    if context.json {
        print::json(&json!({ "database": database, "kept": kept }));
    } else {
        print_line!("{} is what {} was.", database.display(), backup.display());
        tell_kept(kept.as_deref());
    }
    Ok(ExitCode::SUCCESS)
}

/// Exits code 1 where something was lost.
fn salvage(context: &Context) -> Done {
    let database = context.database()?;
    let salvaged = damage::salvage(database)?;
    let whole = salvaged.tables.iter().all(|(_, _, whole)| *whole);
    if context.json {
        print::json(&salvaged);
    } else {
        for (table, rows, whole) in &salvaged.tables {
            let lost = if *whole {
                ""
            } else {
                ", and others could not be read"
            };
            print_line!("{table}: {rows} rows{lost}");
        }
        tell_kept(salvaged.kept.as_deref());
    }
    Ok(ExitCode::from(u8::from(!whole)))
}

fn tell_kept(kept: Option<&Path>) {
    if let Some(kept) = kept {
        say!("What was there is kept as {}", kept.display());
    }
    print::next("duress recover --dry-run; duress recover --all --dry-run");
}

fn check(context: &Context) -> Done {
    let database = context.database()?;
    let found = damage::check(database)?;
    if context.json {
        print::json(&json!({ "database": database, "damage": found }));
    } else if found.is_empty() {
        print_line!("{} is sound.", database.display());
    }
    for line in found.iter().filter(|_| !context.json) {
        print_line!("{} {line}", style::ERROR.paint("damage:"));
    }
    Ok(ExitCode::from(u8::from(!found.is_empty())))
}
