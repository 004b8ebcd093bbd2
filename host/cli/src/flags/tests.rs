//! Campaigns from a command line, and what a person sees of mistakes there.

use duress_campaign::{Catalog, Plan, Subject};
use duress_model::{Choice, FaultType};
use duress_yaml::Invalid;
use insta::assert_snapshot;
use proptest::prelude::*;
use serde_json::json;

use super::Flags;

/// A subject with three faults.
fn catalog() -> Catalog {
    let fault = |name: &str, parameters| FaultType {
        plugin: "tikv".to_owned(),
        name: name.to_owned(),
        summary: String::new(),
        parameters,
        requires: Vec::new(),
        services: vec!["tikv*".to_owned()],
        choice: Choice::ByHost,
    };
    let milliseconds = json!({ "type": "integer", "minimum": 0, "maximum": 60000, "default": 50 });
    let latency = json!({
        "type": "object", "properties": { "min_ms": milliseconds, "max_ms": milliseconds },
    });
    let fill = json!({
        "type": "object",
        "properties": {
            "fill_percent": {
                "type": "number", "minimum": 1, "maximum": 100,
                "description": "How much of what is available now, in percent.",
            },
        },
        "required": ["fill_percent"],
        "additionalProperties": false,
    });
    let tikv = Subject {
        services: vec!["pd0".to_owned(), "tikv0".to_owned()],
        faults: vec![
            fault("node_kill", json!({ "type": "object" })),
            fault("latency", latency),
            fault("disk_pressure", fill),
        ],
        ..Subject::default()
    };
    Catalog {
        subjects: [("tikv".to_owned(), tikv)].into(),
        ..Catalog::default()
    }
}

fn plan_of(flags: &Flags) -> Result<Plan, Invalid> {
    flags.draft(None, &[]).resolve(&catalog()).finish()
}

/// What a person sees of flags that have mistakes.
fn seen(flags: &Flags) -> String {
    match plan_of(flags) {
        Ok(plan) => panic!("these flags have no mistakes: {plan:?}"),
        Err(invalid) => invalid.render(false),
    }
}

fn flags(subject: &str, chaos: &[&str], params: &[&str]) -> Flags {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    Flags {
        subjects: vec![subject.to_owned()],
        chaos: texts(chaos),
        params: texts(params),
        ..Flags::default()
    }
}

#[test]
fn flags_make_a_plan_without_a_file() {
    let flags = Flags {
        trials: Some(2),
        baseline: true,
        ..flags("tikv", &["latency"], &["min_ms=5", "max_ms=9"])
    };
    let plan = plan_of(&flags).expect("the flags are valid");
    let names: Vec<_> = plan.trials().into_iter().map(|trial| trial.name).collect();
    assert_eq!(
        names,
        [
            "trial-tikv-baseline-1",
            "trial-tikv-latency-1",
            "trial-tikv-baseline-2",
            "trial-tikv-latency-2"
        ]
    );
    let fault = &plan.combinations[1].faults[0];
    assert_eq!(json!(fault.parameters), json!({"min_ms": 5, "max_ms": 9}));
    assert_eq!(plan.campaign.name, "tikv-latency");
}

#[test]
fn mistakes_are_under_their_flags() {
    let no_trials = Flags {
        trials: Some(0),
        ..flags("tikvv", &["node_kill"], &[])
    };
    assert_snapshot!("unknown_subject_and_no_trials", seen(&no_trials));
    for (name, chaos, params) in [
        ("unknown_fault", &["latncy"] as &[_], &["min_ms"] as &[_]),
        (
            "parameter_out_of_range",
            &["disk_pressure"],
            &["fill_percent=140", "fil=2"],
        ),
        ("missing_parameter", &["disk_pressure"], &[]),
        ("parameter_of_another_type", &["latency"], &["max_ms=x"]),
        ("neither_fault_nor_baseline", &[], &[]),
        (
            "parameter_of_two_faults",
            &["latency", "node_kill"],
            &["max_ms=3"],
        ),
    ] {
        assert_snapshot!(name, seen(&flags("tikv", chaos, params)));
    }
}

proptest! {
    #[test]
    fn no_flags_are_too_strange(
        subjects in proptest::collection::vec("\\PC{0,6}|tikv", 0..3),
        chaos in proptest::collection::vec("\\PC{0,6}|latency", 0..3),
        params in proptest::collection::vec("\\PC{0,9}|(min_ms|é/~)=\\PC{0,5}", 0..3),
        trials in proptest::option::of(any::<u64>()),
        duration in proptest::option::of(any::<f64>()),
    ) {
        let flags = Flags { subjects, chaos, params, trials, duration, ..Flags::default() };
        if let Err(invalid) = plan_of(&flags) {
            prop_assert!(!invalid.problems().is_empty());
            prop_assert!(!invalid.render(false).is_empty());
        }
    }
}
