//! Every sample of a trial, a line each.

use duress_experiment::Unit;
use duress_store::SampleRow;

use super::since;
use crate::ui::print::print_line;
use crate::ui::table;

/// Prints samples in the order of their own times.
pub(super) fn print(began_at: i64, samples: &[SampleRow], unit_of: &dyn Fn(&str) -> Unit) {
    if samples.is_empty() {
        return;
    }
    print_line!();
    let mut sorted: Vec<_> = samples.iter().collect();
    sorted.sort_by_key(|sample| sample.sampled_at);
    let mut rows = table::table(&["sampled", "metric", "phase", "value"], 4);
    for sample in sorted {
        let value = match (sample.value, &sample.reason) {
            (Some(value), _) => unit_of(&sample.metric).show(value),
            (None, Some(reason)) => format!("no data: {reason}"),
            (None, None) => "no data".to_owned(),
        };
        rows.add_row([
            since(began_at, sample.sampled_at),
            sample.metric.clone(),
            sample.phase.clone(),
            value,
        ]);
    }
    print_line!("{}", table::lines(&rows));
}
