//! Every result against those of scipy, statsmodels, lifelines and arch (`reference.py`), whose versions are in `reference.json`.

use duress_statistics::{
    Survival, cliffs_delta, difference_of_means, fisher_exact, holm, kaplan_meier, mann_whitney,
    mcnemar_exact, pass_all_k, pass_at_k, sign_flip, wilson,
};
use serde_json::Value;

fn cases(name: &str) -> Vec<Value> {
    let all: Value = serde_json::from_str(include_str!("reference.json")).expect("JSON");
    let cases = match &all[name] {
        Value::Array(cases) => cases.clone(),
        one => vec![one.clone()],
    };
    assert!(
        !cases.is_empty() && cases[0].is_object(),
        "no cases of {name}"
    );
    cases
}

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

fn whole(value: &Value) -> u64 {
    value.as_u64().expect("a whole number")
}

fn numbers(value: &Value) -> Vec<f64> {
    let list = value.as_array().expect("a list");
    list.iter().map(number).collect()
}

#[track_caller]
fn same(is: f64, wanted: f64, within: f64, case: &Value) {
    let error = (is - wanted).abs();
    assert!(error <= within, "{is} is not {wanted}: {case}");
}

#[test]
fn mann_whitney_is_scipys() {
    for case in cases("mann_whitney") {
        let test =
            mann_whitney(&numbers(&case["first"]), &numbers(&case["second"])).expect("values");
        same(test.u, number(&case["u"]), 1e-9, &case);
        same(test.p, number(&case["p"]), 1e-9, &case);
        assert!(test.p >= test.smallest_p - 1e-12, "{case}");
    }
}

#[test]
fn sign_flip_is_scipys() {
    for case in cases("sign_flip") {
        let test = sign_flip(&numbers(&case["differences"]), 1).expect("values");
        assert!(test.is_exact);
        same(test.p, number(&case["p"]), 1e-12, &case);
    }
    for case in cases("sign_flip_drawn") {
        let differences = numbers(&case["differences"]);
        let test = sign_flip(&differences, 1).expect("values");
        assert!(!test.is_exact);
        // Four standard errors of a hundred thousand draws.
        let p = number(&case["p"]);
        same(test.p, p, 4.0 * (p * (1.0 - p) / 1e5).sqrt(), &case);
        assert_eq!(sign_flip(&differences, 1), Some(test));
    }
}

#[test]
fn cliffs_delta_is_the_mean_of_all_comparisons() {
    for case in cases("cliffs_delta") {
        let delta = cliffs_delta(&numbers(&case["before"]), &numbers(&case["after"]));
        same(delta.expect("values"), number(&case["delta"]), 1e-12, &case);
    }
}

#[test]
fn wilson_is_statsmodels() {
    for case in cases("wilson") {
        let (successes, trials) = (whole(&case["successes"]), whole(&case["trials"]));
        let interval = wilson(successes, trials, number(&case["confidence"])).expect("trials");
        same(interval.low, number(&case["low"]), 1e-9, &case);
        same(interval.high, number(&case["high"]), 1e-9, &case);
    }
}

#[test]
fn fisher_is_scipys() {
    for case in cases("fisher") {
        let cell = |row: usize, column: usize| whole(&case["table"][row][column]);
        let p = fisher_exact((cell(0, 0), cell(0, 1)), (cell(1, 0), cell(1, 1)));
        same(p.expect("a table"), number(&case["p"]), 1e-9, &case);
    }
}

#[test]
fn mcnemar_is_statsmodels() {
    for case in cases("mcnemar") {
        let p = mcnemar_exact(whole(&case["b"]), whole(&case["c"]));
        same(p.expect("pairs"), number(&case["p"]), 1e-9, &case);
    }
}

#[test]
fn kaplan_meier_is_lifelines() {
    for case in cases("survival") {
        let happened = case["happened"].as_array().expect("a list");
        let trials: Vec<Survival> = numbers(&case["times"])
            .into_iter()
            .zip(happened)
            .map(|(time, happened)| Survival {
                time,
                has_happened: happened == &Value::Bool(true),
            })
            .collect();
        let curve = kaplan_meier(&trials, number(&case["horizon"])).expect("trials");
        let steps = case["steps"].as_array().expect("a list");
        assert_eq!(curve.steps.len(), steps.len(), "{case}");
        for (step, wanted) in curve.steps.iter().zip(steps) {
            same(step.time, number(&wanted[0]), 0.0, &case);
            assert_eq!(step.at_risk, whole(&wanted[1]), "{case}");
            assert_eq!(step.events, whole(&wanted[2]), "{case}");
            same(step.share_left, number(&wanted[3]), 1e-9, &case);
        }
        assert_eq!(curve.median, case["median"].as_f64(), "{case}");
        same(
            curve.restricted_mean,
            number(&case["restricted_mean"]),
            1e-9,
            &case,
        );
    }
}

#[test]
fn holm_is_statsmodels() {
    for case in cases("holm") {
        let corrected = holm(&numbers(&case["p"])).expect("probabilities");
        for (is, wanted) in corrected.iter().zip(numbers(&case["corrected"])) {
            same(*is, wanted, 1e-12, &case);
        }
    }
}

#[test]
fn pass_k_is_what_all_choices_say() {
    for case in cases("pass_k") {
        let (successes, trials, k) = (
            whole(&case["successes"]),
            whole(&case["trials"]),
            whole(&case["k"]),
        );
        same(
            pass_at_k(successes, trials, k).expect("trials"),
            number(&case["any"]),
            1e-12,
            &case,
        );
        same(
            pass_all_k(successes, trials, k).expect("trials"),
            number(&case["all"]),
            1e-12,
            &case,
        );
    }
}

#[test]
fn the_block_bootstrap_is_archs() {
    for case in cases("bootstrap") {
        let (before, after) = (numbers(&case["before"]), numbers(&case["after"]));
        let interval = difference_of_means(&before, &after, 0.95, 7).expect("values");
        same(
            interval.difference,
            number(&case["difference"]),
            1e-12,
            &case,
        );
        // Both ends are drawn: of 5,000 draws, an end is sure to a few hundredths of the width.
        let width = number(&case["high"]) - number(&case["low"]);
        same(interval.low, number(&case["low"]), 0.04 * width, &case);
        same(interval.high, number(&case["high"]), 0.04 * width, &case);
        assert_eq!(
            difference_of_means(&before, &after, 0.95, 7),
            Some(interval)
        );
        assert_ne!(
            difference_of_means(&before, &after, 0.95, 8),
            Some(interval)
        );
    }
}
