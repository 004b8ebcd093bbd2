//! Several faults in one trial, each at its own time; and faults that end by themselves.

use serde_json::Value;

use crate::docker::{Container, docker};
use crate::program::Program;
use crate::runs::project;

fn campaign(program: &Program, text: &str) -> String {
    let path = program.folder.path().join("campaign.yaml");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn steps_overlap_and_each_is_taken_back_in_its_time() {
    let program = Program::new();
    let file = campaign(
        &program,
        "name: overlap
subjects: [bare]
chaos_types:
  - label: slow-then-frozen
    duration_seconds: 4
    steps:
      - {type: latency, params: {delay_ms: 30}, targets: [bare]}
      - {type: process_pause, at: 1s, for: 1s, targets: [locked]}
      - {type: network_partition, at: 1500ms, for: 1s, targets: [bare], params: {to: [peer]}}
",
    );
    let (status, events) = program.start(&["run", "campaign", &file]).end();
    assert_eq!(status.code(), Some(0), "{events:?}");
    let started = events
        .iter()
        .find(|event| event["event"] == "trial_started");
    let project = started.expect("a start")["project"]
        .as_str()
        .expect("its project");
    assert!(project.starts_with("duress-"), "{project}");
    assert!(
        events
            .iter()
            .all(|event| event["event"] == "summary" || event["time"].is_string()),
        "{events:?}"
    );
    let told = |event: &Value| {
        if event["phase"] == "rollback" {
            return Some("rollback".to_owned());
        }
        let (verb, rest) = event["message"].as_str()?.split_once(": ")?;
        let word = rest.split(' ').next()?;
        matches!(verb, "applied" | "reverted").then(|| format!("{verb} {word}"))
    };
    let kinds: Vec<String> = events.iter().filter_map(told).collect();
    assert_eq!(
        kinds,
        [
            "applied delay",
            "applied pause",
            "applied drop",
            "reverted pause",
            "reverted drop",
            "rollback",
            "reverted delay",
        ]
    );
    let shown = program.json(&["show", "trial-bare-slow-then-frozen-1"]);
    assert_eq!(shown["trial"]["metadata"].as_array().unwrap().len(), 3);
    assert_eq!(
        shown["trial"]["targets"],
        serde_json::json!(["bare", "locked"])
    );
    assert_eq!(program.left(), [""; 0]);
}

#[test]
fn two_sources_of_wrong_dns_answers_for_one_container_are_refused_before_anything_starts() {
    for fault in ["dns_failure", "bandwidth, params: {rate_kbit: 1000}"] {
        let program = Program::new();
        let file = campaign(
            &program,
            &format!(
                "name: twice
subjects: [bare]
chaos_types:
  - label: both
    duration_seconds: 4
    steps:
      - {{type: {fault}, targets: [bare]}}
      - {{at: 1s, type: {fault}, targets: [bare, peer]}}
"
            ),
        );
        let name = fault.split(',').next().unwrap();
        let says = format!(
            "and step 1 (`{name}`, from 0 s on, until the trial's end) may both take `bare`"
        );
        program.run(&["run", "campaign", &file]).refuses(&[
            &says,
            "at a time",
            "name different `targets`",
        ]);
        assert!(!program.database().exists(), "nothing has begun");
    }
}

/// Restarts the target of a latency while it holds. What the run says, and whether a rule is there again before its end.
fn restarted(policy: &str) -> (String, bool) {
    let program = Program::new();
    let file = campaign(
        &program,
        &format!(
            "name: restarted
subjects: [bare]
chaos_types:
  - {{type: network_partition, duration_seconds: 12, targets: [bare], on_target_restart: {policy}}}
"
        ),
    );
    let running = program.start(&["run", "campaign", &file]);
    running.wait_for_change();
    let target = Container::of(&project(&program), "bare");
    docker(&["restart", "--time", "0", &target.0]);
    let event = running.wait_for("that it is no longer in effect", |event| {
        event["message"]
            .as_str()
            .is_some_and(|message| message.starts_with("no longer in effect"))
    });
    let again = target.rules().iter().any(|rule| rule.contains("duress"));
    let (_, events) = running.end();
    let ended = events.iter().find(|event| event["event"] == "trial_ended");
    let expected = match policy {
        "reapply" => "passed",
        _ => "disturbed",
    };
    assert_eq!(ended.expect("an end")["outcome"], expected, "{events:?}");
    assert_eq!(program.left(), [""; 0]);
    (event["message"].as_str().unwrap().to_owned(), again)
}

#[test]
fn a_fault_whose_target_restarts_is_no_evidence() {
    let (said, again) = restarted("record");
    assert!(!said.contains("again"), "{said}");
    assert!(!again);
}

#[test]
fn a_fault_whose_target_restarts_is_made_again_where_that_is_wanted() {
    let (said, again) = restarted("reapply");
    assert!(said.ends_with("it was made again"), "{said}");
    assert!(again);
}
