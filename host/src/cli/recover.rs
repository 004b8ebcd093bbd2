//! `duress recover`.

use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use duress::http::Client;
use duress::journal::Recovered;
use duress::{Error, runner};

use super::style::{self, print_line, say};
use super::{Done, Global, context};

#[derive(Debug, Args)]
pub(super) struct Arguments {}

pub(super) async fn main(global: &Global, _: Arguments) -> Done {
    let store = context::open(global)?;
    let engine = context::engine(global).await.map_err(Error::from)?;
    let recovered =
        runner::recover_dead_hosts(&store, Arc::clone(&engine), &Client::new()?).await?;
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

/// Say what a recovery did, if it did anything.
pub(super) fn tell(recovered: &Recovered) {
    for what in &recovered.reverted {
        say!("{} taken back: {what}", style::WARN.paint("recovered:"));
    }
    for trial in &recovered.trials {
        say!(
            "{} the stack of {trial} was removed",
            style::WARN.paint("recovered:")
        );
    }
    for left in &recovered.left {
        say!("{} {left}", style::ERROR.paint("NOT RECOVERED:"));
    }
}
