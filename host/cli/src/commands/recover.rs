//! `duress recover`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use duress_engine::Engine;
use duress_http::Client;
use duress_model::Error;
use duress_runner::{Leftovers, Machine};
use serde_json::json;

use crate::Done;
use crate::context::Context;
use crate::process::is_stopped;
use crate::ui::print::{self, print_line, say};
use crate::ui::{format, recovered, style};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Print what is left, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Remove the stacks of all dead runs on this engine, found by their labels, whatever database they are in
    #[arg(long)]
    all: bool,
}

pub(crate) async fn main(context: &Context, arguments: Arguments) -> Done {
    if arguments.all {
        return all(context, arguments.dry_run).await;
    }
    let path = context.database()?;
    if arguments.dry_run && !path.exists() {
        if context.json {
            print::json(&json!({ "changes": [], "stacks": [], "campaigns": [] }));
        } else {
            print_line!("Nothing to recover: no database at {}.", path.display());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let store = context.store()?;
    let engine = context.engine().await.map_err(Error::from)?;
    let leftovers = Leftovers::find(&store, engine.as_ref()).await?;
    warn_of_stopped_runs(store.path());
    if arguments.dry_run {
        return Ok(show(context, &leftovers));
    }
    let done = leftovers
        .revert(&store, Arc::clone(&engine), &Client::new()?)
        .await?;
    store.close().await?;
    if context.json {
        print::json(&done);
    } else {
        recovered::print(&done);
        if done.is_empty() {
            print_line!("Nothing to recover.");
        }
    }
    note_other_databases(engine.as_ref(), store.path()).await?;
    Ok(ExitCode::from(u8::from(!done.left.is_empty())))
}

/// Tells of containers of runs that another database records.
async fn note_other_databases(engine: &dyn Engine, own: &Path) -> Result<(), Error> {
    let own = own.display().to_string();
    let left = engine.leftovers().await.map_err(Error::from)?;
    // Containers without a database, such as toolboxes, belong to a stack that has one.
    let databases = left
        .into_iter()
        .map(|left| left.database)
        .filter(|database| *database != own && !database.is_empty());
    let mut databases: Vec<_> = databases.collect();
    databases.sort();
    databases.dedup();
    for database in databases {
        say!(
            "{} there are containers of trials that another database records: {database}",
            style::WARN.paint("note:")
        );
        print::hint(format_args!(
            "they may still be running; if not: duress recover --db {}, or duress recover --all",
            format::shell_word(&database)
        ));
    }
    Ok(())
}

/// `duress recover --all`: without a database.
async fn all(context: &Context, dry_run: bool) -> Done {
    let engine = context.engine().await.map_err(Error::from)?;
    let machine = Machine::this();
    let (done, unknown) = duress_runner::recover_all(engine.as_ref(), &machine, dry_run).await?;
    if context.json {
        print::json(&json!({
            "removed": done.trials, "left": done.left, "unknown": unknown, "dry_run": dry_run,
        }));
    } else {
        let did = if dry_run { "would remove" } else { "removed" };
        for stack in &done.trials {
            print_line!("{did} the stack {stack}");
        }
        if done.is_empty() {
            print_line!("Nothing to recover.");
        }
    }
    for left in &done.left {
        say!("{} {left}", style::ERROR.paint("NOT RECOVERED:"));
    }
    for stack in &unknown {
        say!(
            "{} the stack {} of the database {} is left alone: another machine or an older duress started its run, which may be alive",
            style::WARN.paint("note:"),
            stack.project,
            stack.database,
        );
        print::hint(format_args!(
            "there: duress recover --db {}",
            stack.database
        ));
    }
    let is_left = !done.left.is_empty() || (dry_run && !done.trials.is_empty());
    Ok(ExitCode::from(u8::from(is_left)))
}

/// A stopped run is not dead, so its faults are not recovered, and it cannot revert them itself.
fn warn_of_stopped_runs(database: &Path) {
    let database = database.display().to_string();
    for running in Machine::this().running() {
        let pid = running.pid.and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.filter(|pid| is_stopped(*pid))
            && running.database == database
        {
            say!(
                "{} process {pid} is stopped (SIGSTOP); its faults are in force, and are not recovered",
                style::WARN.paint("note:"),
            );
            print::hint(format_args!(
                "continue it: kill -CONT {pid}; or end it: kill -KILL {pid}, then recover again"
            ));
        }
    }
}

/// Prints what a recovery would do. The exit code tells whether it would do anything.
fn show(context: &Context, leftovers: &Leftovers) -> ExitCode {
    let changes: Vec<_> = leftovers
        .changes
        .iter()
        .map(|change| format!("{} on {}", change.summary, change.container_name))
        .collect();
    let trials = leftovers.trials.iter().map(|trial| trial.name.clone());
    let strays = leftovers.strays.iter().map(ToString::to_string);
    let stacks: Vec<_> = trials.chain(strays).collect();
    if context.json {
        print::json(
            &json!({ "changes": changes, "stacks": stacks, "campaigns": leftovers.campaigns }),
        );
    } else {
        for change in &changes {
            print_line!("would revert: {change}");
        }
        for stack in &stacks {
            print_line!("would remove the stack of {stack}");
        }
        for campaign in &leftovers.campaigns {
            print_line!("would record as interrupted: {campaign}");
        }
        if leftovers.is_empty() {
            print_line!("Nothing to recover.");
        }
    }
    ExitCode::from(u8::from(!leftovers.is_empty()))
}
