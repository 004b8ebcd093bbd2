//! No input is too strange.

use proptest::prelude::*;

use super::{Draft, Flags, plan_of};
use crate::yaml::Document;

/// Texts that are nearly campaigns: lines of a good one, cut, repeated, and with odd values.
fn nearly() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        Just("name: a"),
        Just("subjects: [tikv, etcd]"),
        Just("subjects:"),
        Just("chaos_types:"),
        Just("  - type: latency"),
        Just("  - type: disk_pressure"),
        Just("    params: {min_ms: 3, max_ms: 1}"),
        Just("    params: [1, {a: *x}]"),
        Just("    params: &x {fill_percent: 1e9, é: ~}"),
        Just("    targets: [pd0, tikv0, 3]"),
        Just("    subjects: [etcd]"),
        Just("    label: slow"),
        Just("    <<: *x"),
        Just("  - 7"),
        Just("defaults: {targets: [tikv1], target_count: 0}"),
        Just("seed: 18446744073709551615"),
        Just("trials_per_combination: 4294967296"),
        Just("cooldown_seconds: 1e300"),
        Just("include_baseline: true"),
        Just("a/b~c: {x~: 1}"),
        Just("---"),
    ];
    let odd = "\\PC{0,12}";
    let line = prop_oneof![8 => line.prop_map(str::to_owned), 1 => odd];
    proptest::collection::vec(line, 0..12).prop_map(|lines| lines.join("\n"))
}

fn look_at(text: &str) {
    let invalid = match Document::parse("campaign.yaml", text) {
        Ok(document) => plan_of(Draft::new(document)).err(),
        Err(invalid) => Some(invalid),
    };
    if let Some(invalid) = invalid {
        assert!(!invalid.problems().is_empty());
        assert!(!invalid.render(false).is_empty());
    }
}

proptest! {
    #[test]
    fn any_text(text in any::<String>()) {
        look_at(&text);
    }

    #[test]
    fn nearly_a_campaign(text in nearly()) {
        look_at(&text);
    }

    #[test]
    fn any_flags(
        subjects in proptest::collection::vec("\\PC{0,6}|tikv", 0..3),
        chaos in proptest::collection::vec("\\PC{0,6}|latency", 0..3),
        params in proptest::collection::vec("\\PC{0,9}|(min_ms|é/~)=\\PC{0,5}", 0..3),
        trials in proptest::option::of(any::<u64>()),
        duration_seconds in proptest::option::of(any::<f64>()),
    ) {
        let flags = Flags { subjects, chaos, params, trials, duration_seconds, ..Flags::default() };
        if let Err(invalid) = plan_of(Draft::from_flags(&flags)) {
            prop_assert!(!invalid.problems().is_empty());
            prop_assert!(!invalid.render(false).is_empty());
        }
    }
}
