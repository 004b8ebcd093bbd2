//! What a campaign's trials show together: verdicts, and each metric with the tests whose unit is the trial.

use duress_experiment::Unit;
use duress_report::{Against, Combination, MetricOverTrials, Paired, SIGNIFICANCE, TrialResult};
use duress_store::TrialRow;
use duress_trial::Findings;

use super::experiment::known;
use crate::ui::print::print_line;
use crate::ui::{format, style, table};

/// Returns what the trials show together; nothing where none has an experiment.
pub(super) fn of(trials: &[TrialRow]) -> Vec<Combination> {
    // A dry run broke nothing, and another attempt counts in place of one that ran again.
    let real = trials
        .iter()
        .filter(|trial| !trial.dry_run && !trial.superseded);
    let results: Vec<_> = real.map(result).collect();
    duress_report::compare(&results)
}

fn result(trial: &TrialRow) -> TrialResult {
    let findings: Option<Findings> = known(trial.findings.as_ref());
    TrialResult {
        name: trial.name.clone(),
        subject: trial.subject.clone(),
        fault: trial.chaos.clone(),
        is_baseline: trial.spec.faults().is_empty(),
        outcome: trial.outcome,
        error: trial.error.clone(),
        plan: known(trial.experiment.as_ref()),
        judgement: findings.map(|findings| findings.judgement),
    }
}

pub(super) fn print(combinations: &[Combination]) {
    for combination in combinations {
        print_line!();
        let name = format!("{} on {}", combination.fault, combination.subject);
        print_line!(
            "{}: {} of {} with an experiment",
            style::GOOD.paint(name),
            combination.counted,
            format::count(combination.trials, "trial")
        );
        print_verdicts(combination);
        for excluded in &combination.excluded {
            print_line!("  left out: {}: {}", excluded.trial, excluded.reason);
        }
        if !combination.metrics.is_empty() {
            print_metrics(&combination.metrics);
        }
    }
    if combinations.iter().any(|one| !one.metrics.is_empty()) {
        print_line!();
        print_line!(
            "{}",
            style::FAINT.paint(format_args!(
                "p is two-sided. A difference counts as shown where p (Holm), corrected for all tests of one kind in the campaign, is at most {SIGNIFICANCE}."
            ))
        );
    }
}

fn print_verdicts(combination: &Combination) {
    let found = combination.verdicts;
    let counts = [
        (found.maintained, "maintained"),
        (found.violated, "violated"),
        (found.inconclusive, "inconclusive"),
        (found.not_observed, "not observed"),
        (found.none, "without a hypothesis"),
        (found.aborted, "of all aborted"),
    ];
    let counts = counts.iter().filter(|(count, _)| *count > 0);
    let counts: Vec<_> = counts
        .map(|(count, word)| format!("{count} {word}"))
        .collect();
    if counts.is_empty() {
        return;
    }
    let rate = found.maintained_rate.map(|rate| {
        let [low, high] = [rate.low, rate.high].map(|share| share * 100.0);
        format!("; maintained with 95 % confidence in {low:.0} % to {high:.0} % of such trials")
    });
    print_line!("  {}{}", counts.join(", "), rate.unwrap_or_default());
}

fn print_metrics(metrics: &[MetricOverTrials]) {
    let headings = [
        "metric",
        "comparison",
        "trials",
        "reference",
        "measured",
        "difference",
        "p",
        "p (Holm)",
        "smallest p",
        "conclusion",
    ];
    let mut rows = table::table(&headings, 2);
    for metric in metrics {
        if let Some(paired) = &metric.paired {
            rows.add_row(paired_row(metric, paired));
        }
        if let Some(against) = &metric.against_baseline {
            rows.add_row(against_row(metric, against));
        }
        if metric.paired.is_none() && metric.against_baseline.is_none() {
            let mut cells = vec![metric.metric.clone(), "-".to_owned(), "0".to_owned()];
            cells.extend(std::iter::repeat_n("-".to_owned(), 6));
            cells.push("no trial has values both before and during".to_owned());
            rows.add_row(cells);
        }
    }
    print_line!("{}", table::lines(&rows));
}

fn paired_row(metric: &MetricOverTrials, found: &Paired) -> Vec<String> {
    let said = match found.needs {
        Some(more) => format!("needs {}", more_trials(more, "")),
        None => shown(found.p_corrected),
    };
    row(
        metric,
        "during with before",
        found.trials.to_string(),
        (found.before, found.during),
        (found.test.p, found.p_corrected, found.test.smallest_p),
        said,
    )
}

fn against_row(metric: &MetricOverTrials, found: &Against) -> Vec<String> {
    let said = match found.needs {
        Some(more) => {
            let parts = [(more.fault, " with the fault"), (more.baseline, " without")];
            let parts = parts.iter().filter(|(count, _)| *count > 0);
            let parts: Vec<_> = parts
                .map(|(count, which)| more_trials(*count, which))
                .collect();
            format!("needs {}", parts.join(" and "))
        }
        None => shown(found.p_corrected),
    };
    row(
        metric,
        "fault with baseline trials",
        format!("{} and {}", found.test.sizes.0, found.test.sizes.1),
        (found.baseline, found.fault),
        (found.test.p, found.p_corrected, found.test.smallest_p),
        said,
    )
}

fn row(
    metric: &MetricOverTrials,
    compared: &str,
    trials: String,
    (then, with): (f64, f64),
    (p, corrected, smallest): (f64, Option<f64>, f64),
    said: String,
) -> Vec<String> {
    let unit: Unit = metric.unit;
    vec![
        metric.metric.clone(),
        compared.to_owned(),
        trials,
        unit.show(then),
        unit.show(with),
        unit.show(with - then),
        probability(p),
        corrected.map_or_else(|| "-".to_owned(), probability),
        probability(smallest),
        said,
    ]
}

fn more_trials(count: usize, which: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} more trial{plural}{which}")
}

fn shown(p: Option<f64>) -> String {
    match p.is_some_and(|p| p <= SIGNIFICANCE) {
        true => "differs".to_owned(),
        false => "no difference shown".to_owned(),
    }
}

/// A probability with three digits, never as zero.
fn probability(p: f64) -> String {
    match p {
        p if p < 0.001 => "<0.001".to_owned(),
        p => format!("{p:.3}"),
    }
}
