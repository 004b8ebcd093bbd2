//! A component that may make containers otherwise, replace files and start programs, and tries it where and how it may not.

use std::collections::BTreeSet;

use serde_json::json;

use crate::docker::docker;
use crate::hostile::Victim;
use crate::program::Program;

/// Two containers with tools, of which one may be touched.
const COMPOSE: &str = "
services:
  target: &one
    image: ${DURESS_BASE_IMAGE}
    command: [sleep, infinity]
    init: true
  other: *one
";
const PERMISSIONS: &str = "{actions: [pause, recreate, scale, run_offline, run_program], \
    programs: {container: [printf], look: [printf]}, \
    files: {replace: ['/var/run/*', /var/lib/attack, /etc/mtab], read: ['/var/run/*', /etc/mtab]}, \
    http: [stack], tcp: [stack], logs: true, stack: true}";

#[test]
fn a_component_makes_nothing_otherwise_beyond_its_targets_permissions_and_limits() {
    let program = Program::new();
    program.stack("rebuilding", PERMISSIONS, COMPOSE, "target");
    let victim = Victim::new();
    let differences = || docker(&["diff", &victim.0]);
    let before = differences();
    let others = ["other", victim.0.as_str(), &victim.0[..12]];
    let params = json!({ "how": "rebuild", "with": others });
    let campaign = json!({
        "name": "rebuilding",
        "subjects": ["rebuilding"],
        "defaults": { "duration_seconds": 1 },
        "chaos_types": [{ "type": "misbehave", "label": "rebuild", "params": params, "targets": ["target"] }],
    });
    let file = program.folder.path().join("rebuilding.yaml");
    std::fs::write(&file, campaign.to_string()).unwrap();
    let mut command = program.command(&["run", "campaign", file.to_str().unwrap()]);
    let ended = command.env("DURESS_PATH", program.folder.path()).output();
    let said = String::from_utf8_lossy(&ended.unwrap().stderr).into_owned();
    assert!(victim.is_untouched());
    assert_eq!(differences(), before);

    let shown = program.json(&["show", "trial-rebuilding-rebuild-1", "--audit"]);
    let trial = &shown["trial"];
    assert_eq!(trial["outcome"], "failed", "{said}");
    let error = trial["error"].as_str().unwrap();
    let tried = error
        .split_once("all ")
        .unwrap_or_else(|| panic!("{error}"))
        .1;
    assert!(tried.ends_with(" attempts were refused"), "{error}");
    let audit = shown["audit"].as_array().unwrap();
    let denied = audit.iter().filter(|row| row["verdict"] == "denied");
    let calls: BTreeSet<&str> = denied.filter_map(|row| row["call"].as_str()).collect();
    let expected = [
        "checks.apply",
        "deployment.replace",
        "deployment.run-offline",
        "deployment.scale",
        "files.apply",
        "files.read",
        "programs.start",
    ];
    assert_eq!(calls, BTreeSet::from(expected));
    assert_eq!(shown["changes"], json!([]), "nothing was changed");
    assert_eq!(program.left(), [""; 0]);
}
