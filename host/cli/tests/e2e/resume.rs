//! Resuming a campaign that was interrupted: what has finished stays, the rest runs, and nothing else than what it began with.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::program::{Program, noop};

const CAMPAIGN: &str = "name: long\nsubjects: [noop]\nseed: 3\ntrials_per_combination: 6\ndefaults: {duration_seconds: 0.5}\ninclude_baseline: true\n";

/// Returns the campaign's file, beside the database.
fn file(program: &Program) -> PathBuf {
    let file = program.folder.path().join("long.yaml");
    fs::write(&file, CAMPAIGN).unwrap();
    file
}

/// A campaign that was killed with SIGKILL when two trials had ended.
fn killed(program: &Program) {
    let file = file(program);
    let running = program.start(&["run", "campaign", file.to_str().unwrap()]);
    for _ in 0..2 {
        running.wait_for("a trial's end", |event| event["event"] == "trial_ended");
    }
    running.signal("KILL");
    running.end();
}

/// Returns what has finished, by name: the row, its seed and its outcome.
fn finished(program: &Program) -> BTreeMap<String, (String, u64)> {
    let shown = program.json(&["show", "long"]);
    let trials = shown["trials"].as_array().unwrap().iter();
    trials
        .filter(|trial| trial["outcome"] == "passed")
        .map(|trial| {
            let name = trial["name"].as_str().unwrap().to_owned();
            (
                name,
                (
                    trial["id"].as_str().unwrap().to_owned(),
                    trial["seed"].as_u64().unwrap(),
                ),
            )
        })
        .collect()
}

#[test]
fn what_has_finished_stays_and_the_rest_runs_once() {
    let program = Program::new();
    killed(&program);
    let before = finished(&program);
    assert!((2..6).contains(&before.len()), "{before:?}");

    let resumed = program.run(&["resume", "long"]);
    assert_eq!(resumed.code(), 0, "{}", resumed.said());
    assert!(
        resumed.said().contains("that have finished"),
        "{}",
        resumed.said()
    );
    let after = finished(&program);
    assert_eq!(after.len(), 6);
    for (name, row) in &before {
        assert_eq!(after.get(name), Some(row), "{name} is as it was");
    }
    let campaign = &program.json(&["list"])[0];
    assert_eq!(campaign["outcome"], "completed");
    assert_eq!(
        (&campaign["trials_ended"], &campaign["trials_passed"]),
        (&6.into(), &6.into())
    );
    let shown = program.json(&["show", "long"]);
    let attempts: Vec<&Value> = shown["trials"].as_array().unwrap().iter().collect();
    let cancelled = attempts.iter().filter(|trial| trial["superseded"] == true);
    assert_eq!(
        attempts.len(),
        6 + cancelled.count(),
        "what was cut short is on record too"
    );

    let again = program.run(&["resume", "long"]);
    assert_eq!(again.code(), 0);
    assert!(
        again.said().contains("Nothing is left to run"),
        "{}",
        again.said()
    );
}

#[test]
fn an_interrupted_campaign_says_how_to_go_on_and_its_file_does_so() {
    let program = Program::new();
    let file = file(&program);
    let file = file.to_str().unwrap();
    let running = program.start(&["run", "campaign", file]);
    running.wait_for("a trial's end", |event| event["event"] == "trial_ended");
    running.signal("INT");
    let (status, _) = running.end();
    assert_eq!(status.code(), Some(1));
    let resumed = program.run(&["run", "campaign", file, "--resume", "--parallel", "3"]);
    assert_eq!(resumed.code(), 0, "{}", resumed.said());
    assert_eq!(finished(&program).len(), 6);
    assert_eq!(
        program.json(&["list"]).as_array().unwrap().len(),
        1,
        "it is one campaign"
    );
}

#[test]
fn a_changed_file_is_refused_with_the_difference() {
    let program = Program::new();
    killed(&program);
    let file = program.folder.path().join("long.yaml");
    fs::write(&file, CAMPAIGN.replace("combination: 6", "combination: 7")).unwrap();
    let file = file.to_str().unwrap();
    let difference = "-trials_per_combination: 6\n+trials_per_combination: 7";
    program
        .run(&["resume", "long"])
        .refuses(&[difference, "--stored"]);
    program
        .run(&["run", "campaign", file, "--resume"])
        .refuses(&[difference, "leave --resume out"]);
    let stored = program.run(&["resume", "long", "--stored"]);
    assert_eq!(stored.code(), 0, "{}", stored.said());
    assert_eq!(finished(&program).len(), 6);
}

#[test]
fn a_changed_component_is_refused() {
    let program = Program::new();
    program.plugin("copy", &noop(), "{}");
    let copy = program.folder.path().join("plugins/copy");
    let subject = program.folder.path().join("subjects/copied");
    fs::create_dir_all(&subject).unwrap();
    fs::write(
        subject.join("subject.yaml"),
        "name: copied\nsummary: a copy\nplugin: copy\ntimeouts: {fault_seconds: 2}\n",
    )
    .unwrap();
    let file = program.folder.path().join("long.yaml");
    fs::write(&file, CAMPAIGN.replace("[noop]", "[copied]")).unwrap();
    let running = program.start(&["run", "campaign", file.to_str().unwrap()]);
    running.wait_for("a trial's end", |event| event["event"] == "trial_ended");
    running.signal("INT");
    running.end();

    // A custom section (0, its length, its name) changes what a component is, and not what it does.
    let changed = [noop(), vec![0, 2, 1, b'x']].concat();
    fs::write(copy.join("component.wasm"), changed).unwrap();
    program
        .run(&["resume", "long", "--stored"])
        .refuses(&["plugins/copy was sha256:", "put back what it began with"]);
    program.plugin("copy", &noop(), "{changed: true}");
    program
        .run(&["resume", "long", "--stored"])
        .refuses(&["plugins/copy/plugin.yaml was"]);
}

#[test]
fn what_cannot_be_gone_on_with_is_told_apart() {
    let program = Program::new();
    program
        .run(&["resume", "long"])
        .refuses(&["no database at"]);
    let file = file(&program);
    let file = file.to_str().unwrap();
    let running = program.start(&["run", "campaign", file]);
    running.wait_for("a trial's end", |event| event["event"] == "trial_ended");
    program
        .run(&["resume", "long"])
        .refuses(&["another process runs it"]);
    running.signal("INT");
    running.end();
    program
        .run(&["resume", "lonk"])
        .refuses(&["did you mean `long`?"]);
    let other = program.folder.path().join("other.yaml");
    fs::write(&other, CAMPAIGN).unwrap();
    program
        .run(&["run", "campaign", other.to_str().unwrap(), "--resume"])
        .refuses(&["no campaign", "was begun from"]);
    let dry = program.run(&[
        "run",
        "--subject",
        "noop",
        "--chaos",
        "nothing",
        "--dry-run",
    ]);
    assert_eq!(dry.code(), 0, "{}", dry.said());
    let id = program.json(&["list"])[0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    program.run(&["resume", &id]).refuses(&["was a dry run"]);
}
