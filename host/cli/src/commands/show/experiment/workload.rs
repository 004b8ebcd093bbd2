//! What the workload's clients saw, by phase and by second.

use duress_store::SecondRow;
use serde_json::Value;

use super::since;
use crate::ui::print::print_line;
use crate::ui::table;

/// The latencies of a table, as their columns.
const LATENCIES: [&str; 4] = ["p50", "p90", "p99", "max"];

pub(super) fn print(report: &duress_workload::Report) {
    print_line!();
    print_line!(
        "workload: {:.1}/s begun of {:.1}/s asked for",
        report.reached,
        report.rate
    );
    if let Some(shortfall) = &report.shortfall {
        print_line!("  {shortfall}");
    }
    if let Some(late) = &report.late {
        print_line!(
            "  begun after they were due by this machine: p99 {}, at most {}",
            micros(late.p99_us),
            micros(late.max_us)
        );
    }
    let mut headings = vec![
        "phase",
        "took",
        "due",
        "succeeded",
        "failed",
        "per second",
        "error rate",
    ];
    headings.extend(LATENCIES);
    headings.push("errors");
    let mut rows = table::table(&headings, 1);
    for phase in &report.phases {
        let failed: u64 = phase.errors.values().sum();
        let mut cells = vec![
            phase.name.clone(),
            format!("{:.1} s", phase.seconds),
            phase.started.to_string(),
            phase.completed.to_string(),
            failed.to_string(),
            format!("{:.1}", phase.throughput),
            phase
                .error_rate
                .map_or_else(|| "-".to_owned(), |rate| format!("{:.2} %", rate * 100.0)),
        ];
        let latency = phase
            .latency
            .map(|found| [found.p50_us, found.p90_us, found.p99_us, found.max_us].map(micros));
        cells.extend(latency.unwrap_or_else(|| std::array::from_fn(|_| "-".to_owned())));
        let errors = phase.errors.iter();
        let errors: Vec<_> = errors
            .map(|(kind, count)| format!("{kind} {count}"))
            .collect();
        cells.push(match errors.is_empty() {
            true => "-".to_owned(),
            false => errors.join(", "),
        });
        rows.add_row(cells);
    }
    print_line!("{}", table::lines(&rows));
    for error in &report.errors {
        print_line!("  {} {}: {}", error.count, error.kind, error.example);
    }
}

/// Prints each second.
pub(super) fn print_seconds(began_at: i64, seconds: &[SecondRow]) {
    if seconds.is_empty() {
        return;
    }
    print_line!();
    let mut headings = vec!["second", "phase", "due", "succeeded", "in flight"];
    headings.extend(LATENCIES);
    headings.extend(["late", "errors"]);
    let mut rows = table::table(&headings, 2);
    for second in seconds {
        let mut cells = vec![
            since(began_at, second.at),
            second.phase.clone(),
            second.started.to_string(),
            second.completed.to_string(),
            second.in_flight.to_string(),
        ];
        cells.extend(LATENCIES.map(|name| {
            let latency = second.latency.as_ref();
            let value = latency.and_then(|latency| latency[format!("{name}_us")].as_u64());
            value.map_or_else(|| "-".to_owned(), micros)
        }));
        cells.push(micros(second.late_us));
        cells.push(errors(&second.errors));
        rows.add_row(cells);
    }
    print_line!("{}", table::lines(&rows));
}

/// Errors by kind in one cell.
fn errors(errors: &Value) -> String {
    let kinds = errors.as_object().filter(|kinds| !kinds.is_empty());
    kinds.map_or_else(
        || "-".to_owned(),
        |kinds| {
            let kinds = kinds.iter().map(|(kind, count)| format!("{kind} {count}"));
            kinds.collect::<Vec<_>>().join(", ")
        },
    )
}

/// A latency: `850 us`, `12.3 ms`, `1.50 s`.
fn micros(us: u64) -> String {
    match us {
        0..=999 => format!("{us} us"),
        1_000..=999_999 => format!("{:.1} ms", us as f64 / 1_000.0),
        _ => format!("{:.2} s", us as f64 / 1_000_000.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_have_the_unit_that_suits_them() {
        let texts = [0, 999, 1_000, 999_999, 1_500_000].map(micros);
        assert_eq!(texts, ["0 us", "999 us", "1.0 ms", "1000.0 ms", "1.50 s"]);
    }

    #[test]
    fn errors_of_a_second_are_counted_by_kind() {
        assert_eq!(errors(&serde_json::json!({})), "-");
        assert_eq!(errors(&Value::Null), "-");
        let some = serde_json::json!({ "refused": 2, "timeout": 3 });
        assert_eq!(errors(&some), "refused 2, timeout 3");
    }
}
