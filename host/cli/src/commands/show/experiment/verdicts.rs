//! Verdicts, the recovery, the abort, and what a second look at the past said.

use duress_experiment::{ExpectNoData, Judgement, Plan, Recovery, Unit, Verdict};
use duress_trial::{AbortTimes, Findings, Reread};

use super::value;
use crate::ui::print::print_line;
use crate::ui::{format, style, table};

pub(super) fn print(plan: &Plan, findings: &Findings) {
    let judgement = &findings.judgement;
    match judgement.hypothesis {
        Some(verdict) => print_line!("hypothesis: {}", painted(verdict)),
        None if plan.expect.is_empty() => print_line!("hypothesis: none, so nothing was judged"),
        None => print_line!("hypothesis: not judged"),
    }
    print_conditions(plan, judgement);
    print_baseline(judgement);
    if let Some(recovery) = &judgement.recovery
        && !plan.expect.is_empty()
    {
        print_recovery(plan, recovery);
    }
    if let Some(abort) = &findings.abort {
        print_abort(plan, findings, abort);
    }
    if let Some(reread) = &findings.reread {
        print_reread(reread);
    }
}

/// A verdict in words.
pub(in crate::commands::show) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Maintained => "maintained",
        Verdict::Violated => "violated",
        Verdict::Inconclusive => "inconclusive",
        Verdict::NotObserved => "not observed",
    }
}

fn painted(verdict: Verdict) -> String {
    let paint = match verdict {
        Verdict::Maintained => style::GOOD,
        Verdict::Violated => style::ERROR,
        Verdict::Inconclusive | Verdict::NotObserved => style::WARN,
    };
    paint.paint(word(verdict))
}

fn print_conditions(plan: &Plan, judgement: &Judgement) {
    if judgement.conditions.is_empty() {
        return;
    }
    print_line!();
    let headings = [
        "condition",
        "verdict",
        "threshold",
        "looks",
        "breaches",
        "no data",
        "worst",
    ];
    let mut rows = table::table(&headings, 2);
    for (index, found) in judgement.conditions.iter().enumerate() {
        let expectation = plan.expect.get(index);
        let metric = expectation.and_then(|one| plan.metric(&one.condition.metric));
        let unit = metric.map_or(Unit::Number, |metric| metric.unit);
        let counts = found.during;
        // A missing value that counts as a breach is one look, and not two.
        let is_breach = expectation.is_some_and(|one| one.no_data == ExpectNoData::Breach);
        let unseen = if is_breach { 0 } else { counts.no_data };
        let condition = match found.allow {
            Some(allow) => format!(
                "{}, {} of {} may breach it",
                found.condition, allow.breaches, allow.of
            ),
            None => found.condition.clone(),
        };
        rows.add_row([
            condition,
            word(found.verdict).to_owned(),
            value(unit, found.threshold),
            (counts.good + counts.breaches + unseen).to_string(),
            counts.breaches.to_string(),
            counts.no_data.to_string(),
            value(unit, found.worst),
        ]);
    }
    print_line!("{}", table::lines(&rows));
}

fn print_baseline(judgement: &Judgement) {
    let Some(check) = &judgement.baseline else {
        print_line!("baseline: not finished");
        return;
    };
    for condition in &check.conditions {
        if let Some(problem) = &condition.problem {
            let name = &condition.condition;
            print_line!("{} {name}: {problem}", style::ERROR.paint("baseline:"));
        }
    }
}

fn print_recovery(plan: &Plan, recovery: &Recovery) {
    let hold = i64::try_from(plan.hold_ms).unwrap_or(i64::MAX);
    let hold = format::duration(hold);
    match (
        recovery.first_good_ms,
        recovery.held_from_ms,
        recovery.held_ms,
    ) {
        (Some(first), Some(from), Some(sure)) => print_line!(
            "recovery: after the rollback every condition held first at {}, without a break from {}, and for {hold} at {}",
            format::duration(first),
            format::duration(from),
            format::duration(sure)
        ),
        (Some(first), ..) => print_line!(
            "recovery: every condition held first {} after the rollback, but never for {hold}",
            format::duration(first)
        ),
        (None, ..) => {
            print_line!(
                "recovery: the conditions were never seen to hold together after the rollback"
            );
        }
    }
}

fn print_abort(plan: &Plan, findings: &Findings, abort: &AbortTimes) {
    let decision = findings.judgement.abort.as_ref();
    let rule = decision.and_then(|decision| plan.abort.get(decision.rule));
    let metric = rule.and_then(|rule| plan.metric(&rule.condition.metric));
    let unit = metric.map_or(Unit::Number, |metric| metric.unit);
    let looks = decision.map_or(&[][..], |decision| &decision.looks);
    let looks = looks.iter().map(|look| match &look.value {
        Ok(found) => unit.show(*found),
        Err(why) => format!("no data ({why})"),
    });
    let looks = looks.collect::<Vec<_>>();
    print_line!();
    print_line!(
        "{} {} was met by {} ({})",
        style::ERROR.paint("abort:"),
        abort.condition,
        format::count(looks.len(), "look"),
        looks.join(", ")
    );
    let mut rows = table::table(&["since the breach", "time"], 1);
    let steps = [
        ("seen", Some(abort.seen_at)),
        ("decided", Some(abort.decided_at)),
        ("first revert began", abort.rollback_began_at),
        ("first fault gone", abort.first_gone_at),
        ("last fault gone", abort.last_gone_at),
    ];
    for (step, at) in steps {
        let at = at.map(|at| format::duration(at.saturating_sub(abort.breached_at)));
        rows.add_row([step.to_owned(), at.unwrap_or_else(|| "-".to_owned())]);
    }
    print_line!("{}", table::lines(&rows));
    let bounds = &findings.bounds;
    if let Some(bound) = bounds.iter().find(|one| one.condition == abort.condition) {
        print_line!("the first revert was to begin within {bound}");
    }
}

fn print_reread(reread: &Reread) {
    let verdict = reread.hypothesis.map_or("not judged", word);
    print_line!("read again from Prometheus: {verdict}");
    for line in &reread.differences {
        print_line!("  {} {line}", style::WARN.paint("differs:"));
    }
    for line in &reread.problems {
        print_line!("  could not be read again: {line}");
    }
}
