//! A component that misbehaves fails its own trial, with the reason, and no other.

use crate::program::Program;

const CAMPAIGN: &str = "
name: hostile
subjects: [noop]
parallel: 4
include_baseline: true
defaults: {duration_seconds: 0}
chaos_types:
  - {type: nothing}
  - {type: misbehave, label: panic, params: {how: panic}}
  - {type: misbehave, label: spin, params: {how: spin}}
  - {type: misbehave, label: sleep, params: {how: sleep}}
  - {type: misbehave, label: allocate, params: {how: allocate}}
  - {type: misbehave, label: log_flood, params: {how: log_flood}}
  - {type: misbehave, label: call_flood, params: {how: call_flood}}
  - {type: misbehave, label: recurse, params: {how: recurse}}
  - {type: misbehave, label: huge_output, params: {how: huge_output}}
  - {type: misbehave, label: denied_call, params: {how: denied_call}}
";

#[test]
fn each_misdeed_fails_its_own_trial_with_its_reason() {
    let program = Program::new();
    let file = program.folder.path().join("hostile.yaml");
    std::fs::write(&file, CAMPAIGN).unwrap();
    let ended = program.run(&["run", "campaign", file.to_str().unwrap()]);
    assert_eq!(ended.code(), 1, "{}", ended.said());
    for (label, reason) in [
        ("panic", "it panicked at"),
        ("spin", "it did not return within 2.0 s and was ended"),
        ("sleep", "it did not return within 2.0 s and was ended"),
        ("allocate", "more than 256 MiB of memory"),
        ("log_flood", "it made more than 100000 host calls"),
        ("call_flood", "it made more than 100000 host calls"),
        ("recurse", "it trapped"),
        ("huge_output", "memory"),
        (
            "denied_call",
            "`http_hosts: [\"elsewhere.invalid:80\"]` in plugin.yaml would allow it",
        ),
    ] {
        let shown = program.json(&["show", &format!("trial-noop-{label}-1"), "--audit"]);
        let trial = &shown["trial"];
        assert_eq!(trial["outcome"], "failed", "{label}: {trial}");
        let error = trial["error"].as_str().unwrap();
        assert!(error.contains(reason), "{label}: {error}");
        assert!(
            error.contains("`noop`") && error.contains("chaos.inject"),
            "{label}: {error}"
        );
    }
    for label in ["baseline", "nothing"] {
        let shown = program.json(&["show", &format!("trial-noop-{label}-1"), "--log"]);
        assert_eq!(shown["trial"]["outcome"], "passed", "{label}");
    }
    let denied = program.json(&["show", "trial-noop-denied_call-1", "--audit"]);
    let denied = denied["audit"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|call| call["verdict"] == "denied")
        .count();
    assert_eq!(denied, 1, "the denied call is on record");
    let flood = program.json(&["show", "trial-noop-log_flood-1", "--log"]);
    assert!(
        flood["log"].as_array().unwrap().len() <= 1_002,
        "a flood is cut off"
    );
}
