//! A trial with all that is known of it.

use duress_model::Result;
use duress_store::{ChangeRow, PhaseRow, Store, TrialRow};
use serde_json::{Value, json};

use super::experiment::Experiment;
use super::{Arguments, audit};
use crate::context::Context;
use crate::ui::print::{self, print_line};
use crate::ui::{format, style, table};

pub(super) async fn show(
    context: &Context,
    store: &Store,
    trial: &TrialRow,
    arguments: &Arguments,
) -> Result<()> {
    let phases = store.phases(&trial.id).await?;
    let changes = store.changes_of_trial(&trial.id).await?;
    let (audit, left_out) = arguments.filter.calls(store, &trial.id).await?;
    let log = if arguments.log {
        Some(store.log(&trial.id).await?)
    } else {
        None
    };
    let experiment = Experiment::of(store, trial, arguments.metrics).await?;
    if context.json {
        let mut value = json!({
            "trial": trial, "phases": phases, "changes": changes, "audit": audit, "log": log,
        });
        experiment.add_to(trial, &mut value);
        print::json(&value);
        return Ok(());
    }
    headline(trial);
    circumstances(trial);
    print_phases(&phases);
    print_changes(&changes, arguments.filter.audit);
    if let Some(metadata) = &trial.metadata {
        print_line!();
        print_line!("{} {metadata}", style::FAINT.paint("metadata:"));
    }
    state(trial);
    experiment.print(trial);
    audit::print(
        audit.as_deref().unwrap_or_default(),
        left_out,
        &arguments.filter,
    );
    for line in log.iter().flatten() {
        print_line!(
            "{} {:<5} {}: {}",
            format::time(line.at),
            line.level,
            line.source,
            line.message
        );
    }
    Ok(())
}

/// What ran, when, and what became of it.
fn headline(trial: &TrialRow) {
    print_line!("{}  {}", style::GOOD.paint(&trial.name), trial.id);
    print_line!("of {}", trial.campaign_id);
    print_line!(
        "started {}, {}, seed {}",
        format::time(trial.started_at),
        format::trial_outcome(trial),
        trial.seed
    );
    if let Some(error) = &trial.error {
        print_line!("{} {error}", style::ERROR.paint("error:"));
        for hint in &trial.hints {
            print_line!("  {} {hint}", style::HINT.paint("hint:"));
        }
    }
    let faults = trial.spec.faults();
    for fault in faults {
        let mut when = String::new();
        if fault.at_ms > 0 {
            when.push_str(&format!(" after {}", format::duration(signed(fault.at_ms))));
        }
        if let Some(hold) = fault.hold_ms {
            when.push_str(&format!(" for {}", format::duration(signed(hold))));
        }
        print_line!(
            "fault {}{when}, parameters {}",
            fault.name,
            Value::Object(fault.parameters.clone()),
        );
    }
    if !faults.is_empty() {
        let word = match trial.dry_run {
            true => "would change",
            false => "changed",
        };
        let targets = match format::names(&trial.targets) {
            none if none == "-" => "nothing".to_owned(),
            names => names,
        };
        print_line!("{word} {targets}");
    }
}

/// Returns a time of a campaign as the times of the store are.
fn signed(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}

fn print_phases(phases: &[PhaseRow]) {
    if phases.is_empty() {
        return;
    }
    print_line!();
    let mut rows = table::table(&["phase", "outcome", "took"], 2);
    for phase in phases {
        let took = format::duration(phase.ended_at - phase.began_at);
        rows.add_row([phase.phase.as_str(), phase.outcome.as_str(), &took]);
    }
    print_line!("{}", table::lines(&rows));
}

/// The first change first, with its actions where they are wanted.
fn print_changes(changes: &[ChangeRow], with_actions: bool) {
    if changes.is_empty() {
        return;
    }
    print_line!();
    let mut rows = table::table(&["change", "container", "status"], 3);
    for change in changes.iter().rev() {
        let (summary, name) = (change.summary.as_str(), change.container_name.as_str());
        rows.add_row([summary, name, change.status.as_str()]);
    }
    print_line!("{}", table::lines(&rows));
    for change in changes.iter().rev().filter(|_| with_actions) {
        audit::print_actions(change);
    }
}

/// How the subject came through, and what a reader must know to judge it.
fn circumstances(trial: &TrialRow) {
    let found = &trial.circumstances;
    if trial.dry_run {
        print_line!("dry run: nothing was changed");
    }
    match trial.recovery_ms {
        Some(ms) => print_line!(
            "healthy again {} after the last fault was gone",
            format::duration(ms)
        ),
        None if found.stayed_healthy == Some(true) => print_line!("stayed healthy"),
        None => {}
    }
    for (waited, what) in [
        (found.engine_wait_ms, "engine"),
        (found.database_wait_ms, "database"),
    ] {
        if waited > 0 {
            let waited = format::duration(waited);
            print_line!("waited {waited} for the {what} meanwhile, which does not count");
        }
    }
    for what in &found.disturbances {
        print_line!("{} {what}", style::WARN.paint("disturbed:"));
    }
    for what in &found.reverted_by_host {
        print_line!("reverted by the host, because its own cleanup did not: {what}");
    }
    if let Some(pressure) = &found.pressure {
        let word = match pressure.is_overload() {
            true => "this machine was OVERLOADED: work waited for",
            false => "work of this machine waited for",
        };
        print_line!("{word} {pressure} of the time");
    }
}

/// The subject's own numbers before and after; the whole state is in the JSON.
fn state(trial: &TrialRow) {
    let of = |state: &Option<Value>| -> Vec<Value> {
        let metrics = state
            .as_ref()
            .and_then(|state| state.get("metrics")?.as_array().cloned());
        metrics.unwrap_or_default()
    };
    let (before, after) = (of(&trial.state_before), of(&trial.state_after));
    if before.is_empty() {
        return;
    }
    let mut rows = table::table(&["metric", "before", "after"], 1);
    for metric in &before {
        let now = after.iter().find(|other| other["name"] == metric["name"]);
        rows.add_row([
            metric["name"].as_str().unwrap_or("?").to_owned(),
            metric["value"].to_string(),
            now.map_or_else(|| "-".to_owned(), |metric| metric["value"].to_string()),
        ]);
    }
    print_line!();
    print_line!("{}", table::lines(&rows));
}
