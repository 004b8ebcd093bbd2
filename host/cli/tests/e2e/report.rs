//! What `duress show` reports of an experiment on a real cluster.

use serde_json::Value;

use crate::program::Program;

const CAMPAIGN: &str = "name: paused-member
subjects: [etcd]
chaos_types:
  - {type: process_pause, targets: [etcd0], duration_seconds: 3}
workload:
  http: {url: 'http://etcd0:2379/health'}
  rate: 40/s
  timeout: 500ms
experiment:
  every: 500ms
  warm_up: 2s
  hold: 1s
  recover_within: 30s
  metrics:
    error_rate: {workload: error_rate}
  expect:
    - error_rate < 50%
";

/// Returns the number of a second's failed operations.
fn errors(second: &Value) -> u64 {
    let kinds = second["errors"].as_object().unwrap();
    kinds.values().filter_map(Value::as_u64).sum()
}

#[test]
fn a_report_has_the_seconds_in_which_clients_saw_errors() {
    let program = Program::new();
    let file = program.folder.path().join("paused.yaml");
    std::fs::write(&file, CAMPAIGN).unwrap();
    let (status, events) = program
        .start(&["run", "campaign", file.to_str().unwrap()])
        .end();
    assert_eq!(status.code(), Some(1), "{events:?}");

    let name = "trial-etcd-process_pause-1";
    let shown = program.json(&["show", name, "--metrics"]);
    assert_eq!(shown["trial"]["outcome"], "failed", "{shown}");
    let judgement = &shown["findings"]["judgement"];
    assert_eq!(judgement["hypothesis"], "violated", "{judgement}");
    let time = |name: &str| judgement["times"][name].as_i64().unwrap();
    let (in_force, rolling_back) = (time("in_force"), time("rolling_back"));

    let seconds = shown["seconds"].as_array().unwrap();
    // Whole seconds before the fault, and those wholly within it but for the time limit of the operations before it.
    let is_before = |second: &&Value| second["at"].as_i64().unwrap() + 1_000 <= in_force;
    let is_during = |second: &&Value| {
        let at = second["at"].as_i64().unwrap();
        at >= in_force + 500 && at + 1_000 <= rolling_back
    };
    let before: Vec<_> = seconds.iter().filter(is_before).collect();
    let during: Vec<_> = seconds.iter().filter(is_during).collect();
    assert!(!before.is_empty() && !during.is_empty(), "{seconds:?}");
    assert!(before.iter().all(|one| errors(one) == 0), "{before:?}");
    for second in during {
        assert!(errors(second) > 0 && second["completed"] == 0, "{second}");
    }

    let samples = shown["samples"].as_array().unwrap();
    let metric = &shown["metrics"][0];
    let count = |part: &str| metric[part]["count"].as_u64().unwrap();
    assert!(count("before") > 0 && count("during") > 0, "{metric}");
    let difference = &metric["difference"];
    assert_eq!(difference["before"], metric["before"]["count"], "{metric}");
    assert_eq!(difference["during"], metric["during"]["count"], "{metric}");
    assert!(difference["difference"].as_f64().unwrap() > 0.0, "{metric}");
    let values = samples.iter().filter(|one| one["value"].is_number());
    assert!(values.count() as u64 >= count("before") + count("during"));
    // Without the option, neither is printed.
    let brief = program.json(&["show", name]);
    assert!(brief["samples"].is_null() && brief["seconds"].is_null());

    let campaign = program.json(&["show", "paused-member"]);
    let combination = &campaign["experiments"][0];
    assert_eq!(combination["verdicts"]["violated"], 1, "{combination}");
    let paired = &combination["metrics"][0]["paired"];
    assert_eq!(
        (&paired["trials"], &paired["needs"]),
        (&1.into(), &5.into())
    );
    assert_eq!(paired["test"]["smallest_p"], 1.0);
    assert_eq!(program.left(), [""; 0]);
}
