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
    /// Copy the database into a new file, also while campaigns run
    Backup {
        /// New file
        file: PathBuf,
    },
    /// Check the whole database for damage
    Check,
    /// Replace the database with a backup, and keep the old one under another name
    Restore {
        /// Backup file
        backup: PathBuf,
    },
    /// Copy what can still be read of a damaged database into a new one, and keep the old one under another name
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
                print_line!("Copied {} to {}.", store.path().display(), file.display());
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
        print_line!("Restored {} from {}.", database.display(), backup.display());
        tell_kept(kept.as_deref());
    }
    Ok(ExitCode::SUCCESS)
}

/// The exit code is 1 if something was lost.
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
                ", others could not be read"
            };
            print_line!("{table}: {rows} rows{lost}");
        }
        tell_kept(salvaged.kept.as_deref());
    }
    Ok(ExitCode::from(u8::from(!whole)))
}

fn tell_kept(kept: Option<&Path>) {
    if let Some(kept) = kept {
        say!("The old database is kept as {}.", kept.display());
    }
    print::next("duress recover --dry-run; duress recover --all --dry-run");
}

fn check(context: &Context) -> Done {
    let database = context.database()?;
    let found = damage::check(database)?;
    if context.json {
        print::json(&json!({ "database": database, "damage": found }));
    } else if found.is_empty() {
        print_line!("No damage found in {}.", database.display());
    }
    for line in found.iter().filter(|_| !context.json) {
        print_line!("{} {line}", style::ERROR.paint("damage:"));
    }
    Ok(ExitCode::from(u8::from(!found.is_empty())))
}
