//! Whole runs of the program, to their end and cut short: nothing is left in any case.

use serde_json::Value;

use crate::docker::{Container, docker};
use crate::program::{Program, Running, on_etcd};
use crate::wait::until_true;

/// Returns the project of the one stack that runs for a database.
pub fn project(program: &Program) -> String {
    let filter = format!("label=io.duress.database={}", program.database().display());
    let projects = docker(&[
        "ps",
        "-a",
        "--filter",
        &filter,
        "--format",
        "{{.Label \"io.duress.project\"}}",
    ]);
    projects.lines().next().expect("a stack runs").to_owned()
}

fn start(program: &Program, fault: &str, duration: &str) -> Running {
    program.start(&on_etcd(fault, duration))
}

#[test]
fn a_run_passes_is_on_record_and_leaves_nothing() {
    let program = Program::new();
    let running = program.start(&[
        "run",
        "--subject",
        "etcd",
        "--chaos",
        "node_kill",
        "--baseline",
        "--trials",
        "1",
        "--parallel",
        "2",
        "--duration",
        "2",
    ]);
    let (status, events) = running.end();
    assert_eq!(status.code(), Some(0), "{events:?}");
    let summary = events.last().expect("a summary");
    assert_eq!(summary["event"], "summary");
    let rows = summary["combinations"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    assert!(
        rows.iter()
            .all(|row| row["passed"] == 1 && row["trials"] == 1),
        "{summary}"
    );
    assert_eq!(program.left(), [""; 0]);

    let campaigns = program.json(&["list"]);
    assert_eq!(campaigns[0]["outcome"], "completed");
    let shown = program.json(&["show", "trial-etcd-node_kill-1", "--audit", "--log"]);
    let trial = &shown["trial"];
    assert_eq!(trial["outcome"], "passed");
    assert!(
        trial["recovery_ms"].as_i64().is_some_and(|ms| ms >= 0),
        "{trial}"
    );
    assert_eq!(trial["metadata"]["chaos_type"], "node_kill");
    assert_eq!(
        trial["state_before"]["document"]["members"]
            .as_array()
            .unwrap()
            .len(),
        3
    );
    assert!(
        trial["digests"]["etcd"]
            .as_str()
            .unwrap()
            .starts_with("sha256:")
    );
    let phases: Vec<_> = shown["phases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|phase| phase["phase"].as_str().unwrap())
        .collect();
    assert_eq!(
        phases,
        [
            "init",
            "baseline_check",
            "fault_injection",
            "monitoring",
            "rollback",
            "post_validation"
        ]
    );
    assert!(
        shown["changes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|change| change["status"] == "reverted")
    );
    let calls = shown["audit"].as_array().unwrap();
    assert!(
        calls
            .iter()
            .any(|call| call["call"] == "changes.apply" && call["verdict"] == "allowed")
    );
    assert!(calls.iter().any(|call| call["call"] == "stack.up"));
    the_audit_is_filtered(&program);
}

/// Checks which of a trial's calls are shown.
fn the_audit_is_filtered(program: &Program) {
    let name = "trial-etcd-node_kill-1";
    let show = |more: &[&str]| {
        let all = program.json(&[&["show", name, "--audit"], more].concat());
        let calls = all["audit"].as_array().unwrap().iter();
        let text = |call: &Value, key: &str| call[key].as_str().unwrap().to_owned();
        let calls = calls.map(|call| (text(call, "plugin"), text(call, "function")));
        calls.collect::<Vec<_>>()
    };
    let is_in = |function: &str, name: &str| function.rsplit('.').next() == Some(name);
    let usual = show(&[]);
    assert!(usual.iter().any(|(_, function)| is_in(function, "inject")));
    assert!(usual.iter().any(|(_, function)| is_in(function, "reset")));
    assert!(
        usual.iter().all(|(_, function)| !is_in(function, "health")),
        "{usual:?}"
    );
    for function in ["inject", "health"] {
        let some = show(&["--function", function]);
        assert!(
            !some.is_empty() && some.iter().all(|(_, one)| is_in(one, function)),
            "{some:?}"
        );
    }
    assert_eq!(show(&["--function", "nothing"]), []);
    assert_eq!(show(&["--plugin", "etcd"]), usual);
    assert_eq!(show(&["--plugin", "faults"]), []);
    // As text: what was left out is told, and each change's actions stand beside it.
    let text = program.run(&["show", name, "--audit"]);
    assert!(
        text.said().contains("`--function health` shows those"),
        "{}",
        text.said()
    );
    let printed = text.printed();
    for line in [
        "  apply  send SIGKILL to its first process",
        "  revert start it",
    ] {
        assert!(printed.contains(line), "{line}: {printed}");
    }
    program
        .run(&["show", name, "--function", "inject"])
        .refuses(&["--audit"]);
}

#[test]
fn the_time_to_recover_is_set_by_a_flag() {
    let program = Program::new();
    let run = |limit: &str| {
        let words = ["run", "--subject", "noop", "--baseline", "--duration", "0"];
        program.run(&[&words[..], &["--recovery-timeout", limit]].concat())
    };
    assert_eq!(run("7.5").code(), 0);
    let trial = &program.json(&["show", "trial-noop-baseline-1", "--log"])["trial"];
    assert_eq!(trial["spec"]["recovery_timeout_ms"], 7_500);
    for (limit, says) in [
        ("-1", "`--recovery-timeout` is -1"),
        ("nan", "a number of seconds"),
    ] {
        run(limit).refuses(&[says]);
    }
}

#[test]
fn the_newest_trials_of_a_campaign_are_shown_first_of_all() {
    let program = Program::new();
    let words = ["run", "--subject", "noop", "--baseline", "--duration", "0"];
    let ran = program.run(&[&words[..], &["--trials", "3"]].concat());
    assert_eq!(ran.code(), 0, "{}", ran.said());
    let campaigns = program.json(&["list"]);
    let id = campaigns[0]["id"].as_str().unwrap();
    let shown = program.json(&["show", id, "--limit", "2"]);
    let trials = shown["trials"].as_array().unwrap();
    let names: Vec<_> = trials.iter().map(|trial| trial["name"].as_str()).collect();
    let newest = ["trial-noop-baseline-2", "trial-noop-baseline-3"];
    assert_eq!(names, newest.map(Some), "{shown}");
}

#[test]
fn a_trial_runs_again_with_the_same_seed_and_targets() {
    let program = Program::new();
    let first = program.run(&[
        "run",
        "--subject",
        "etcd",
        "--chaos",
        "process_pause",
        "--duration",
        "1",
    ]);
    assert_eq!(first.code(), 0, "{}", first.said());
    let before = program.json(&["show", "trial-etcd-process_pause-1", "--log"]);
    let again = program.run(&["run", "trial", before["trial"]["id"].as_str().unwrap()]);
    assert_eq!(again.code(), 0, "{}", again.said());
    let after = program.json(&["show", "trial-etcd-process_pause-1", "--log"]);
    assert_ne!(before["trial"]["id"], after["trial"]["id"]);
    assert_eq!(before["trial"]["seed"], after["trial"]["seed"]);
    assert_eq!(before["trial"]["targets"], after["trial"]["targets"]);
}

#[test]
fn the_member_that_is_cut_off_is_seen_from_outside_and_is_back_afterwards() {
    let program = Program::new();
    let running = start(&program, "network_partition", "6");
    let summary = running.wait_for_change();
    let isolated = summary.split(' ').nth(4).expect("a name").to_owned();
    let project = project(&program);
    let health = |service: &str| {
        let endpoint = format!("http://{}:2379", Container::of(&project, service).address());
        let asked = Container::of(&project, &isolated);
        // From within, so that the partition's own side is what answers.
        asked
            .run(&[
                "etcdctl",
                "--command-timeout=2s",
                "--endpoints",
                &endpoint,
                "endpoint",
                "health",
            ])
            .0
    };
    assert!(!health(&isolated), "without a majority it is unhealthy");
    let other = ["etcd0", "etcd1", "etcd2"]
        .into_iter()
        .find(|name| *name != isolated)
        .unwrap();
    assert!(!health(other), "and it reaches no other");
    let (status, events) = running.end();
    assert_eq!(status.code(), Some(0), "{events:?}");
    let ended = events
        .iter()
        .find(|event| event["event"] == "trial_ended")
        .unwrap();
    assert_eq!(ended["outcome"], "passed", "{ended}");
    assert_eq!(program.left(), [""; 0]);
}

/// Kills the program in the middle of a fault; its fault stays in force until `duress recover` reverts it.
fn killed(fault: &str, is_broken: impl Fn(&Container) -> bool) {
    let program = Program::new();
    let running = start(&program, fault, "120");
    running.wait_for_change();
    // It is written after the change is in force.
    let mut target = None;
    until_true("the target is on record", || {
        let shown = program.json(&["show", &format!("trial-etcd-{fault}-1")]);
        target = shown["trial"]["targets"][0].as_str().map(str::to_owned);
        target.is_some()
    });
    let target = target.expect("a target");
    running.signal("KILL");
    let (status, _) = running.end();
    assert_eq!(status.code(), None, "it had no time to tidy up");
    let target = Container::of(&project(&program), &target);
    assert!(is_broken(&target), "the fault outlives the program");

    let recovered = program.run(&["recover"]);
    assert_eq!(recovered.code(), 0, "{}", recovered.said());
    assert!(
        recovered.said().contains("reverted"),
        "{}",
        recovered.said()
    );
    assert_eq!(program.left(), [""; 0]);
    let shown = program.json(&["show", &format!("trial-etcd-{fault}-1"), "--log"]);
    assert_eq!(shown["trial"]["outcome"], "cancelled");
    assert!(
        shown["changes"]
            .as_array()
            .unwrap()
            .iter()
            .all(|change| change["status"] == "reverted"),
        "{shown}"
    );
    assert_eq!(program.json(&["list"])[0]["outcome"], "interrupted");
    let again = program.run(&["recover"]);
    assert_eq!(
        (again.code(), again.printed().trim()),
        (0, "Nothing to recover.")
    );
}

#[test]
fn killed_in_a_partition() {
    killed("network_partition", |target| {
        target.rules().iter().any(|rule| rule.contains("duress"))
    });
}

#[test]
fn killed_in_a_pause() {
    killed("process_pause", |target| {
        target.inspect("{{.State.Paused}}") == "true"
    });
}

#[test]
fn killed_with_a_full_disk() {
    killed("disk_pressure", |target| {
        target.run(&["sh", "-c", "ls /data/duress-fill-*"]).0
    });
}

#[test]
fn killed_in_latency() {
    killed("latency", |target| {
        target.rules().iter().any(|rule| rule.contains("duress"))
            || target.run(&["tc", "qdisc", "show"]).1.contains("netem")
    });
}

#[test]
fn killed_under_load() {
    killed("cpu_stress", |target| {
        target.run(&["ps", "ax"]).1.contains("burn_cpu")
    });
}

#[test]
fn the_next_run_takes_back_what_a_killed_one_left() {
    let program = Program::new();
    let running = start(&program, "process_pause", "120");
    running.wait_for_change();
    running.signal("KILL");
    drop(running.end());
    assert!(!program.left().is_empty());
    let next = program.run(&["run", "--subject", "etcd", "--baseline", "--duration", "0"]);
    assert_eq!(next.code(), 0, "{}", next.said());
    assert!(next.said().contains("reverted: pause"), "{}", next.said());
    assert_eq!(program.left(), [""; 0]);
}

#[test]
fn a_living_run_is_nobody_elses_to_recover() {
    let program = Program::new();
    let running = start(&program, "process_pause", "120");
    running.wait_for_change();
    let recovered = program.run(&["recover"]);
    assert_eq!(
        (recovered.code(), recovered.printed().trim()),
        (0, "Nothing to recover.")
    );
    assert!(!program.left().is_empty());
    running.signal("TERM");
    let (status, _) = running.end();
    assert_eq!(status.code(), Some(1));
    assert_eq!(program.left(), [""; 0]);
}

fn interrupted(events: &[Value]) -> bool {
    events
        .iter()
        .any(|event| event["event"] == "campaign_ended" && event["interrupted"] == true)
}

#[test]
fn an_interrupt_in_a_fault_rolls_it_back_and_leaves_nothing() {
    let program = Program::new();
    let running = start(&program, "network_partition", "120");
    running.wait_for_change();
    running.signal("INT");
    let (status, events) = running.end();
    assert_eq!(status.code(), Some(1));
    assert!(interrupted(&events), "{events:?}");
    assert!(
        events.iter().any(|event| event["message"]
            .as_str()
            .is_some_and(|line| line.starts_with("reverted: "))),
        "{events:?}"
    );
    assert_eq!(program.left(), [""; 0]);
}

#[test]
fn an_interrupt_while_the_stack_comes_up_leaves_nothing() {
    let program = Program::new();
    let running = start(&program, "node_kill", "120");
    until_true("a part of the stack", || !program.left().is_empty());
    running.signal("INT");
    let (status, events) = running.end();
    assert_eq!(status.code(), Some(1));
    assert!(interrupted(&events), "{events:?}");
    assert_eq!(program.left(), [""; 0]);
}

#[test]
fn a_dry_run_shows_the_programs_and_changes_nothing() {
    let program = Program::new();
    let dry = program.run(&[
        "run",
        "--subject",
        "etcd",
        "--chaos",
        "network_partition",
        "--dry-run",
    ]);
    assert_eq!(dry.code(), 0, "{}", dry.said());
    assert!(dry.said().contains("iptables"), "{}", dry.said());
    let shown = program.json(&["show", "trial-etcd-network_partition-1", "--log"]);
    assert_eq!(shown["changes"], serde_json::json!([]));
    assert_eq!(program.left(), [""; 0]);
}

#[test]
fn a_fault_that_meets_no_packet_proves_nothing() {
    let program = Program::new();
    let file = program.folder.path().join("quiet.yaml");
    let campaign = "name: quiet\nsubjects: [etcd]\ndefaults: {duration_seconds: 2}\nchaos_types:\n  - type: faults:network_partition\n    \
                    params: {to: [\"192.0.2.7\"]}\n";
    std::fs::write(&file, campaign).unwrap();
    let ended = program.run(&["run", "campaign", file.to_str().unwrap()]);
    assert_eq!(ended.code(), 1, "{}", ended.said());
    let trial = &program.json(&["show", "trial-etcd-network_partition-1"])["trial"];
    assert_eq!(trial["outcome"], "invalid", "{trial}");
    let why = trial["error"].to_string();
    assert!(why.contains("met no packet"), "{why}");
    assert_eq!(program.left(), [""; 0]);
}

/// With the containers' own tools, as for somebody who is not root beside the engine.
#[test]
fn the_driver_in_the_container_breaks_and_mends_as_well() {
    let program = Program::new();
    for fault in ["network_partition", "disk_pressure"] {
        let run = on_etcd(fault, "3");
        let running = program.start(&[&run[..], &["--net-driver", "container"]].concat());
        running.wait_for_change();
        let project = project(&program);
        let members = ["etcd0", "etcd1", "etcd2"].map(|name| Container::of(&project, name));
        let broken = |member: &Container| match fault {
            "network_partition" => member.rules().iter().any(|rule| rule.contains("duress:")),
            _ => member.run(&["sh", "-c", "ls /data/duress-fill-*"]).0,
        };
        assert_eq!(
            members.iter().filter(|member| broken(member)).count(),
            1,
            "{fault}"
        );
        let (status, events) = running.end();
        assert_eq!(status.code(), Some(0), "{fault}: {events:?}");
        assert_eq!(program.left(), [""; 0]);
    }
}
