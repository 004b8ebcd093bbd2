//! `duress recover`.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::style::{print_line, say};
use super::{Done, Global, context, style};
use duress_http::Client;
use duress_journal::Recovered;
use duress_model::Error;
use duress_runner::{Machine, Remains};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Say what is left, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Remove the stacks of all dead runs on this engine, known by their labels, whatever database they are in
    #[arg(long)]
    all: bool,
}

pub(super) async fn main(global: &Global, arguments: Arguments) -> Done {
    if arguments.all {
        return all(global, arguments.dry_run).await;
    }
    let path = context::database(global)?;
    if arguments.dry_run && !path.exists() {
        if global.json {
            style::print_json(&json!({ "changes": [], "stacks": [], "campaigns": [] }));
        } else {
            print_line!("Nothing to recover: no database at {}.", path.display());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let store = context::open(global)?;
    let engine = context::engine(global).await.map_err(Error::from)?;
    let remains = Remains::find(&store, engine.as_ref()).await?;
    tell_of_frozen(store.path());
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
        // Toolboxes and the like say no more than their stacks do.
        .filter(|left| !left.database.is_empty())
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
            "  {} they may still run; otherwise: duress recover --db {}, or duress recover --all",
            style::HINT.paint("hint:"),
            style::quoted(&database)
        );
    }
    Ok(ExitCode::from(if recovered.left.is_empty() {
        0
    } else {
        1
    }))
}

/// `duress recover --all`: without a database.
async fn all(global: &Global, dry_run: bool) -> Done {
    let engine = context::engine(global).await.map_err(Error::from)?;
    let machine = Machine::this();
    let (recovered, unknown) =
        duress_runner::recover_all(engine.as_ref(), &machine, dry_run).await?;
    if global.json {
        style::print_json(&json!({
            "removed": recovered.trials, "left": recovered.left, "unknown": unknown, "dry_run": dry_run,
        }));
    } else {
        let did = if dry_run { "would remove" } else { "removed" };
        for stack in &recovered.trials {
            print_line!("{did} the stack {stack}");
        }
        if recovered.is_empty() {
            print_line!("Nothing to recover.");
        }
    }
    for left in &recovered.left {
        say!("{} {left}", style::ERROR.paint("NOT RECOVERED:"));
    }
    for stack in &unknown {
        say!(
            "{} the stack {} of the database {} is left alone: its run was started elsewhere, or by an older duress, and may live",
            style::WARN.paint("note:"),
            stack.project,
            stack.database,
        );
        say!(
            "  {} there: duress recover --db {}",
            style::HINT.paint("hint:"),
            style::quoted(&stack.database)
        );
    }
    let is_left = !recovered.left.is_empty() || (dry_run && !recovered.trials.is_empty());
    Ok(ExitCode::from(u8::from(is_left)))
}

/// A run that stands still is not dead: what it has in force is not recovered, and it does not revert it by itself.
fn tell_of_frozen(database: &Path) {
    let database = database.display().to_string();
    for running in Machine::this().running() {
        let pid = running.pid.and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.filter(|pid| is_stopped(*pid))
            && running.database == database
        {
            say!(
                "{} process {pid} stands still (SIGSTOP), and what it has in force is not recovered",
                style::WARN.paint("note:")
            );
            say!(
                "  {} let it go on: kill -CONT {pid}; or end it: kill -KILL {pid}, and recover again",
                style::HINT.paint("hint:")
            );
        }
    }
}

/// Returns whether a process was stopped by a signal (proc_pid_stat(5)).
pub(super) fn is_stopped(pid: i32) -> bool {
    procfs::process::Process::new(pid)
        .and_then(|process| process.stat())
        .is_ok_and(|stat| matches!(stat.state, 'T' | 't'))
}

/// Returns what a recovery would do. The exit code tells whether it would do anything.
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
            print_line!("would revert: {change}");
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

/// Says what a recovery did, if it did anything.
pub(super) fn tell(recovered: &Recovered) {
    for what in &recovered.reverted {
        say!("{} reverted: {what}", style::WARN.paint("recovered:"));
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
