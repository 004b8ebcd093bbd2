//! What a person sees of each mistake in a campaign file.

use insta::assert_snapshot;

use super::{draft, seen};

#[test]
fn a_percentage_of_140() {
    assert_snapshot!(seen(draft(
        "name: full
subjects: [tikv]
chaos_types:
  - type: disk_pressure
    params:
      fill_percent: 140
"
    )));
}

#[test]
fn min_ms_above_max_ms() {
    assert_snapshot!(seen(draft(
        "name: slow
subjects: [tikv]
chaos_types:
  - type: latency
    params: {min_ms: 150, max_ms: 50}
"
    )));
}

#[test]
fn a_parameter_beside_a_default() {
    assert_snapshot!(seen(draft(
        "name: slow
subjects: [tikv]
chaos_types:
  - type: latency
    params: {max_ms: 20}
"
    )));
}

#[test]
fn an_empty_matrix() {
    assert_snapshot!(seen(draft(
        "name: nothing\nsubjects: [tikv]\nchaos_types: []\n"
    )));
    assert_snapshot!(seen(draft(
        "name: nothing\nsubjects: []\ninclude_baseline: true\n"
    )));
}

#[test]
fn no_slots() {
    assert_snapshot!(seen(draft(
        "name: stuck\nsubjects: [tikv]\nchaos_types: [{type: node_kill}]\nparallel: 0\n"
    )));
}

#[test]
fn unknown_names() {
    assert_snapshot!(seen(draft(
        "name: typo
subjects: [tikvv, etcd]
chaos_types:
  - type: latncy
    subjects: [tikv]
  - type: cpu_stress
"
    )));
}

#[test]
fn a_fault_that_one_subject_lacks() {
    assert_snapshot!(seen(draft(
        "name: both\nsubjects: [tikv, etcd]\nchaos_types:\n  - type: latncy\n  - type: node_kill\n"
    )));
}

#[test]
fn many_at_once() {
    assert_snapshot!(seen(draft(
        "name: TiKV first look
subjects: tikv
chaos_type:
  - type: node_kill
trials_per_combination: three
parallel: 2.5
cooldown: 5
include_baseline: yes
defaults:
  duration_seconds: -1
"
    )));
}

#[test]
fn form_and_meaning_at_once() {
    assert_snapshot!(seen(draft(
        "name: mixed
subjects: [tikv]
chaos_types:
  - type: latency
    params: {min_ms: 150, max_ms: 50, jitter: 3}
    trails: 5
  - type: disk_presure
  - type: disk_pressure
parallel: 0
"
    )));
}

#[test]
fn the_same_twice() {
    assert_snapshot!(seen(draft(
        "name: twice
subjects: [tikv]
chaos_types:
  - type: node_kill
  - type: node_kill
    trials: 3
  - {type: latency, label: slow}
  - {type: latency, label: slow, params: {max_ms: 300}}
  - {type: latency, label: baseline, params: {max_ms: 400}}
"
    )));
}

#[test]
fn targets() {
    assert_snapshot!(seen(draft(
        "name: aim
subjects: [tikv]
chaos_types:
  - type: node_kill
    targets: [tikv9, tikv0]
  - type: latency
    targets: [pd0]
"
    )));
}

#[test]
fn too_many_trials() {
    assert_snapshot!(seen(draft(
        "name: forever\nsubjects: [tikv, etcd]\nchaos_types: [{type: node_kill}]\ntrials_per_combination: 100000\n"
    )));
}

#[test]
fn a_parameter_where_there_are_none() {
    assert_snapshot!(seen(draft(
        "name: x
subjects: [etcd]
chaos_types:
  - type: process_pause
    params: {foo: 1}
"
    )));
}

#[test]
fn steps_that_contradict_themselves() {
    assert_snapshot!(seen(draft(
        "name: steps
subjects: [etcd]
chaos_types:
  - type: node_kill
    steps: [{type: process_pause}]
  - label: nothing
  - steps:
      - {type: node_kil}
      - {type: process_pause, at: soon}
      - {type: process_pause, at: 10s}
"
    )));
}

/// Returns what is said of two steps, each with what follows its type.
fn of_two_steps(fault: &str, first: &str, second: &str) -> Result<(), String> {
    let text = format!(
        "name: two
subjects: [etcd]
chaos_types:
  - label: both
    duration_seconds: 20
    steps:
      - {{type: {fault}, {first}}}
      - {{type: {fault}, {second}}}
"
    );
    super::plan_of(draft(&text))
        .map(|_| ())
        .map_err(|invalid| invalid.render(false))
}

#[test]
fn steps_that_cannot_hold_at_once() {
    let seen = of_two_steps(
        "dns_failure",
        "targets: [etcd0, etcd1], for: 5s",
        "targets: [etcd1, etcd2], at: 4s",
    );
    assert_snapshot!(seen.expect_err("both may take etcd1"));
}

#[test]
fn steps_collide_only_on_one_container_at_one_time() {
    let apart = [
        ("dns_failure", "targets: [etcd0]", "targets: [etcd1]"),
        ("dns_failure", "for: 4s", "at: 4s"),
        ("dns_failure", "at: 1s, for: 4s", "at: 6s"),
        ("process_pause", "targets: [etcd0]", "targets: [etcd0]"),
        (
            "bandwidth",
            "targets: [etcd0], params: {interface: eth0}",
            "targets: [etcd0], params: {interface: eth1}",
        ),
    ];
    for (fault, first, second) in apart {
        assert_eq!(
            of_two_steps(fault, first, second),
            Ok(()),
            "{first}, {second}"
        );
    }
    let colliding = [
        ("dns_failure", "targets: [etcd0]", "targets: [etcd0]"),
        ("dns_failure", "target_count: 1", "at: 2s"),
        // It holds for its time from when it is in force, so a little longer than to 5 s.
        ("dns_failure", "at: 1s, for: 4s", "at: 5s"),
        ("dns_failure", "at: 3s", "for: 4s"),
        (
            "bandwidth",
            "targets: [etcd0], params: {interface: eth0}",
            "targets: [etcd0]",
        ),
    ];
    for (fault, first, second) in colliding {
        let told = of_two_steps(fault, first, second).expect_err(second);
        assert!(told.contains("at a time"), "{told}");
    }
}

#[test]
fn more_targets_than_there_are() {
    assert_snapshot!(seen(draft(
        "name: many
subjects: [etcd]
chaos_types:
  - {type: node_kill, target_count: 4}
  - {type: process_pause, targets: [etcd0], target_count: 2}
"
    )));
}

#[test]
fn times_that_are_none() {
    assert_snapshot!(seen(draft(
        "name: times
subjects: [etcd]
chaos_types:
  - label: late
    steps:
      - {type: node_kill, at: 99999999999999999999h}
      - {type: process_pause, for: 0s}
"
    )));
}

#[test]
fn peers_that_are_not_there() {
    assert_snapshot!(seen(draft(
        "name: peers
subjects: [etcd]
chaos_types:
  - {type: network_partition, params: {to: [etcd1, 'etcdd2:2380', 10.0.0.1]}}
"
    )));
}

#[test]
fn parameters_of_a_fault_without_any() {
    assert_snapshot!(seen(draft(
        "name: none
subjects: [etcd]
chaos_types:
  - {type: node_kill, params: {grace: 3}}
  - {type: process_pause, params: {grace: 3}}
"
    )));
}

#[test]
fn a_plugin_that_is_left_aside_is_named() {
    let mut catalog = super::catalog();
    let why =
        "the plugin `mine` was granted nothing yet; duress plugin add plugins/mine --built-here";
    catalog.left_aside.insert("mine".into(), why.into());
    for fault in ["starve", "mine:starve"] {
        let text = format!("name: x\nsubjects: [tikv]\nchaos_types: [{{type: {fault}}}]\n");
        let invalid = draft(&text)
            .resolve(&catalog)
            .finish()
            .expect_err("left aside");
        let help = invalid.problems()[0].help.clone().unwrap_or_default();
        assert!(
            help.ends_with("duress plugin add plugins/mine --built-here"),
            "{help}"
        );
    }
}

#[test]
fn where_subjects_were_looked_for_is_told() {
    let catalog = crate::Catalog {
        searched: "none is beneath /here".into(),
        ..Default::default()
    };
    let text = "name: x\nsubjects: [tikv]\ninclude_baseline: true\n";
    let invalid = draft(text).resolve(&catalog).finish().expect_err("none");
    assert_eq!(
        invalid.problems()[0].help.as_deref(),
        Some("none is beneath /here")
    );
}

#[test]
fn a_subject_that_is_no_name_is_told_what_a_name_is() {
    let text = "name: x\nsubjects: [TiKV]\ninclude_baseline: true\n";
    let seen = seen(draft(text));
    assert!(seen.contains("it must be lower-case letters"), "{seen}");
    let text = "name: x\nsubjects:\n  -etcd\ninclude_baseline: true\n";
    let seen = super::seen(draft(text));
    assert!(seen.contains("put a space behind the `-`"), "{seen}");
}
