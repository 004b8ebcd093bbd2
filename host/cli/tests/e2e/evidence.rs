//! Somebody else has a hand in a trial: it is told, and is not a result.

use crate::docker::{Container, docker};
use crate::program::Program;

const CAMPAIGN: &str = "
name: disturbed
subjects: [bare]
parallel: 3
defaults: {duration_seconds: 8, targets: [bare]}
chaos_types:
  - {type: process_pause, label: restarted, duration_seconds: 9}
  - {type: process_pause, label: unplugged}
  - {type: process_pause, label: quiet, duration_seconds: 10}
";

#[test]
fn a_trial_that_somebody_else_touched_is_disturbed_and_its_neighbour_is_not() {
    let program = Program::new();
    let file = program.folder.path().join("disturbed.yaml");
    std::fs::write(&file, CAMPAIGN).unwrap();
    let running = program.start(&["run", "campaign", file.to_str().unwrap()]);
    let project = |label: &str| {
        let trial = format!("trial-bare-{label}-1");
        let shown = program.json(&["show", &trial, "--log"]);
        shown["trial"]["project"].as_str().unwrap().to_owned()
    };
    for _ in 0..3 {
        running.wait_for("a fault", |event| {
            let message = event["message"].as_str();
            message.is_some_and(|message| message.starts_with("applied"))
        });
    }
    let peer = Container::of(&project("restarted"), "peer");
    docker(&["restart", "--time", "0", &peer.0]);
    let unplugged = project("unplugged");
    let peer = Container::of(&unplugged, "peer");
    let network = format!("{unplugged}_default");
    docker(&["network", "disconnect", &network, &peer.0]);
    docker(&["network", "connect", &network, &peer.0]);
    let (status, events) = running.end();
    assert_eq!(status.code(), Some(1), "{events:?}");
    for (label, outcome, reason) in [
        ("restarted", "disturbed", "peer was restarted"),
        (
            "unplugged",
            "disturbed",
            "peer was disconnected from the network default",
        ),
        ("quiet", "passed", ""),
    ] {
        let trial = &program.json(&["show", &format!("trial-bare-{label}-1"), "--log"])["trial"];
        assert_eq!(trial["outcome"], outcome, "{label}: {trial}");
        let error = trial["error"].as_str().unwrap_or_default();
        assert!(error.contains(reason), "{label}: {error}");
    }
    let summary = events.last().expect("a summary");
    let rows = summary["combinations"].as_array().unwrap();
    assert!(rows.iter().all(|row| row["failed"] == 0), "{summary}");

    // A dry run is marked, and hides no trial that was run.
    let run = [
        "run",
        "--subject",
        "bare",
        "--chaos",
        "process_pause",
        "--target",
        "bare",
    ];
    let ran = program.run(&[&run[..], &["--duration", "1"]].concat());
    assert_eq!(ran.code(), 0, "{}", ran.said());
    assert!(ran.said().contains("stayed healthy"), "{}", ran.said());
    assert_eq!(program.run(&[&run[..], &["--dry-run"]].concat()).code(), 0);
    let name = "trial-bare-process_pause-1";
    let shown = program.run(&["show", name]).printed();
    assert!(
        shown.contains("passed") && shown.contains("changed bare"),
        "{shown}"
    );
    assert!(!shown.contains("dry run"), "{shown}");
    let listed = program.run(&["list"]).printed();
    assert!(listed.contains("completed (dry run)"), "{listed}");
    assert_eq!(program.left(), [""; 0]);
}
