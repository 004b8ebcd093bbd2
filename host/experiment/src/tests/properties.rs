//! What holds of the judge for any samples.

use proptest::prelude::*;

use super::files::{FULL, known, plan};
use crate::{Judge, NoData, Plan, Sample, Verdict, check};

/// Below 5 is good, above it is a breach.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Look {
    Good,
    Breach,
    Missing,
    NotANumber,
}

fn looks() -> impl Strategy<Value = Vec<Look>> {
    let look = prop_oneof![
        6 => Just(Look::Good),
        2 => Just(Look::Breach),
        1 => Just(Look::Missing),
        1 => Just(Look::NotANumber),
    ];
    prop::collection::vec(look, 0..40)
}

fn sample(look: Look, at: i64) -> Sample {
    Sample {
        metric: "m".into(),
        value: match look {
            Look::Good => Ok(1.0),
            Look::Breach => Ok(9.0),
            Look::NotANumber => Ok(f64::NAN),
            Look::Missing => Err(NoData {
                reason: "down".into(),
            }),
        },
        sampled_at: at,
        asked_at: at,
        took_us: 0,
        query: String::new(),
    }
}

fn judge(expect: &str, abort: &str) -> Judge {
    Judge::new(&plan(&format!(
        "experiment: {{hold: 3s, metrics: {{m: {{state: m}}}}, expect: [{expect}], abort: [{abort}], lag: accepted}}"
    )))
}

/// More than so many of the looks in any window of so many fit.
fn exceeded(looks: &[Look], fits: impl Fn(Look) -> bool, allowed: usize, of: usize) -> bool {
    (0..looks.len()).any(|end| {
        let start = (end + 1).saturating_sub(of);
        let window = &looks[start..=end];
        window.iter().filter(|look| fits(**look)).count() > allowed
    })
}

proptest! {
    #[test]
    fn a_verdict_is_what_every_window_says(looks in looks(), allowed in 0_usize..4, more in 1_usize..6) {
        let of = allowed + more;
        let mut judge = judge(&format!("{{that: m < 5, allow: {allowed} of {of}}}"), "m > 100");
        judge.fault_in_force(0);
        for (second, look) in looks.iter().enumerate() {
            let at = second as i64 * 1_000;
            judge.observe(&sample(*look, at), at);
        }
        let wanted = if exceeded(&looks, |look| look == Look::Breach, allowed, of) {
            Verdict::Violated
        } else if !looks.iter().any(|look| matches!(look, Look::Good | Look::Breach)) {
            Verdict::NotObserved
        } else if exceeded(&looks, |look| look != Look::Good, allowed, of) {
            Verdict::Inconclusive
        } else {
            Verdict::Maintained
        };
        prop_assert_eq!(judge.judgement().hypothesis, Some(wanted));
    }

    #[test]
    fn what_has_held_was_good_all_the_time(looks in looks()) {
        let mut judge = judge("m < 5", "m > 100");
        judge.rolled_back(0);
        for (second, look) in looks.iter().enumerate() {
            let at = second as i64 * 1_000;
            judge.observe(&sample(*look, at), at);
        }
        let recovery = judge.judgement().recovery.expect("rolled back");
        let first = looks.iter().position(|look| *look == Look::Good);
        prop_assert_eq!(recovery.first_good_ms, first.map(|second| second as i64 * 1_000));
        // Four looks in a row are three seconds.
        let held = looks.windows(4).position(|four| four.iter().all(|look| *look == Look::Good));
        let from = held.map(|start| start as i64 * 1_000);
        prop_assert_eq!(recovery.held_from_ms, from);
        prop_assert_eq!(recovery.held_ms, from.map(|from| from + 3_000));
    }

    #[test]
    fn an_abort_rests_on_so_many_breaches_that_nothing_good_parts(looks in looks(), after in 1_usize..5) {
        let mut judge = judge("", &format!("{{that: m > 5, after: {after}}}"));
        judge.fault_in_force(0);
        for (second, look) in looks.iter().enumerate() {
            let at = second as i64 * 1_000;
            judge.observe(&sample(*look, at), at + 10);
        }
        let mut row = Vec::new();
        let mut wanted = None;
        for (second, look) in looks.iter().enumerate() {
            match look {
                Look::Good => row.clear(),
                Look::Breach => row.push(second as i64 * 1_000),
                Look::Missing | Look::NotANumber => {}
            }
            if row.len() == after && wanted.is_none() {
                wanted = Some(row.clone());
            }
        }
        let decided = judge.abort().map(|abort| {
            let times: Vec<i64> = abort.looks.iter().map(|look| look.sampled_at).collect();
            (times, abort.decided_at)
        });
        prop_assert_eq!(decided, wanted.map(|row| (row.clone(), row[row.len() - 1] + 10)));
    }

    #[test]
    fn any_order_of_calls_with_any_values_is_borne(
        calls in prop::collection::vec((0_u8..8, any::<f64>(), any::<i64>(), any::<i64>()), 0..60),
    ) {
        let mut judge = judge("{that: m < baseline * 3, allow: 2 of 7}, m != 5", "{that: m > 100, after: 3, no_data: breach}");
        for (call, value, at, now) in calls {
            match call {
                0 => drop(judge.end_baseline(now)),
                1 => judge.fault_in_force(now),
                2 => judge.rollback_began(now),
                3 => judge.rolled_back(now),
                _ => {
                    let sample = Sample { value: Ok(value), ..sample(Look::Good, at) };
                    judge.observe(&sample, now);
                }
            }
            let judgement = judge.judgement();
            let json = serde_json::to_string(&judgement).expect("JSON");
            prop_assert!(serde_json::from_str::<crate::Judgement>(&json).is_ok(), "{}", json);
            for metric in &judgement.metrics {
                for summary in [metric.before, metric.during, metric.after] {
                    prop_assert!(summary.mean.is_none_or(f64::is_finite), "{:?}", summary);
                }
            }
        }
    }
}

/// A piece of what may stand in such a file.
fn piece() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ \n:\\-{}\\[\\],\"'<>=*%/]{1,4}",
        "\\PC{0,8}",
        "-?[0-9]{1,25}(\\.[0-9]{1,5})?(e[0-9]{1,3})?(ms|s|m|h|%|/s|MiB)?",
        prop::sample::select(vec![
            "every: 1s",
            "after: 2",
            "baseline * 3",
            "up < 1",
            "null",
            ".inf",
            "9999999999999999h",
            "[5s]",
            "0",
            "1 of 3",
        ])
        .prop_map(str::to_owned),
    ]
}

proptest! {
    #[test]
    fn a_spoilt_file_is_a_plan_or_has_mistakes(
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0_usize..12, piece()), 1..5),
    ) {
        let mut text: Vec<char> = FULL.chars().collect();
        for (at, length, piece) in edits {
            let start = at.index(text.len() + 1);
            let end = (start + length).min(text.len());
            text.splice(start..end, piece.chars());
        }
        let text: String = text.into_iter().collect();
        if let Ok(document) = duress_yaml::Document::parse("spoilt.yaml", text) {
            let (plan, problems) = check(&document, "/workload", "/experiment", &known());
            prop_assert!(plan.is_none() || problems.is_empty());
            if let Some(plan) = plan {
                let json = serde_json::to_string(&plan).expect("JSON");
                prop_assert_eq!(&serde_json::from_str::<Plan>(&json).expect("a plan"), &plan);
                prop_assert_eq!(plan.abort_bounds().len(), plan.abort.len());
                let _ = Judge::new(&plan).judgement();
            }
        }
    }
}
