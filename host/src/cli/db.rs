//! `duress db`: the database's own care.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Subcommand;
use duress::store::Store;
use serde_json::json;

use super::style::{self, print_line};
use super::{Done, Global, context};

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// Copy the database into a new file while campaigns go on
    Backup {
        /// The new file
        file: PathBuf,
    },
    /// Look for damage in the whole database
    Check,
}

pub(super) async fn main(global: &Global, verb: Verb) -> Done {
    let store = context::open_existing(global)?;
    match verb {
        Verb::Backup { file } => {
            store.back_up(&file).await?;
            if global.json {
                style::print_json(&json!({ "backup": file }));
            } else {
                print_line!("{} is a copy of {}", file.display(), store.path().display());
            }
            Ok(ExitCode::SUCCESS)
        }
        Verb::Check => check(global, &store).await,
    }
}

async fn check(global: &Global, store: &Store) -> Done {
    let found = store.check().await?;
    if global.json {
        style::print_json(&json!({ "database": store.path(), "damage": found }));
    } else if found.is_empty() {
        print_line!("{} is sound.", store.path().display());
    }
    for line in found.iter().filter(|_| !global.json) {
        print_line!("{} {line}", style::ERROR.paint("damage:"));
    }
    Ok(ExitCode::from(u8::from(!found.is_empty())))
}
