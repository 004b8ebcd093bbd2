//! `duress recover`.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use duress::Error;
use duress::http::Client;
use duress::journal::Recovered;
use duress::runner::Remains;
use serde_json::json;

use super::style::{self, print_line, say};
use super::{Done, Global, context};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Say what is left, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn main(global: &Global, arguments: Arguments) -> Done {
    let store = context::open(global)?;
    let engine = context::engine(global).await.map_err(Error::from)?;
    let remains = Remains::find(&store, engine.as_ref()).await?;
    if arguments.dry_run {
        return Ok(show(global, &remains));
    }
    let recovered = remains
        .take_back(&store, Arc::clone(&engine), &Client::new()?)
        .await?;
    store.close().await?;
    let strangers: Vec<_> = engine
        .leftovers()
        .await
        .map_err(Error::from)?
        .into_iter()
        .filter(|left| left.database != store.path().display().to_string())
        .collect();
    if global.json {
        style::print_json(&recovered);
    } else {
        tell(&recovered);
        if recovered.is_empty() {
            print_line!("Nothing to recover.");
        }
    }
    let mut databases: Vec<_> = strangers.into_iter().map(|left| left.database).collect();
    databases.sort();
    databases.dedup();
    for database in databases {
        say!(
            "{} containers of trials in another database are there: {database}",
            style::WARN.paint("note:")
        );
        say!(
            "  {} they may still run; otherwise: duress recover --db {database}",
            style::HINT.paint("hint:")
        );
    }
    Ok(ExitCode::from(if recovered.left.is_empty() {
        0
    } else {
        1
    }))
}

/// What a recovery would do. The exit code tells whether it would do anything.
fn show(global: &Global, remains: &Remains) -> ExitCode {
    let changes: Vec<_> = remains
        .changes
        .iter()
        .map(|change| format!("{} on {}", change.summary, change.container_name))
        .collect();
    let trials = remains.trials.iter().map(|trial| trial.name.clone());
    let strays = remains.strays.iter().map(ToString::to_string);
    let stacks: Vec<_> = trials.chain(strays).collect();
    if global.json {
        style::print_json(
            &json!({ "changes": changes, "stacks": stacks, "campaigns": remains.campaigns }),
        );
    } else {
        for change in &changes {
            print_line!("would take back: {change}");
        }
        for stack in &stacks {
            print_line!("would remove the stack of {stack}");
        }
        for campaign in &remains.campaigns {
            print_line!("would record as interrupted: {campaign}");
        }
        if remains.is_empty() {
            print_line!("Nothing to recover.");
        }
    }
    ExitCode::from(u8::from(!remains.is_empty()))
}

/// Say what a recovery did, if it did anything.
pub(super) fn tell(recovered: &Recovered) {
    for what in &recovered.reverted {
        say!("{} taken back: {what}", style::WARN.paint("recovered:"));
    }
    for trial in &recovered.trials {
        say!(
            "{} {trial} was cut short, and its stack is gone",
            style::WARN.paint("recovered:")
        );
    }
    for left in &recovered.left {
        say!("{} {left}", style::ERROR.paint("NOT RECOVERED:"));
    }
}
