//! The judge, by tables: what a row of values comes to.

use super::files::plan;
use crate::{BaselineCheck, Event, Judge, NoData, Plan, Recovery, Sample, Summary, Verdict};

/// One look a second; `None` is a look without a value.
type Values = [Option<f64>];

const fn v(value: f64) -> Option<f64> {
    Some(value)
}

/// A plan for one metric `m`, with these lines under `expect` and `abort`.
fn of(expect: &str, abort: &str) -> Plan {
    plan(&format!(
        "experiment:\n  every: 1s\n  warm_up: 10s\n  hold: 3s\n  metrics: {{m: {{promql: m, at: 'web:1', scrape_interval: 1s}}}}\n  \
         expect: [{expect}]\n  abort: [{abort}]\n{}",
        if abort.is_empty() {
            ""
        } else {
            "  lag: accepted\n"
        }
    ))
}

fn sample(metric: &str, value: Option<f64>, at: i64) -> Sample {
    Sample {
        metric: metric.into(),
        value: value.ok_or(NoData {
            reason: "down".into(),
        }),
        sampled_at: at,
        asked_at: at,
        took_us: 0,
        query: metric.into(),
    }
}

/// A judge and the time, with a look each second.
struct Trial {
    judge: Judge,
    now: i64,
    events: Vec<Event>,
}

impl Trial {
    fn new(plan: &Plan) -> Self {
        Self {
            judge: Judge::new(plan),
            now: 0,
            events: Vec::new(),
        }
    }

    fn looks(&mut self, values: &Values) {
        for value in values {
            self.events
                .extend(self.judge.observe(&sample("m", *value, self.now), self.now));
            self.now += 1_000;
        }
    }

    fn baseline(&mut self, values: &Values) -> BaselineCheck {
        self.looks(values);
        self.judge.end_baseline(self.now)
    }

    fn fault(&mut self, values: &Values) {
        self.judge.fault_in_force(self.now);
        self.looks(values);
    }

    fn recovery(&mut self, values: &Values) -> Recovery {
        self.judge.rolled_back(self.now);
        self.looks(values);
        self.judge.judgement().recovery.expect("rolled back")
    }
}

/// The verdict on a fault that shows these values, after a sound baseline of 1.
fn verdict(expect: &str, values: &Values) -> Verdict {
    let mut trial = Trial::new(&of(expect, ""));
    assert!(trial.baseline(&[v(1.0); 5]).holds);
    trial.fault(values);
    trial.judge.judgement().hypothesis.expect("a hypothesis")
}

#[test]
fn verdicts_on_what_was_seen() {
    use Verdict::{Inconclusive, Maintained, NotObserved, Violated};
    let table: [(&str, &Values, Verdict); 16] = [
        ("m < 5", &[v(1.0), v(4.9)], Maintained),
        ("m < 5", &[v(1.0), v(5.0), v(1.0)], Violated),
        ("m < 5", &[], NotObserved),
        ("m < 5", &[None, None], NotObserved),
        ("m < 5", &[v(1.0), None], Inconclusive),
        ("m < 5", &[v(f64::NAN), v(1.0)], Inconclusive),
        ("m < 5", &[v(f64::INFINITY)], NotObserved),
        ("m < 5", &[None, v(9.0)], Violated),
        (
            "{that: m < 5, no_data: ignore}",
            &[None, v(1.0)],
            Maintained,
        ),
        ("{that: m < 5, no_data: ignore}", &[None], NotObserved),
        ("{that: m < 5, no_data: breach}", &[v(1.0), None], Violated),
        (
            "{that: m < 5, allow: 1 of 3}",
            &[v(9.0), v(1.0), v(1.0), v(9.0)],
            Maintained,
        ),
        (
            "{that: m < 5, allow: 1 of 3}",
            &[v(9.0), v(1.0), v(9.0)],
            Violated,
        ),
        (
            "{that: m < 5, allow: 1 of 3}",
            &[v(9.0), v(1.0), None],
            Inconclusive,
        ),
        (
            "{that: m < 5, allow: 1 of 3}",
            &[v(1.0), None, v(1.0)],
            Maintained,
        ),
        ("m < baseline * 3", &[v(2.9), v(3.0)], Violated),
    ];
    for (expect, values, wanted) in table {
        assert_eq!(verdict(expect, values), wanted, "{expect}: {values:?}");
    }
}

#[test]
fn one_violated_condition_violates_the_whole_and_one_unseen_leaves_it_unproven() {
    let plan =
        plan("experiment: {metrics: {m: {state: m}, n: {state: n}}, expect: [m < 5, n < 5]}");
    let judged = |m: f64| {
        let mut judge = Judge::new(&plan);
        judge.fault_in_force(0);
        judge.observe(&sample("m", Some(m), 1), 1);
        judge.observe(&sample("other", Some(m), 1), 1);
        judge.judgement().hypothesis
    };
    assert_eq!(judged(9.0), Some(Verdict::Violated));
    assert_eq!(judged(1.0), Some(Verdict::NotObserved));
}

#[test]
fn a_verdict_says_its_threshold_and_the_worst_value() {
    let mut trial = Trial::new(&of("m < baseline * 3", ""));
    trial.baseline(&[v(1.0), v(3.0), v(2.0)]);
    trial.fault(&[v(5.0), v(7.5), None, v(6.5)]);
    let judgement = trial.judge.judgement();
    let condition = &judgement.conditions[0];
    assert_eq!(condition.threshold, Some(6.0));
    assert_eq!(condition.worst, Some(7.5));
    assert_eq!(condition.first_breach_at, Some(4_000));
    let counts = condition.during;
    assert_eq!((counts.good, counts.breaches, counts.no_data), (1, 2, 1));
    let json = serde_json::to_string(&judgement).expect("JSON");
    let read: crate::Judgement = serde_json::from_str(&json).expect("a judgement");
    assert_eq!(read, judgement);
}

#[test]
fn baselines() {
    let table: [(&str, &str, &Values, Option<&str>); 12] = [
        ("m < 5", "", &[v(1.0), v(2.0)], None),
        (
            "m < 5",
            "",
            &[v(1.0), v(6.0)],
            Some("`m` was from 1 to 6 in 2 looks, with a mean of 3.5"),
        ),
        ("{that: m < 5, allow: 1 of 3}", "", &[v(6.0), v(1.0)], None),
        ("m < 5", "", &[], Some("nobody looked at the metric")),
        (
            "m < 5",
            "",
            &[None, None],
            Some("the metric had no value in 2 looks"),
        ),
        ("m < 5", "", &[None, None, v(1.0)], None),
        (
            "m < 5",
            "",
            &[v(1.0), None],
            Some("the latest look had no value"),
        ),
        ("{that: m < 5, no_data: ignore}", "", &[v(1.0), None], None),
        (
            "m < baseline * 3",
            "",
            &[v(1.0), v(1.0)],
            Some("2 values is too few"),
        ),
        (
            "m < baseline * 3",
            "",
            &[v(0.0); 4],
            Some("the mean is 0, which is itself not < 0"),
        ),
        (
            "",
            "m > 9",
            &[None],
            Some("the metric had no value in 1 look"),
        ),
        ("", "m > 9", &[v(1.0)], None),
    ];
    for (expect, abort, values, wanted) in table {
        let check = Trial::new(&of(expect, abort)).baseline(values);
        assert_eq!(check.holds, wanted.is_none(), "{expect}: {check:?}");
        let problem = check.conditions[0].problem.clone().unwrap_or_default();
        assert!(problem.contains(wanted.unwrap_or("")), "{problem}");
    }
}

#[test]
fn an_abort_needs_so_many_samples_in_a_row() {
    let decided = |abort: &str, values: &Values| {
        let mut trial = Trial::new(&of("", abort));
        trial.baseline(&[v(1.0)]);
        trial.fault(values);
        trial.judge.abort().map(|abort| {
            let breach = abort.breach().expect("a look");
            assert!(trial.events.contains(&Event::Aborted(abort.clone())));
            (
                breach.sampled_at / 1_000,
                abort.decided_at / 1_000,
                abort.looks.len(),
            )
        })
    };
    let twice = "{that: m > 5, after: 2}";
    assert_eq!(decided("m > 5", &[v(5.0), v(6.0)]), Some((2, 2, 1)));
    assert_eq!(decided(twice, &[v(6.0), v(1.0), v(6.0)]), None);
    assert_eq!(decided(twice, &[v(1.0), v(6.0), v(7.0)]), Some((2, 3, 2)));
    // A look without a value is not a good one: it breaks nothing, and counts only where the file says so.
    assert_eq!(decided(twice, &[v(6.0), None, v(6.0)]), Some((1, 3, 2)));
    assert_eq!(decided(twice, &[None, None, None]), None);
    let blind = "{that: m > 5, after: 2, no_data: breach}";
    assert_eq!(decided(blind, &[None, None]), Some((1, 2, 2)));
}

#[test]
fn an_abort_is_decided_once_and_not_after_the_rollback_began() {
    let mut trial = Trial::new(&of("m < 5", "m > 9"));
    trial.looks(&[None, v(10.0), v(11.0)]);
    let first = trial
        .judge
        .abort()
        .cloned()
        .expect("an abort of the baseline");
    assert_eq!(first.decided_at, 1_000);
    assert!(!trial.judge.end_baseline(3_000).holds);
    assert_eq!(trial.judge.abort(), Some(&first));

    let mut trial = Trial::new(&of("m < 5", "m > 9"));
    trial.baseline(&[v(1.0)]);
    trial.fault(&[v(1.0)]);
    trial.judge.rollback_began(trial.now);
    trial.looks(&[v(10.0)]);
    trial.recovery(&[v(10.0)]);
    assert_eq!(trial.judge.abort(), None);
}

#[test]
fn a_sample_belongs_to_the_time_at_which_its_value_was_so() {
    let mut trial = Trial::new(&of("m < 5", "m > 9"));
    trial.baseline(&[v(1.0), v(3.0)]);
    trial.judge.fault_in_force(5_000);
    // Scraped before the fault, seen in it: no observation of the fault.
    trial.judge.observe(&sample("m", Some(7.0), 4_000), 5_500);
    trial.judge.observe(&sample("m", Some(2.0), 5_100), 5_600);
    // A source whose clock is ahead.
    trial.judge.observe(&sample("m", Some(4.0), 99_000), 5_700);
    trial.judge.rolled_back(6_000);
    // Scraped in the fault, seen after it.
    trial.judge.observe(&sample("m", Some(3.0), 5_900), 6_100);
    let judgement = trial.judge.judgement();
    let metric = &judgement.metrics[0];
    let summary = |count, mean, min, max| Summary {
        count,
        no_data: 0,
        mean: Some(mean),
        min: Some(min),
        max: Some(max),
    };
    assert_eq!(metric.before, summary(2, 2.0, 1.0, 3.0));
    assert_eq!(metric.during, summary(3, 3.0, 2.0, 4.0));
    assert_eq!(metric.after.count, 0);
    // While the fault was being injected the condition was broken, and that was its doing.
    assert_eq!(judgement.hypothesis, Some(Verdict::Violated));
}

#[test]
fn breaches_begin_and_end_once() {
    let mut trial = Trial::new(&of("m < 5", ""));
    trial.baseline(&[v(1.0)]);
    trial.fault(&[v(6.0), v(7.0), None, v(1.0), v(2.0)]);
    let breach = Event::BreachBegan {
        condition: 0,
        value: Some(6.0),
        threshold: Some(5.0),
        at: 1_000,
    };
    let end = Event::BreachEnded {
        condition: 0,
        value: 1.0,
        at: 4_000,
    };
    assert_eq!(trial.events, [breach, end]);
}

#[test]
fn recovery_is_a_curve() {
    let recovered = |expect: &str, values: &Values| {
        let mut trial = Trial::new(&of(expect, ""));
        trial.baseline(&[v(1.0)]);
        trial.fault(&[v(9.0)]);
        let recovery = trial.recovery(values);
        assert_eq!(trial.judge.has_recovered(), recovery.held_ms.is_some());
        assert_eq!(trial.judge.recovery_deadline(), Some(62_000));
        let seconds = |ms: Option<i64>| ms.map(|ms| ms / 1_000);
        (
            seconds(recovery.first_good_ms),
            seconds(recovery.held_from_ms),
            seconds(recovery.held_ms),
        )
    };
    let (good, bad) = (v(1.0), v(9.0));
    type Times = (Option<i64>, Option<i64>, Option<i64>);
    let table: [(&str, &Values, Times); 9] = [
        ("m < 5", &[good; 4], (Some(0), Some(0), Some(3))),
        ("m < 5", &[good; 3], (Some(0), None, None)),
        (
            "m < 5",
            &[bad, good, good, bad, good, good, good, good],
            (Some(1), Some(4), Some(7)),
        ),
        (
            "m < 5",
            &[good, good, None, good, good, good, good],
            (Some(0), Some(3), Some(6)),
        ),
        (
            "{that: m < 5, no_data: ignore}",
            &[good, good, None, good],
            (Some(0), Some(0), Some(3)),
        ),
        (
            "{that: m < 5, no_data: ignore}",
            &[None; 9],
            (None, None, None),
        ),
        (
            "{that: m < 5, allow: 1 of 3}",
            &[good, bad, good, good],
            (Some(0), Some(0), Some(3)),
        ),
        (
            "{that: m < 5, allow: 1 of 3}",
            &[good, bad, bad, good, good],
            (Some(0), None, None),
        ),
        ("m < 5", &[bad; 9], (None, None, None)),
    ];
    for (expect, values, wanted) in table {
        assert_eq!(recovered(expect, values), wanted, "{expect}: {values:?}");
    }
}

#[test]
fn a_source_that_repeats_an_old_value_recovers_nothing() {
    let mut trial = Trial::new(&of("m < 5", ""));
    trial.baseline(&[v(1.0)]);
    trial.fault(&[v(9.0)]);
    trial.judge.rolled_back(trial.now);
    for second in 0..60 {
        let now = trial.now + second * 1_000;
        trial.judge.observe(&sample("m", v(1.0), trial.now), now);
    }
    let recovery = trial.judge.judgement().recovery.expect("rolled back");
    assert_eq!((recovery.first_good_ms, recovery.held_ms), (Some(0), None));
}

#[test]
fn a_source_whose_clock_is_ahead_shortens_no_hold() {
    let mut trial = Trial::new(&of("m < 5", ""));
    trial.baseline(&[v(1.0)]);
    trial.fault(&[v(9.0)]);
    trial.judge.rolled_back(trial.now);
    for ahead in [0, 60_000, 120_000] {
        let sample = sample("m", v(1.0), trial.now + ahead);
        trial.judge.observe(&sample, trial.now);
    }
    assert!(!trial.judge.has_recovered());
}

#[test]
fn every_condition_must_hold_at_once() {
    let plan = plan(
        "experiment: {hold: 3s, metrics: {m: {state: m}, n: {state: n}}, expect: [m < 5, n < 5]}",
    );
    let mut judge = Judge::new(&plan);
    judge.rolled_back(0);
    for second in 0..20 {
        let at = second * 1_000;
        // One is good from the start with a gap at 10 s; the other from 5 s on.
        let m = if second == 10 { 9.0 } else { 1.0 };
        let n = if second < 5 { 9.0 } else { 1.0 };
        judge.observe(&sample("m", Some(m), at), at);
        judge.observe(&sample("n", Some(n), at), at);
        match second {
            0..8 => assert!(!judge.has_recovered(), "{second}"),
            _ => assert!(judge.has_recovered(), "{second}"),
        }
    }
    let recovery = judge.judgement().recovery.expect("rolled back");
    assert_eq!(recovery.first_good_ms, Some(5_000));
    assert_eq!(recovery.held_from_ms, Some(5_000));
    assert_eq!(recovery.held_ms, Some(8_000));
}
