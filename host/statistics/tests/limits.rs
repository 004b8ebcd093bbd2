//! What few trials cannot say, and that no input breaks anything.

use duress_statistics::{
    Magnitude, Survival, cliffs_delta, describe, difference_of_means, fisher_exact, holm,
    kaplan_meier, mann_whitney, mcnemar_exact, pairs_needed, pass_all_k, pass_at_k, sign_flip,
    smallest_p_of_groups, smallest_p_of_pairs, trials_needed_per_group, wilson,
};
use proptest::prelude::*;

#[test]
fn too_few_trials_cannot_reach_a_small_p() {
    let near = |is: f64, wanted: f64| assert!((is - wanted).abs() < 5e-4, "{is}");
    near(smallest_p_of_groups(3, 3), 0.1);
    near(smallest_p_of_groups(4, 4), 0.0286);
    near(smallest_p_of_groups(1, 1), 1.0);
    near(smallest_p_of_groups(0, 5), 1.0);
    near(smallest_p_of_groups(2, 19), 0.0095);
    near(smallest_p_of_pairs(6), 0.03125);
    near(smallest_p_of_pairs(5), 0.0625);
    near(smallest_p_of_pairs(0), 1.0);
    assert_eq!(trials_needed_per_group(0.05), Some(4));
    assert_eq!(trials_needed_per_group(0.01), Some(5));
    assert_eq!(pairs_needed(0.05), Some(6));
    assert_eq!(pairs_needed(0.01), Some(8));
    assert_eq!(
        (pairs_needed(0.0), trials_needed_per_group(0.0)),
        (None, None)
    );
    assert_eq!(
        (pairs_needed(f64::NAN), trials_needed_per_group(-1.0)),
        (None, None)
    );
}

#[test]
fn the_smallest_p_is_reached_by_what_differs_most() {
    for size in 1..9_u32 {
        let low: Vec<f64> = (0..size).map(f64::from).collect();
        let high: Vec<f64> = low.iter().map(|value| value + 100.0).collect();
        let test = mann_whitney(&low, &high).expect("values");
        assert!((test.p - test.smallest_p).abs() < 1e-12, "{test:?}");
        let test = sign_flip(&high, 1).expect("values");
        assert!((test.p - test.smallest_p).abs() < 1e-12, "{test:?}");
    }
}

#[test]
fn what_is_the_same_differs_in_nothing() {
    let same = [2.0; 40];
    assert_eq!(cliffs_delta(&same, &same), Some(0.0));
    assert_eq!(
        mann_whitney(&same[..5], &same[..5]).map(|test| test.p),
        Some(1.0)
    );
    assert_eq!(mann_whitney(&same, &same).map(|test| test.p), Some(1.0));
    assert_eq!(sign_flip(&[0.0; 5], 1).map(|test| test.p), Some(1.0));
    assert_eq!(sign_flip(&[0.0; 30], 1).map(|test| test.p), Some(1.0));
    let interval = difference_of_means(&same, &same, 0.95, 1).expect("values");
    assert_eq!(
        (interval.low, interval.difference, interval.high),
        (0.0, 0.0, 0.0)
    );
    assert_eq!(fisher_exact((0, 5), (0, 7)), Some(1.0));
}

#[test]
fn what_has_no_answer_has_none() {
    let (good, bad) = ([1.0; 8], [1.0, f64::NAN, 1.0, 1.0]);
    for bad in [&bad[..], &[f64::INFINITY], &[]] {
        assert_eq!(describe(bad), None);
        assert_eq!(cliffs_delta(&good, bad), None);
        assert_eq!(cliffs_delta(bad, &good), None);
        assert_eq!(mann_whitney(bad, &good), None);
        assert_eq!(sign_flip(bad, 1), None);
        assert_eq!(difference_of_means(&good, bad, 0.95, 1), None);
    }
    assert_eq!(difference_of_means(&good, &good[..3], 0.95, 1), None);
    assert_eq!(difference_of_means(&good, &good, 1.0, 1), None);
    assert_eq!(wilson(0, 0, 0.95), None);
    assert_eq!(wilson(3, 2, 0.95), None);
    assert_eq!(wilson(1, 2, f64::NAN), None);
    assert_eq!(fisher_exact((0, 0), (1, 1)), None);
    assert_eq!(fisher_exact((u64::MAX, u64::MAX), (1, 1)), None);
    assert_eq!(mcnemar_exact(u64::MAX, 1), None);
    assert_eq!(holm(&[0.5, 1.5]), None);
    assert_eq!(holm(&[]), Some(vec![]));
    assert_eq!(
        (pass_at_k(3, 2, 1), pass_at_k(1, 2, 3), pass_at_k(1, 2, 0)),
        (None, None, None)
    );
    assert_eq!(pass_all_k(3, 2, 1), None);
    let at = |time| Survival {
        time,
        has_happened: true,
    };
    assert_eq!(kaplan_meier(&[], 1.0), None);
    assert_eq!(kaplan_meier(&[at(-1.0)], 1.0), None);
    assert_eq!(kaplan_meier(&[at(f64::NAN)], 1.0), None);
    assert_eq!(kaplan_meier(&[at(1.0)], 0.0), None);
}

#[test]
fn magnitudes_have_the_usual_bounds() {
    let table = [
        (0.1, Magnitude::Negligible),
        (-0.2, Magnitude::Small),
        (0.33, Magnitude::Medium),
        (-1.0, Magnitude::Large),
    ];
    for (delta, magnitude) in table {
        assert_eq!(Magnitude::of(delta), magnitude);
    }
}

/// Values of every size, and many ties.
fn values() -> impl Strategy<Value = Vec<f64>> {
    let value = prop_oneof![any::<f64>(), -3.0..3.0_f64, (-3_i8..3).prop_map(f64::from)];
    prop::collection::vec(value, 0..25)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_values_have_results_in_their_ranges_or_none(a in values(), b in values()) {
        if let Some(delta) = cliffs_delta(&a, &b) {
            prop_assert!((-1.0..=1.0).contains(&delta));
            let turned = cliffs_delta(&b, &a).expect("the same values");
            prop_assert!((delta + turned).abs() < 1e-12);
        }
        if let Some(test) = mann_whitney(&a, &b) {
            prop_assert!((0.0..=1.0).contains(&test.p), "{:?}", test);
            let turned = mann_whitney(&b, &a).expect("the same values");
            prop_assert!((test.p - turned.p).abs() < 1e-9, "{:?} {:?}", test, turned);
        }
        if let Some(description) = describe(&a) {
            prop_assert!(description.mean.is_finite(), "{:?}", description);
        }
    }

    #[test]
    fn any_differences_have_a_p(differences in prop::collection::vec(prop_oneof![any::<f64>(), (-2_i8..3).prop_map(f64::from)], 0..11), seed in any::<u64>()) {
        if let Some(test) = sign_flip(&differences, seed) {
            prop_assert!(test.p > 0.0 && test.p <= 1.0, "{:?}", test);
        }
    }

    #[test]
    fn any_times_have_a_falling_curve(times in prop::collection::vec((prop_oneof![any::<f64>(), 0.0..9.0_f64, (0_u8..5).prop_map(f64::from)], any::<bool>()), 0..40), horizon in 0.1..20.0_f64) {
        let trials: Vec<Survival> = times.iter().map(|(time, has_happened)| Survival { time: *time, has_happened: *has_happened }).collect();
        if let Some(curve) = kaplan_meier(&trials, horizon) {
            prop_assert!(curve.steps.is_sorted_by(|a, b| a.time < b.time && a.share_left >= b.share_left));
            prop_assert!((0.0..=horizon + 1e-9).contains(&curve.restricted_mean), "{:?}", curve);
        }
    }

    #[test]
    fn any_counts_have_intervals_in_which_their_rates_are(successes in any::<u64>(), trials in any::<u64>(), confidence in 0.01..0.999_f64) {
        if let Some(interval) = wilson(successes, trials, confidence) {
            prop_assert!(interval.low <= interval.rate && interval.rate <= interval.high, "{:?}", interval);
        }
    }
}

proptest! {
    // Each draws five thousand times.
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn any_values_have_an_interval_or_none(a in values(), b in values(), seed in any::<u64>()) {
        if let Some(interval) = difference_of_means(&a, &b, 0.9, seed) {
            prop_assert!(interval.low <= interval.high, "{:?}", interval);
        }
    }
}
