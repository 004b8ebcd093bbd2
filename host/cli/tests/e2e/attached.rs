//! Systems that ran before duress came, and go on running when it has gone.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::docker::{Container, attempt, docker, labelled};
use crate::program::{Ended, Program, Running};
use crate::wait::until_true;

/// Containers that no duress made, with a label of their own. They go at the end.
struct Shop {
    program: Program,
    label: String,
    containers: Vec<Container>,
}

impl Shop {
    fn new(number: usize) -> Self {
        let label = format!("shop={}", uuid::Uuid::now_v7().simple());
        let image = std::env::var("DURESS_BASE_IMAGE").unwrap();
        let start = |index: usize| {
            let name = format!("{}-{index}", label.replace('=', "-"));
            let run = [
                "run", "--detach", "--init", "--cpus", "1", "--memory", "128m",
            ];
            let rest = ["--label", &label, "--name", &name, &image, "sleep", "600"];
            docker(&[&run[..], &rest].concat());
            Container(name)
        };
        let containers = (0..number).map(start).collect();
        Self {
            program: Program::new(),
            label,
            containers,
        }
    }

    /// Puts a subject that attaches to them into a folder of the user's own, and a campaign with these lines about its fault.
    fn campaign(&self, attach: &str, fault: &str) -> String {
        let root = self.program.folder.path();
        let subject = root.join("subjects/shop");
        fs::create_dir_all(&subject).unwrap();
        let manifest = format!("name: shop\nsummary: Somebody's shop\nattach: {attach}\n");
        fs::write(subject.join("subject.yaml"), manifest).unwrap();
        let file = root.join("campaign.yaml");
        let text = format!("name: shop\nsubjects: [shop]\nchaos_types:\n  - {fault}\n");
        fs::write(&file, text).unwrap();
        file.display().to_string()
    }

    fn labels(&self) -> String {
        format!("{{labels: [\"{}\"]}}", self.label)
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.program.command(arguments);
        command.current_dir(self.program.folder.path());
        command.env_remove("DURESS_PATH");
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&mut self.command(arguments))
    }

    fn start(&self, arguments: &[&str]) -> Running {
        Running::of(&mut self.command(arguments))
    }

    fn name(&self, index: usize) -> &str {
        &self.containers[index].0
    }

    fn inject<'a>(&'a self, fault: &'a str, rest: &[&'a str]) -> Vec<&'a str> {
        [&["inject", fault, "--container", self.name(0)], rest].concat()
    }

    /// Returns all that a fault could have left in a container: its life, its limits, its rules, its queues, its files.
    fn state(&self) -> Vec<String> {
        let of = |container: &Container| {
            let mut state = container.inspect(
                "{{.Id}} {{.State.StartedAt}} {{.State.Status}} {{.RestartCount}} {{.HostConfig.NanoCpus}} {{.HostConfig.Memory}} \
                 {{.HostConfig.MemorySwap}} {{.HostConfig.PidsLimit}} {{json .NetworkSettings.Networks}}",
            );
            write!(state, "\n{}", container.rules().join("\n")).unwrap();
            write!(
                state,
                "\n{}",
                container.in_network(&["tc", "qdisc", "show"])
            )
            .unwrap();
            write!(state, "\n{}", docker(&["diff", &container.0])).unwrap();
            state
        };
        self.containers.iter().map(of).collect()
    }

    /// Returns what duress made and left on the engine.
    fn left(&self) -> Vec<String> {
        let of = |container: &Container| {
            let id = container.inspect("{{.Id}}");
            labelled(&format!("io.duress.toolbox-of={id}"))
        };
        let beside = self.containers.iter().flat_map(of);
        self.program.left().into_iter().chain(beside).collect()
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.run(&["recover"]);
        }
        for container in &self.containers {
            attempt(&["rm", "--force", "--volumes", &container.0]);
        }
    }
}

fn outcome(events: &[Value]) -> &str {
    let ended = events.iter().find(|event| event["event"] == "trial_ended");
    ended.expect("a trial ended")["outcome"].as_str().unwrap()
}

#[test]
fn a_running_system_is_broken_in_part_and_left_as_it_was() {
    let shop = Shop::new(3);
    let before = shop.state();
    let file = shop.campaign(
        &shop.labels(),
        "{type: process_pause, duration_seconds: 4, targets: {percent: 70%}}",
    );
    let running = shop.start(&["run", "campaign", &file, "--yes"]);
    running.wait_for_change();
    // 70 % of 3 is 2.1, and never more are hurt than asked.
    until_true("two of three are paused", || {
        let paused = shop.containers.iter();
        paused
            .filter(|one| one.inspect("{{.State.Status}}") == "paused")
            .count()
            == 2
    });
    let (status, events) = running.end();
    assert!(status.success(), "{events:?}");
    assert_eq!(outcome(&events), "passed");
    assert_eq!(shop.state(), before);
    assert_eq!(shop.left(), [""; 0]);
}

#[test]
fn limits_rules_and_queues_of_a_running_system_are_those_of_before() {
    let shop = Shop::new(2);
    let mine = [
        "iptables", "-A", "OUTPUT", "-p", "tcp", "--dport", "9", "-j", "DROP",
    ];
    shop.containers[0].in_network(&mine);
    let before = shop.state();
    for (fault, rest) in [
        ("cpu_limit", ["--param", "cpus=0.3"].as_slice()),
        ("memory_limit", &["--param", "memory_mb=64"]),
        ("latency", &["--param", "min_ms=60", "--param", "max_ms=60"]),
        (
            "cpu_stress",
            &["--param", "percent=20", "--param", "workers=1"],
        ),
    ] {
        let arguments = shop.inject(fault, &[rest, &["--for", "4s"]].concat());
        let running = shop.start(&arguments);
        running.wait_for_change();
        if fault == "latency" {
            let slow = shop.containers[0].pings(&shop.containers[1], 5);
            assert!(slow.iter().all(|time| *time > 50.0), "{slow:?}");
        }
        let (status, events) = running.end();
        assert!(status.success(), "{fault}: {events:?}");
        assert_eq!(shop.state(), before, "after {fault}");
    }
    assert_eq!(shop.left(), [""; 0]);
}

#[test]
fn a_fault_in_force_is_listed_and_ends_when_the_user_says_so() {
    let shop = Shop::new(1);
    let before = shop.state();
    let nothing: Value = serde_json::from_str(&shop.run(&["status", "--json"]).printed()).unwrap();
    assert_eq!(nothing["changes"], serde_json::json!([]));
    let running = shop.start(&shop.inject("process_pause", &["--for", "10m"]));
    running.wait_for_change();
    // That it is in force is put on record behind it.
    until_true("it is listed as in force", || {
        let status = shop.run(&["status"]);
        assert_eq!(status.code(), 0, "{}", status.said());
        let listed = status.printed();
        listed.contains(shop.name(0)) && listed.contains("in_force")
    });
    running.signal("INT");
    let (status, events) = running.end();
    assert!(status.success(), "{events:?}");
    assert_eq!(shop.state(), before);
    assert!(
        shop.run(&["status"])
            .printed()
            .contains("No fault is in force")
    );
    assert_eq!(shop.left(), [""; 0]);
}

#[test]
fn what_a_killed_duress_left_in_a_running_system_is_recovered() {
    for driver in ["namespace", "toolbox"] {
        let shop = Shop::new(2);
        let before = shop.state();
        let hold = ["--for", "10m", "--net-driver", driver];
        let arguments = shop.inject(
            "latency",
            &[&["--param", "min_ms=60", "--param", "max_ms=60"], &hold[..]].concat(),
        );
        let running = shop.start(&arguments);
        running.wait_for_change();
        running.signal("KILL");
        drop(running.end());
        let status = shop.run(&["status"]);
        assert_eq!(status.code(), 1, "{}", status.printed());
        assert!(
            status.printed().contains("its run is dead"),
            "{}",
            status.printed()
        );
        let recovered = shop.run(&["recover", "--net-driver", driver]);
        assert_eq!(recovered.code(), 0, "{}", recovered.said());
        assert_eq!(shop.state(), before, "by {driver}");
        assert_eq!(shop.left(), [""; 0], "by {driver}");
    }
}

#[test]
fn a_running_system_is_not_broken_by_a_mistake() {
    let shop = Shop::new(2);
    let before = shop.state();
    let pause = "{type: process_pause, targets: {percent: 50%}, duration_seconds: 1}";
    let run = |attach: &str, fault: &str, more: &[&str]| {
        let file = shop.campaign(attach, fault);
        shop.run(&[&["run", "campaign", &file], more].concat())
    };
    let labels = shop.labels();
    run(&labels, pause, &[]).refuses(&["confirm", "--yes"]);
    let unnamed = "{type: process_pause, duration_seconds: 1}";
    run(&labels, unnamed, &["--yes"]).refuses(&["already runs", "targets"]);
    run(&labels, &pause.replace("50%", "\"50\""), &["--yes"]).refuses(&["30%"]);
    run("{project: no-such-shop}", pause, &["--yes"]).refuses(&["no-such-shop", "no containers"]);
    run("{containers: [no-such-one]}", pause, &["--yes"]).refuses(&["no-such-one"]);
    run("{containers: [\"a,b\"]}", pause, &["--yes"]).refuses(&["a,b"]);
    run("{labels: []}", pause, &["--yes"]).refuses(&["attach"]);
    let elsewhere = "{type: process_pause, targets: [no-such-service], duration_seconds: 1}";
    run(&labels, elsewhere, &["--yes"]).refuses(&["no-such-service", shop.name(0)]);

    shop.run(&["inject", "process_pause"])
        .refuses(&["--container"]);
    shop.run(&["inject", "process_pause", "--container", "no-such-one"])
        .refuses(&["`no-such-one` not found"]);
    shop.run(&shop.inject("latncy", &[]))
        .refuses(&["latncy", "latency"]);
    shop.run(&shop.inject("latency", &["--for", "ten"]))
        .refuses(&["--for", "30s"]);
    shop.run(&shop.inject("latency", &["--param", "max_ms=-1"]))
        .refuses(&["max_ms"]);
    shop.run(&shop.inject("latency", &["--percent", "140"]))
        .refuses(&["--percent"]);
    assert_eq!(shop.state(), before);
    assert_eq!(shop.left(), [""; 0]);
}

#[test]
fn too_few_healthy_containers_are_never_made_fewer() {
    let shop = Shop::new(2);
    let before = shop.state();
    let few = [
        "--label",
        &shop.label,
        "--target-count",
        "1",
        "--keep-healthy",
        "2",
    ];
    let refused = shop.run(&[&["inject", "process_pause", "--for", "1s"], &few[..]].concat());
    assert_eq!(refused.code(), 1, "{}", refused.said());
    assert!(
        refused.said().contains("keep_healthy"),
        "{}",
        refused.said()
    );
    let share = ["--label", &shop.label, "--percent", "49"];
    let none = shop.run(&[&["inject", "process_pause", "--for", "1s"], &share[..]].concat());
    assert_eq!(none.code(), 1, "{}", none.said());
    assert!(none.said().contains("less than one"), "{}", none.said());
    assert_eq!(shop.state(), before);
}

#[test]
fn what_belongs_to_a_run_of_duress_is_nobody_elses_to_attach_to() {
    let shop = Shop::new(1);
    let image = std::env::var("DURESS_BASE_IMAGE").unwrap();
    let name = format!("{}-own", shop.name(0));
    docker(&[
        "run",
        "--detach",
        "--name",
        &name,
        "--label",
        "io.duress.project=of-nobody",
        "--label",
        &shop.label,
        &image,
        "sleep",
        "600",
    ]);
    let refused = shop.run(&[
        "inject",
        "process_pause",
        "--container",
        &name,
        "--for",
        "1s",
    ]);
    let all = shop.run(&[
        "inject",
        "process_pause",
        "--label",
        &shop.label,
        "--percent",
        "100",
        "--for",
        "1s",
    ]);
    let status = docker(&["inspect", "--format", "{{.State.Status}}", &name]);
    attempt(&["rm", "--force", &name]);
    refused.refuses(&["not found", "run of its own"]);
    assert_eq!(all.code(), 0, "{}", all.said());
    assert_eq!(status, "running");
}

#[test]
fn a_dry_run_on_a_running_system_changes_nothing() {
    let shop = Shop::new(1);
    let before = shop.state();
    let ended = shop.run(&shop.inject(
        "latency",
        &["--param", "min_ms=60", "--param", "max_ms=60", "--dry-run"],
    ));
    assert_eq!(ended.code(), 0, "{}", ended.said());
    assert!(ended.said().contains("would change"), "{}", ended.said());
    assert_eq!(shop.state(), before);
    assert_eq!(shop.left(), [""; 0]);
}
