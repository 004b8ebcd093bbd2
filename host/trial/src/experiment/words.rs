//! What an experiment shows, in lines for people.

use duress_experiment::{BaselineCheck, Event, Judgement, Plan, Sample, Unit, Verdict};

use super::Findings;

/// Returns a value in its metric's unit.
pub(super) fn value(value: f64, unit: Unit) -> String {
    let short = |number: f64| {
        let text = format!("{number:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match unit {
        Unit::Number => short(value),
        Unit::Seconds if value.abs() < 1.0 => format!("{} ms", short(value * 1_000.0)),
        Unit::Milliseconds => format!("{} ms", short(value)),
        Unit::Percent => format!("{} %", short(value)),
        Unit::Seconds => format!("{} s", short(value)),
        Unit::Bytes => format!("{} MiB", short(value / f64::from(1 << 20))),
        Unit::Share => format!("{} %", short(value * 100.0)),
        Unit::PerSecond => format!("{}/s", short(value)),
    }
}

fn unit_of(plan: &Plan, metric: &str) -> Unit {
    plan.metric(metric).map_or(Unit::Number, |one| one.unit)
}

/// Returns what is told of something that a sample showed.
pub(super) fn event(plan: &Plan, event: &Event) -> Option<String> {
    let of = |condition: usize| {
        let condition = &plan.expect.get(condition)?.condition;
        Some((condition.text.as_str(), unit_of(plan, &condition.metric)))
    };
    match event {
        Event::BreachBegan {
            condition,
            value: found,
            ..
        } => {
            let (text, unit) = of(*condition)?;
            Some(match found {
                Some(found) => format!("breach: {text} is {}", value(*found, unit)),
                None => format!("breach: {text} has no data"),
            })
        }
        Event::BreachEnded {
            condition,
            value: found,
            ..
        } => {
            let (text, unit) = of(*condition)?;
            Some(format!("holds again: {text} is {}", value(*found, unit)))
        }
        Event::Aborted(decision) => {
            let rule = plan.abort.get(decision.rule)?;
            let unit = unit_of(plan, &rule.condition.metric);
            let looks = decision.looks.iter().map(|look| match &look.value {
                Ok(found) => value(*found, unit),
                Err(why) => format!("no data ({why})"),
            });
            let looks: Vec<_> = looks.collect();
            Some(format!(
                "ABORT: {} was met by {}: everything is rolled back now",
                decision.condition,
                looks.join(", ")
            ))
        }
        Event::FirstGood { .. } => Some("every condition holds again".to_owned()),
        Event::Held { .. } => Some("every condition has held for long enough".to_owned()),
    }
}

/// Returns why a baseline does not hold.
pub(super) fn baseline(plan: &Plan, check: &BaselineCheck, samples: &[Sample]) -> String {
    let expected = plan.expect.iter().map(|one| &one.condition);
    let metrics = expected.chain(plan.abort.iter().map(|rule| &rule.condition));
    let problems = check.conditions.iter().zip(metrics);
    let problems = problems.filter_map(|(checked, condition)| {
        let problem = checked.problem.as_ref()?;
        let why = latest_reason(samples, &condition.metric).filter(|_| checked.values.count == 0);
        let why = why.map_or_else(String::new, |why| format!(" ({why})"));
        Some(format!("{}: {problem}{why}", checked.condition))
    });
    problems.collect::<Vec<_>>().join("; ")
}

/// Returns why the latest look at a metric that had no value had none.
fn latest_reason<'a>(samples: &'a [Sample], metric: &str) -> Option<&'a str> {
    let mut latest = samples.iter().rev().filter(|one| one.metric == metric);
    latest.find_map(|sample| Some(sample.value.as_ref().err()?.reason.as_str()))
}

/// Returns which metrics have data, and how long each abort may take: what a dry run is for.
pub(super) fn dry_run(plan: &Plan, samples: &[Sample]) -> Vec<String> {
    let mut lines = Vec::new();
    for metric in &plan.metrics {
        let name = &metric.name;
        let looks: Vec<_> = samples.iter().filter(|one| one.metric == *name).collect();
        let values = looks.iter().filter_map(|look| look.value.as_ref().ok());
        let values: Vec<f64> = values.copied().collect();
        lines.push(match (looks.len(), values.last()) {
            (0, _) => format!("metric {name}: was not looked at"),
            (all, Some(last)) => format!(
                "metric {name}: {} of {all} looks had a value, lastly {}",
                values.len(),
                value(*last, metric.unit)
            ),
            (all, None) => format!(
                "metric {name}: no data in {all} looks: {}",
                latest_reason(samples, name).unwrap_or("no reason is known")
            ),
        });
    }
    for bound in plan.abort_bounds() {
        let terms = bound.terms.iter();
        let terms: Vec<_> = terms
            .map(|term| format!("{} {}", term.name, seconds(term.ms)))
            .collect();
        lines.push(format!(
            "abort {}: at most {} from the breach to the first revert ({}); two evaluation intervals are {}",
            bound.condition,
            seconds(bound.total_ms),
            terms.join(" + "),
            seconds(bound.limit_ms)
        ));
    }
    lines
}

/// Returns a time in seconds.
fn seconds(ms: u64) -> String {
    value(ms as f64 / 1_000.0, Unit::Seconds)
}

/// Returns what is known of a recovery that did not hold.
pub(super) fn recovery(judgement: &Judgement) -> String {
    let first = judgement
        .recovery
        .as_ref()
        .and_then(|recovery| recovery.first_good_ms);
    match first {
        Some(ms) => format!(
            "every condition held for the first time after {:.1} s, and not for long enough",
            ms as f64 / 1_000.0
        ),
        None => "they never held all at once".to_owned(),
    }
}

/// Returns the verdict on the hypothesis with its conditions.
pub(super) fn hypothesis(judgement: &Judgement) -> String {
    let Some(verdict) = judgement.hypothesis else {
        return String::new();
    };
    let wanted = judgement
        .conditions
        .iter()
        .filter(|condition| condition.verdict == verdict);
    let conditions = wanted.map(|condition| {
        let looks = condition.during.good + condition.during.breaches;
        match verdict {
            Verdict::Violated => format!(
                "{} ({} of {looks} looks breached it)",
                condition.condition, condition.during.breaches
            ),
            Verdict::NotObserved => {
                format!(
                    "{} (not one value while the fault was in force)",
                    condition.condition
                )
            }
            Verdict::Inconclusive => format!(
                "{} ({} looks had no value)",
                condition.condition, condition.during.no_data
            ),
            Verdict::Maintained => condition.condition.clone(),
        }
    });
    let conditions = conditions.collect::<Vec<_>>().join("; ");
    let word = match verdict {
        Verdict::Maintained => "the hypothesis was maintained",
        Verdict::Violated => "the hypothesis was violated",
        Verdict::Inconclusive => "the hypothesis is undecided",
        Verdict::NotObserved => "the hypothesis was not observed",
    };
    format!("{word}: {conditions}")
}

/// Returns each condition whose verdict differs between two judgements.
pub(super) fn differences(first: &Judgement, again: &Judgement) -> Vec<String> {
    let pairs = first.conditions.iter().zip(&again.conditions);
    pairs
        .filter(|(one, other)| one.verdict != other.verdict)
        .map(|(one, other)| {
            format!(
                "{}: {} as it was seen, {} as it was read again",
                one.condition,
                word(one.verdict),
                word(other.verdict)
            )
        })
        .collect()
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Maintained => "maintained",
        Verdict::Violated => "violated",
        Verdict::Inconclusive => "undecided",
        Verdict::NotObserved => "not observed",
    }
}

/// Returns what is told at the end of a trial.
pub(super) fn findings(findings: &Findings) -> Vec<String> {
    let mut lines = Vec::new();
    if findings.judgement.hypothesis == Some(Verdict::Maintained) {
        lines.push(hypothesis(&findings.judgement));
    }
    if let Some(workload) = &findings.workload {
        lines.extend(workload.shortfall.clone());
    }
    if let Some(abort) = &findings.abort {
        let since = |at: Option<i64>| {
            at.map_or_else(
                || "?".to_owned(),
                |at| format!("{} ms", at - abort.breached_at),
            )
        };
        lines.push(format!(
            "abort: after the breach, seen {}, decided {}, rollback began {}, last fault gone {}",
            since(Some(abort.seen_at)),
            since(Some(abort.decided_at)),
            since(abort.rollback_began_at),
            since(abort.last_gone_at),
        ));
    }
    if let Some(reread) = &findings.reread {
        lines.extend(
            reread
                .differences
                .iter()
                .map(|line| format!("read again: {line}")),
        );
    }
    lines
}
