//! Reports of fixed rows, measured by a real judge.

use duress_experiment::{
    Condition, Expectation, Judge, Judgement, Metric, NoData, Operator, Plan, Sample, Source,
    Threshold, Unit, Verdict,
};
use duress_model::Outcome;

use super::*;

fn plan() -> Plan {
    Plan {
        load: None,
        every_ms: 10,
        warm_up_ms: 100,
        recover_within_ms: 1_000,
        hold_ms: 10,
        metrics: vec![Metric {
            name: "m".to_owned(),
            source: Source::State {
                field: "m".to_owned(),
            },
            unit: Unit::Number,
            timeout_ms: 10,
        }],
        expect: vec![Expectation {
            condition: Condition {
                text: "m < 100".to_owned(),
                metric: "m".to_owned(),
                operator: Operator::Less,
                threshold: Threshold::Fixed(100.0),
            },
            allow: None,
            no_data: Default::default(),
        }],
        abort: Vec::new(),
        on_abort: Default::default(),
        lag_accepted: false,
    }
}

fn sample(at: i64, value: Option<f64>) -> Sample {
    Sample {
        metric: "m".to_owned(),
        value: value.ok_or_else(|| NoData {
            reason: "nothing there".to_owned(),
        }),
        sampled_at: at,
        asked_at: at,
        took_us: 0,
        query: "m".to_owned(),
    }
}

/// Judges a trial whose baseline ends at 100, whose fault is in force from 110 to 200, and whose rollback is done at 210.
fn judge(samples: &[(i64, i64, Option<f64>)]) -> Judgement {
    let mut judge = Judge::new(&plan());
    let mut marks = vec![(100, 0), (110, 1), (200, 2), (210, 3)];
    let mut pass = |judge: &mut Judge, until: i64| {
        while let Some((at, mark)) = marks.first().copied().filter(|(at, _)| *at <= until) {
            marks.remove(0);
            match mark {
                0 => drop(judge.end_baseline(at)),
                1 => judge.fault_in_force(at),
                2 => judge.rollback_began(at),
                _ => judge.rolled_back(at),
            }
        }
    };
    for (at, seen_at, value) in samples {
        pass(&mut judge, *seen_at);
        judge.observe(&sample(*at, *value), *seen_at);
    }
    pass(&mut judge, i64::MAX);
    judge.judgement()
}

fn looks(samples: &[(i64, i64, Option<f64>)]) -> Vec<Look<'static>> {
    let looks = samples.iter().map(|(sampled_at, seen_at, value)| Look {
        metric: "m",
        value: *value,
        sampled_at: *sampled_at,
        seen_at: *seen_at,
    });
    looks.collect()
}

/// A trial with these values before and during the fault.
fn measured(before: &[f64], during: &[f64]) -> Judgement {
    let before = (0..).step_by(10).zip(before);
    let during = (110..).step_by(10).zip(during);
    let samples: Vec<_> = before
        .chain(during)
        .map(|(at, value)| (at, at, Some(*value)))
        .collect();
    judge(&samples)
}

fn trial(name: &str, fault: &str, before: f64, during: f64) -> TrialResult {
    TrialResult {
        name: name.to_owned(),
        subject: "etcd".to_owned(),
        fault: fault.to_owned(),
        is_baseline: fault == "baseline",
        outcome: Some(Outcome::Passed),
        error: None,
        plan: Some(plan()),
        judgement: Some(measured(&[before], &[during])),
    }
}

fn trials(fault: &str, count: usize) -> Vec<TrialResult> {
    // Each differs a little, so that no two are tied.
    let during = |number: usize| {
        let base = if fault == "baseline" { 1.0 } else { 5.0 };
        base + f64::from(u8::try_from(number).unwrap()) / 100.0
    };
    (0..count)
        .map(|number| trial(&format!("{fault}-{number}"), fault, 1.0, during(number)))
        .collect()
}

#[test]
fn a_difference_uses_the_values_that_the_judge_counted() {
    let rows = [
        (0, 0, None),
        (10, 10, Some(1.0)),
        (20, 20, Some(3.0)),
        // Known only after the baseline was closed.
        (90, 105, Some(50.0)),
        // While the fault was being injected.
        (105, 105, Some(60.0)),
        (115, 120, Some(7.0)),
        // Its clock is ahead of ours.
        (900, 130, Some(9.0)),
        (140, 140, Some(f64::NAN)),
        (205, 205, Some(70.0)),
        (220, 220, Some(2.0)),
    ];
    let judgement = judge(&rows);
    let reports = metrics(&plan(), &judgement, &looks(&rows));
    let [report] = reports.as_slice() else {
        panic!("{reports:?}");
    };
    assert_eq!((report.before.count, report.before.no_data), (2, 1));
    assert_eq!((report.during.count, report.during.no_data), (2, 1));
    assert_eq!((report.after.count, report.after.mean), (1, Some(2.0)));
    let difference = report.difference.unwrap();
    assert_eq!((difference.before, difference.during), (2, 2));
    assert_eq!(difference.difference, 6.0);
    assert_eq!(difference.cliffs_delta, 1.0);
    assert_eq!(difference.interval, None, "two values have no interval");
}

#[test]
fn an_interval_surrounds_the_difference() {
    let before = [1.0, 2.0, 1.5, 1.0, 2.5, 1.0];
    let during = [4.0, 5.0, 4.5, 6.0];
    let samples: Vec<_> = (0..)
        .step_by(10)
        .zip(before)
        .chain((110..).step_by(10).zip(during))
        .map(|(at, value)| (at, at, Some(value)))
        .collect();
    let report = metrics(&plan(), &judge(&samples), &looks(&samples)).remove(0);
    let difference = report.difference.unwrap();
    let interval = difference.interval.unwrap();
    assert!(interval.low < difference.difference && difference.difference < interval.high);
    assert!(interval.low > 0.0, "{interval:?}");
}

#[test]
fn a_metric_without_values_during_the_fault_has_no_difference() {
    let rows = [(10, 10, Some(1.0)), (120, 120, None)];
    let report = metrics(&plan(), &judge(&rows), &looks(&rows)).remove(0);
    assert_eq!((report.during.count, report.during.no_data), (0, 1));
    assert_eq!(report.difference, None);
}

#[test]
fn too_few_pairs_say_how_many_more_it_takes() {
    let few = compare(&trials("pause", 4)).remove(0);
    let paired = few.metrics[0].paired.as_ref().unwrap();
    assert_eq!((paired.trials, paired.test.smallest_p), (4, 0.125));
    assert_eq!(paired.needs, Some(2));

    let enough = compare(&trials("pause", 6)).remove(0);
    let paired = enough.metrics[0].paired.as_ref().unwrap();
    assert_eq!((paired.test.p, paired.needs), (0.03125, None));
    assert_eq!(paired.before, 1.0);
    assert!((paired.during - 5.025).abs() < 1e-9);
    assert_eq!(enough.metrics[0].against_baseline, None);
}

#[test]
fn a_fault_is_compared_with_trials_without_one_of_the_same_subject() {
    let mut all = trials("pause", 3);
    all.extend(trials("baseline", 3));
    let mut other = trial("other", "baseline", 1.0, 90.0);
    other.subject = "redis".to_owned();
    all.push(other);
    let found = compare(&all);
    let names: Vec<_> = found
        .iter()
        .map(|one| (one.subject.as_str(), one.fault.as_str()))
        .collect();
    assert_eq!(
        names,
        [
            ("etcd", "pause"),
            ("etcd", "baseline"),
            ("redis", "baseline")
        ]
    );
    let against = found[0].metrics[0].against_baseline.as_ref().unwrap();
    assert_eq!((against.test.sizes, against.cliffs_delta), ((3, 3), 1.0));
    assert!((against.test.smallest_p - 0.1).abs() < 1e-12);
    // 4 against 3 can reach 2/35 = 0.057, and 4 against 4 can reach 0.029.
    assert_eq!(
        against.needs,
        Some(MoreTrials {
            fault: 1,
            baseline: 1
        })
    );
    assert_eq!(found[1].metrics[0].against_baseline, None);
}

#[test]
fn trials_that_prove_nothing_are_left_out_with_their_reasons() {
    let mut all = trials("pause", 7);
    all[0].outcome = Some(Outcome::Invalid);
    all[0].error = Some("nothing was observed\nsecond line".to_owned());
    all[1].outcome = None;
    all[2].judgement = None;
    all[2].outcome = Some(Outcome::Aborted);
    all[3].outcome = Some(Outcome::Disturbed);
    // A trial that failed or was ended for safety counts.
    all[4].outcome = Some(Outcome::Aborted);
    all[5].judgement = Some(measured(&[1.0], &[200.0]));
    all[5].outcome = Some(Outcome::Failed);
    let found = compare(&all).remove(0);
    assert_eq!((found.trials, found.counted), (7, 3));
    let reasons: Vec<_> = found
        .excluded
        .iter()
        .map(|one| one.reason.as_str())
        .collect();
    assert_eq!(
        reasons,
        [
            "invalid: nothing was observed",
            "it has not ended",
            "its measurements were not judged",
            "disturbed"
        ]
    );
    assert_eq!((found.verdicts.maintained, found.verdicts.violated), (2, 1));
    assert!(found.verdicts.maintained_rate.unwrap().low < 2.0 / 3.0);
    assert_eq!(
        all[5].judgement.as_ref().unwrap().hypothesis,
        Some(Verdict::Violated)
    );
}

#[test]
fn p_values_are_corrected_for_the_number_of_tests() {
    let mut all = trials("pause", 6);
    all.extend(trials("kill", 6));
    for one in compare(&all) {
        let paired = one.metrics[0].paired.as_ref().unwrap();
        assert_eq!((paired.test.p, paired.p_corrected), (0.03125, Some(0.0625)));
    }
}

#[test]
fn a_campaign_without_an_experiment_has_no_comparison() {
    let mut one = trial("t", "pause", 1.0, 2.0);
    one.plan = None;
    assert_eq!(compare(&[one]), []);
    assert_eq!(compare(&[]), []);
}
