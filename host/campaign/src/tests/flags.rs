//! Campaigns from a command line, and what a person sees of mistakes there.

use insta::assert_snapshot;
use serde_json::json;

use super::{plan_of, seen};
use crate::{Draft, Flags};

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
fn a_plan_without_a_file() {
    let flags = Flags {
        trials: Some(2),
        baseline: true,
        ..flags("tikv", &["latency"], &["min_ms=5", "max_ms=9"])
    };
    let plan = plan_of(Draft::from_flags(&flags)).expect("the flags are valid");
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
    assert_snapshot!(seen(Draft::from_flags(&Flags {
        trials: Some(0),
        ..flags("tikvv", &["node_kill"], &[])
    })));
    assert_snapshot!(seen(Draft::from_flags(&flags(
        "tikv",
        &["latncy"],
        &["min_ms"]
    ))));
    assert_snapshot!(seen(Draft::from_flags(&flags(
        "tikv",
        &["disk_pressure"],
        &["fill_percent=140", "fil=2"]
    ))));
    assert_snapshot!(seen(Draft::from_flags(&flags(
        "tikv",
        &["disk_pressure"],
        &[]
    ))));
    assert_snapshot!(seen(Draft::from_flags(&flags(
        "tikv",
        &["latency"],
        &["max_ms=x"]
    ))));
    assert_snapshot!(seen(Draft::from_flags(&flags("tikv", &[], &[]))));
    assert_snapshot!(seen(Draft::from_flags(&flags(
        "tikv",
        &["latency", "node_kill"],
        &["max_ms=3"]
    ))));
}
