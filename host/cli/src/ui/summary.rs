//! The end of a run: one row for each combination, and what to type next.

use std::process::ExitCode;

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
