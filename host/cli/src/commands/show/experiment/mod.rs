//! A trial's experiment: its verdicts, its metrics before, during and after the fault, its workload, and every sample of it.

mod samples;
mod verdicts;
mod workload;

use duress_experiment::{Plan, Unit};
use duress_model::Result;
use duress_report::{CONFIDENCE, Difference, Look, MetricReport};
use duress_store::{SampleRow, SecondRow, Store, TrialRow};
use duress_trial::Findings;
use serde_json::{Value, json};

use crate::ui::print::print_line;
use crate::ui::{style, table};

/// What is known of a trial's experiment.
pub(super) struct Experiment {
    /// How it is measured; absent without an experiment, and where another version described it.
    plan: Option<Plan>,
    /// What it showed; absent until its end.
    findings: Option<Findings>,
    metrics: Vec<MetricReport>,
    /// Every sample and every second of the workload, where they are wanted.
    rows: Option<(Vec<SampleRow>, Vec<SecondRow>)>,
}

/// Returns a stored value, unless another version of duress described it.
pub(super) fn known<T: serde::de::DeserializeOwned>(stored: Option<&Value>) -> Option<T> {
    serde_json::from_value(stored?.clone()).ok()
}

impl Experiment {
    pub(super) async fn of(store: &Store, trial: &TrialRow, with_rows: bool) -> Result<Self> {
        let plan: Option<Plan> = known(trial.experiment.as_ref());
        let findings: Option<Findings> = known(trial.findings.as_ref());
        let samples = store.samples(&trial.id).await?;
        let metrics = match (&plan, &findings) {
            (Some(plan), Some(findings)) => {
                let looks: Vec<_> = samples.iter().map(look).collect();
                duress_report::metrics(plan, &findings.judgement, &looks)
            }
            _ => Vec::new(),
        };
        let rows = match with_rows {
            true => Some((samples, store.seconds(&trial.id).await?)),
            false => None,
        };
        Ok(Self {
            plan,
            findings,
            metrics,
            rows,
        })
    }

    /// Adds to a trial's JSON what is known.
    pub(super) fn add_to(&self, trial: &TrialRow, value: &mut Value) {
        value["experiment"] = json!(trial.experiment);
        value["findings"] = json!(trial.findings);
        value["metrics"] = json!(self.metrics);
        if let Some((samples, seconds)) = &self.rows {
            value["samples"] = json!(samples);
            value["seconds"] = json!(seconds);
        }
    }

    pub(super) fn print(&self, trial: &TrialRow) {
        if trial.experiment.is_none() {
            return;
        }
        print_line!();
        match (&self.plan, &self.findings) {
            (Some(plan), Some(findings)) => {
                verdicts::print(plan, findings);
                print_metrics(&self.metrics);
                if let Some(report) = &findings.workload {
                    workload::print(report);
                }
            }
            _ if trial.ended_at.is_none() => print_line!("experiment: not judged before its end"),
            _ if trial.findings.is_none() => {
                print_line!("experiment: not judged, because the trial did not end in its host");
            }
            _ => print_line!("experiment: another version of duress described it; --json shows it"),
        }
        if let Some((samples, seconds)) = &self.rows {
            let unit_of = |metric: &str| {
                let metric = self.plan.as_ref().and_then(|plan| plan.metric(metric));
                metric.map(|metric| metric.unit).unwrap_or_default()
            };
            samples::print(trial.started_at, samples, &unit_of);
            workload::print_seconds(trial.started_at, seconds);
        }
    }
}

fn look(row: &SampleRow) -> Look<'_> {
    let took = i64::try_from(row.took_us / 1_000).unwrap_or(i64::MAX);
    Look {
        metric: &row.metric,
        value: row.value,
        sampled_at: row.sampled_at,
        seen_at: row.asked_at.saturating_add(took),
    }
}

/// A value that may be absent.
pub(super) fn value(unit: Unit, value: Option<f64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| unit.show(value))
}

/// A time since the start of a trial.
fn since(began_at: i64, at: i64) -> String {
    format!("{:+.3} s", at.saturating_sub(began_at) as f64 / 1_000.0)
}

fn print_metrics(metrics: &[MetricReport]) {
    if metrics.is_empty() {
        return;
    }
    print_line!();
    let headings = ["metric", "when", "values", "no data", "mean", "min", "max"];
    let mut rows = table::table(&headings, 2);
    for metric in metrics {
        let parts = [
            ("before", metric.before),
            ("during", metric.during),
            ("after", metric.after),
        ];
        for (when, part) in parts {
            rows.add_row([
                metric.metric.clone(),
                when.to_owned(),
                part.count.to_string(),
                part.no_data.to_string(),
                value(metric.unit, part.mean),
                value(metric.unit, part.min),
                value(metric.unit, part.max),
            ]);
        }
    }
    print_line!("{}", table::lines(&rows));
    print_line!();
    let interval = format!("{:.0} % interval", CONFIDENCE * 100.0);
    let headings = [
        "metric",
        "during - before",
        &interval,
        "Cliff's delta",
        "values",
    ];
    let mut rows = table::table(&headings, 1);
    for metric in metrics {
        let [difference, interval, delta, values] = moved(metric);
        rows.add_row([metric.metric.clone(), difference, interval, delta, values]);
    }
    print_line!("{}", table::lines(&rows));
    print_line!(
        "{}",
        style::FAINT.paint("Samples of one trial depend on one another, so they have no p-value.")
    );
}

/// How a metric moved, in cells.
fn moved(metric: &MetricReport) -> [String; 4] {
    let Some(found) = metric.difference else {
        let values = format!(
            "{} before, {} during",
            metric.before.count, metric.during.count
        );
        return ["-".to_owned(), "-".to_owned(), "-".to_owned(), values];
    };
    let Difference { before, during, .. } = found;
    let show = |value: f64| metric.unit.show(value);
    let interval = match found.interval {
        Some(one) => format!("{} to {}", show(one.low), show(one.high)),
        None => "too few values".to_owned(),
    };
    let magnitude = format!("{:?}", found.magnitude).to_lowercase();
    [
        show(found.difference),
        interval,
        format!("{:+.2} ({magnitude})", found.cliffs_delta),
        format!("{before} before, {during} during"),
    ]
}
