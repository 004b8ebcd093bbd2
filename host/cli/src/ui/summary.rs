//! The end of a run: one row for each combination, and what to type next.

use std::process::ExitCode;

use duress_model::Outcome;
use duress_runner::Tally;
use duress_store::Store;
use serde_json::json;

use super::print::{self, print_line, say};
use super::{format, style, table};
use crate::Done;
use crate::context::Context;

pub(crate) async fn print(context: &Context, store: &Store, campaign: &str, tally: Tally) -> Done {
    let rows = store.summary(campaign).await?;
    let failed: i64 = rows.iter().map(|row| row.trials - row.passed).sum();
    let exit = ExitCode::from(if failed > 0 || tally.interrupted {
        1
    } else {
        0
    });
    if context.json {
        print::json(&json!({
            "event": "summary", "campaign": campaign, "interrupted": tally.interrupted, "combinations": rows,
        }));
        return Ok(exit);
    }
    print_line!();
    print_line!("{}", combinations(&rows));
    say!();
    if tally.interrupted {
        say!(
            "Stopped before the end: {} trials have ended.",
            tally.finished
        );
    }
    print::next(format_args!("duress show {campaign}"));
    if tally.interrupted {
        say!(
            "      {}",
            style::HINT.paint(format_args!("duress resume {campaign}"))
        );
    }
    if failed > 0 {
        say!(
            "      {}",
            style::HINT.paint("duress show TRIAL --audit --log")
        );
    }
    Ok(exit)
}

/// Prints whether a fault that was injected by itself held and is gone. Who ended it early wanted it so.
pub(crate) async fn injection(context: &Context, store: &Store, campaign: &str) -> Done {
    let trials = store.trials_of_campaign(campaign, 1).await?;
    let Some(trial) = trials.into_iter().next() else {
        // It was stopped before anything was done.
        return Ok(ExitCode::SUCCESS);
    };
    let in_force = store.unsettled_changes_of_trial(&trial.id).await?;
    let well = matches!(trial.outcome, Some(Outcome::Passed | Outcome::Cancelled));
    let exit = ExitCode::from(u8::from(!well || !in_force.is_empty()));
    if context.json {
        print::json(&json!({ "event": "injection", "trial": trial, "in_force": in_force }));
        return Ok(exit);
    }
    if !in_force.is_empty() {
        print::next("duress recover");
    } else if well && !trial.dry_run {
        print_line!("{} has been reverted.", trial.chaos);
    }
    print::next(format_args!("duress show {}", trial.id));
    Ok(exit)
}

/// Returns the table of a campaign's combinations.
pub(crate) fn combinations(rows: &[duress_store::CombinationSummary]) -> String {
    let mut table = table::table(
        &[
            "subject",
            "fault",
            "trials",
            "passed",
            "failed",
            "other",
            "mean time to recover",
        ],
        2,
    );
    for row in rows {
        table.add_row([
            row.subject.clone(),
            row.chaos.clone(),
            row.trials.to_string(),
            row.passed.to_string(),
            row.failed.to_string(),
            (row.trials - row.passed - row.failed).to_string(),
            row.mean_recovery_ms
                .map_or_else(|| "-".to_owned(), |ms| format::duration(ms as i64)),
        ]);
    }
    table::lines(&table)
}
