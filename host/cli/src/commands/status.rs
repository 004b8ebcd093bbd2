//! `duress status`.

use std::process::ExitCode;

use duress_model::text::tame;
use duress_runner::is_dead;
use duress_store::ChangeRow;
use serde_json::json;

use crate::Done;
use crate::context::Context;
use crate::ui::print::{self, print_line};
use crate::ui::{format, table};

/// The most characters of a change's summary in the table.
const SUMMARY: usize = 80;

pub(crate) async fn main(context: &Context) -> Done {
    let path = context.database()?;
    if !path.exists() {
        if context.json {
            print::json(&json!({ "changes": [] }));
        } else {
            print_line!("No fault is in force: no database at {}.", path.display());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let store = context.existing_store()?;
    let mut changes = store.unsettled_changes().await?;
    changes.reverse();
    let is_dead = is_dead(&store);
    let left: Vec<bool> = changes
        .iter()
        .map(|change| is_dead(&change.host_id))
        .collect();
    let mut trials = Vec::new();
    for change in &changes {
        trials.push(store.trial(&change.trial_id).await?.name);
    }
    store.close().await?;
    if context.json {
        let rows = changes.iter().zip(&left).zip(&trials);
        let rows = rows.map(|((change, left), trial)| {
            json!({ "change": change, "trial": trial, "run_is_dead": left })
        });
        print::json(&json!({ "changes": rows.collect::<Vec<_>>() }));
    } else {
        show(&changes, &left, &trials);
    }
    // What a dead run left stays until it is recovered.
    let is_left = left.contains(&true);
    if is_left && !context.json {
        print::next("duress recover");
    }
    Ok(ExitCode::from(u8::from(is_left)))
}

fn show(changes: &[ChangeRow], left: &[bool], trials: &[String]) {
    if changes.is_empty() {
        print_line!("No fault is in force.");
        return;
    }
    let mut table = table::table(&["container", "change", "status", "since", "trial"], 5);
    for ((change, left), trial) in changes.iter().zip(left).zip(trials) {
        let status = match left {
            true => format!("{}, its run is dead", change.status),
            false => change.status.to_string(),
        };
        table.add_row([
            change.container_name.clone(),
            tame(&change.summary, SUMMARY),
            status,
            format::time(change.created_at),
            trial.clone(),
        ]);
    }
    print_line!("{}", table::lines(&table));
}
