//! Campaigns that are right: what becomes of them.

use insta::assert_snapshot;
use jiff::Timestamp;
use serde_json::json;

use super::{Plan, catalog, draft, plan_of};
use crate::{json_schema, limits};
use duress_model::TrialSpec;

const TIKV_FIRST_LOOK: &str = include_str!("../../../../campaigns/tikv-first-look.yaml");
const READY_MADE: [&str; 4] = [
    TIKV_FIRST_LOOK,
    include_str!("../../../../campaigns/quickstart.yaml"),
    include_str!("../../../../campaigns/etcd-dead-or-frozen.yaml"),
    include_str!("../../../../campaigns/etcd-loss-of-quorum.yaml"),
];

fn plan(text: &str) -> Plan {
    match plan_of(draft(text)) {
        Ok(plan) => plan,
        Err(invalid) => panic!("{}", invalid.render(false)),
    }
}

fn names(plan: &Plan) -> Vec<String> {
    plan.trials().into_iter().map(|trial| trial.name).collect()
}

#[test]
fn the_first_look_runs_as_it_is() {
    let plan = plan(TIKV_FIRST_LOOK);
    assert_eq!(plan.campaign.parallel, 2);
    assert_eq!(plan.campaign.cooldown_seconds, 5.0);
    assert_snapshot!(names(&plan).join("\n"));
    let latency = &plan.combinations[2].faults[0];
    assert_eq!(
        json!(latency.parameters),
        json!({"min_ms": 50, "max_ms": 150})
    );
    assert_eq!(latency.plugin, "tikv");
}

#[test]
fn every_ready_made_campaign_is_right() {
    for text in READY_MADE {
        assert!(!plan(text).trials().is_empty());
    }
}

#[test]
fn what_is_not_said_has_a_default() {
    let plan = plan("name: a\nsubjects: [etcd, tikv]\nchaos_types: [{type: node_kill}]\n");
    assert_eq!(
        names(&plan),
        ["trial-etcd-node_kill-1", "trial-tikv-node_kill-1"]
    );
    let [etcd, tikv] = plan.combinations.as_slice() else {
        panic!("two combinations");
    };
    assert_eq!((etcd.duration_ms, etcd.faults[0].target_count), (10_000, 1));
    assert_eq!(
        (etcd.recovery_timeout_ms, etcd.reset_timeout_ms),
        (120_000, 300_000)
    );
    assert_eq!(tikv.recovery_timeout_ms, 90_000, "the subject's own");
    assert!(plan.seed <= u64::from(u32::MAX), "short enough to be typed");
}

#[test]
fn an_entry_overrides_the_defaults() {
    let plan = plan(
        "name: a
subjects: [tikv, etcd]
trials_per_combination: 2
chaos_types:
  - type: node_kill
    trials: 1
    subjects: [etcd]
    duration_seconds: 0.5
    target_count: 2
  - type: latency
    subjects: [tikv]
    targets: []
  - type: 'faults:latency'
    subjects: [tikv]
    label: slow-pd
defaults: {duration_seconds: 3, recovery_timeout_seconds: 7, targets: [tikv1, pd0, etcd0, etcd1]}
",
    );
    let seen: Vec<_> = plan
        .combinations
        .iter()
        .map(|c| {
            let fault = &c.faults[0];
            format!(
                "{} {} {} {} {} {} {:?} {}",
                c.subject,
                c.label,
                fault.plugin,
                c.trials,
                c.duration_ms,
                c.recovery_timeout_ms,
                fault.targets,
                fault.target_count
            )
        })
        .collect();
    assert_snapshot!(seen.join("\n"));
}

#[test]
fn steps_are_faults_of_one_trial_in_the_order_of_their_times() {
    let plan = plan(
        "name: a
subjects: [etcd]
chaos_types:
  - steps:
      - {type: process_pause, at: 1m 30s, for: 500ms, targets: [etcd1], target_count: 1}
      - {type: network_partition}
    targets: [etcd0, etcd2]
    target_count: 2
    duration_seconds: 100
",
    );
    assert_eq!(
        names(&plan),
        ["trial-etcd-process_pause-network_partition-1"]
    );
    let seen: Vec<_> = plan.combinations[0]
        .faults
        .iter()
        .map(|f| {
            format!(
                "{} {} {:?} {:?} {}",
                f.name, f.at_ms, f.hold_ms, f.targets, f.target_count
            )
        })
        .collect();
    assert_eq!(
        seen,
        [
            r#"network_partition 0 None ["etcd0", "etcd2"] 2"#,
            r#"process_pause 90000 Some(500) ["etcd1"] 1"#,
        ]
    );
}

#[test]
fn entries_of_one_fault_are_numbered() {
    let plan = plan(
        "name: a
subjects: [tikv]
chaos_types:
  - {type: latency}
  - {type: latency, params: {max_ms: 300}}
  - {type: latency, params: {max_ms: 400}, label: latency-3}
  - {type: latency, params: {max_ms: 500}}
",
    );
    let labels: Vec<_> = plan.combinations.iter().map(|c| c.label.as_str()).collect();
    assert_eq!(labels, ["latency", "latency-2", "latency-3", "latency-4"]);
}

#[test]
fn a_seed_gives_the_same_trials_whatever_else_is_run() {
    let one = plan("name: a\nsubjects: [etcd]\nseed: 7\nchaos_types: [{type: node_kill}]\n");
    let two = plan(
        "name: b\nsubjects: [tikv, etcd]\nseed: 7\nvariant: other\nchaos_types: [{type: node_kill}]\n",
    );
    let seed = |plan: &Plan, name: &str| {
        let trials = plan.trials();
        let trial = trials.into_iter().find(|trial| trial.name == name);
        trial.map(|trial| trial.seed)
    };
    let of = "trial-etcd-node_kill-1";
    assert_eq!(seed(&one, of), seed(&two, of));
    assert_ne!(seed(&two, of), seed(&two, "trial-tikv-node_kill-1"));
    assert!(two.trials().iter().all(|trial| trial.seed <= limits::SEED));
}

#[test]
fn a_plan_and_its_trials_survive_the_store() {
    let plan = plan(TIKV_FIRST_LOOK);
    let text = serde_json::to_string(&plan).expect("a plan is JSON");
    assert_eq!(serde_json::from_str::<Plan>(&text).expect("and back"), plan);
    for trial in plan.trials() {
        let text = serde_json::to_string(&trial).expect("a trial is JSON");
        assert_eq!(
            serde_json::from_str::<TrialSpec>(&text).expect("and back"),
            trial
        );
    }
}

#[test]
fn names_of_runs() {
    let plan = plan(TIKV_FIRST_LOOK);
    let now: Timestamp = "2026-11-20T14:30:00Z".parse().expect("a time");
    let (first, second) = (plan.new_id(now), plan.new_id(now));
    assert!(first.starts_with("campaign-20261120T143000Z-"), "{first}");
    assert_eq!(first.len(), "campaign-20261120T143000Z-3f9a1c02".len());
    assert_ne!(first, second);
}

#[test]
fn the_schema_describes_every_key() {
    let schema = json_schema();
    for object in ["", "/properties/chaos_types/items", "/properties/defaults"] {
        let object = schema.pointer(object).expect(object);
        assert_eq!(object["additionalProperties"], json!(false));
        for (key, property) in object["properties"].as_object().expect("an object") {
            assert!(
                property["description"].is_string(),
                "{key} has no description"
            );
        }
    }
}

#[test]
fn a_catalog_knows_its_faults() {
    let catalog = catalog();
    let tikv = &catalog.subjects["tikv"];
    assert_eq!(
        tikv.fault("latency").map(|f| f.plugin.as_str()),
        Some("tikv")
    );
    assert_eq!(
        tikv.fault("faults:latency").map(|f| f.plugin.as_str()),
        Some("faults")
    );
    assert_eq!(tikv.fault("etcd:latency"), None);
    let kill = tikv.fault("node_kill").expect("it has one");
    assert!(kill.may_hurt("tikv0") && !kill.may_hurt("pd0"));
}
