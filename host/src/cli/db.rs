//! `duress db`: the database's own care.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::style::{print_line, say};
use super::{Done, Global, context, style};
use duress_store::damage;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
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

pub(super) async fn main(global: &Global, verb: Verb) -> Done {
    match verb {
        Verb::Backup { file } => {
            let store = context::open_existing(global)?;
            store.back_up(&file).await?;
            if global.json {
                style::print_json(&json!({ "backup": file }));
            } else {
                print_line!("{} is a copy of {}", file.display(), store.path().display());
            }
            Ok(ExitCode::SUCCESS)
        }
        Verb::Check => check(global),
        Verb::Restore { backup } => restore(global, &backup),
        Verb::Salvage => salvage(global),
    }
}

fn restore(global: &Global, backup: &Path) -> Done {
    let database = context::database(global)?;
    let kept = damage::restore(&database, backup)?;
    if global.json {
        style::print_json(&json!({ "database": database, "kept": kept }));
    } else {
        print_line!("{} is what {} was.", database.display(), backup.display());
        tell_kept(kept.as_deref());
    }
    Ok(ExitCode::SUCCESS)
}

/// Exits code 1 where something was lost.
fn salvage(global: &Global) -> Done {
    let database = context::database(global)?;
    let salvaged = damage::salvage(&database)?;
    let whole = salvaged.tables.iter().all(|(_, _, whole)| *whole);
    if global.json {
        style::print_json(&salvaged);
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
    say!(
        "Next: {}",
        style::HINT.paint("duress recover --dry-run; duress recover --all --dry-run")
    );
}

fn check(global: &Global) -> Done {
    let database = context::database(global)?;
    let found = damage::check(&database)?;
    if global.json {
        style::print_json(&json!({ "database": database, "damage": found }));
    } else if found.is_empty() {
        print_line!("{} is sound.", database.display());
    }
    for line in found.iter().filter(|_| !global.json) {
        print_line!("{} {line}", style::ERROR.paint("damage:"));
    }
    Ok(ExitCode::from(u8::from(!found.is_empty())))
}
