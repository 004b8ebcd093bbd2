//! The dead man's switch: a duress that is killed or stands still, and nobody who calls `duress recover`.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::docker::docker;
use crate::program::{Program, Running};
use crate::runs::project;
use crate::wait::until_true;

/// Three faults at once, each of another kind: of the container's life, of its network, of a helper beside it.
const CAMPAIGN: &str = "
name: guarded
subjects: [etcd]
seed: 1
chaos_types:
  - label: several
    duration_seconds: 600
    steps:
      - {at: 0s, type: process_pause, targets: [etcd0]}
      - {at: 0s, type: network_partition, targets: [etcd1]}
      - {at: 0s, type: cpu_stress, params: {percent: 30}, targets: [etcd2]}
";

/// Starts it with a guardian; when this returns, all three are in force.
fn guarded(program: &Program) -> Running {
    guarded_with_log(program, std::process::Stdio::inherit())
}

fn guarded_with_log(program: &Program, log: impl Into<std::process::Stdio>) -> Running {
    let file = program.folder.path().join("guarded.yaml");
    std::fs::write(&file, CAMPAIGN).unwrap();
    let mut command = program.command(&["run", "campaign", file.to_str().unwrap()]);
    // As a shell does it: a process group for each job.
    command.env("DURESS_GUARDIAN", "2").process_group(0);
    let running = Running::with_log(&mut command, log);
    for _ in 0..3 {
        running.wait_for_change();
    }
    running
}

/// Returns the processes that guard runs of a program's database.
fn guardian_pids(program: &Program) -> Vec<String> {
    let database = program.database().display().to_string();
    let listed = Command::new("ps")
        .args(["axww", "-o", "pid=,command="])
        .output();
    let listed = String::from_utf8_lossy(&listed.unwrap().stdout).into_owned();
    let of = listed
        .lines()
        .filter(|line| line.contains(&database) && line.contains(" guard "));
    let pid = |line: &str| line.split_whitespace().next().map(str::to_owned);
    of.filter_map(pid).collect()
}

fn guardians(program: &Program) -> usize {
    guardian_pids(program).len()
}

/// Nothing is left: no container, no network, no volume, no helper, no guardian.
fn all_is_gone(program: &Program) {
    until_true("the stack is gone", || program.left().is_empty());
    until_true("its guardian has ended", || guardians(program) == 0);
    let unsettled = program.json(&["recover", "--dry-run"]);
    assert_eq!(unsettled["changes"], serde_json::json!([]), "{unsettled}");
    assert_eq!(unsettled["stacks"], serde_json::json!([]), "{unsettled}");
}

#[test]
fn what_a_killed_duress_had_in_force_is_reverted_though_nobody_asks_for_it() {
    let program = Program::new();
    let running = guarded(&program);
    assert_eq!(guardians(&program), 1);
    // Its whole process group, as a terminal or a supervisor may do it.
    running.signal_group("KILL");
    running.end();
    all_is_gone(&program);
    let trial = program.json(&["show", "trial-etcd-several-1", "--log"]);
    assert_eq!(trial["trial"]["outcome"], "cancelled");
    for change in trial["changes"].as_array().unwrap() {
        assert_eq!(change["status"], "reverted", "{change}");
    }
}

#[test]
fn a_living_duress_is_never_recovered_and_one_that_stands_still_is_taken_over() {
    let program = Program::new();
    let running = guarded(&program);
    let stack = project(&program);
    let paused = || {
        let label = format!("label=com.docker.compose.project={stack}");
        docker(&["ps", "-q", "--filter", "status=paused", "--filter", &label])
    };
    let before = paused();
    assert_eq!(before.lines().count(), 1);

    // It lives, whatever the database is called, and whatever became of the folder of locks beside it.
    let folder = program.folder.path();
    let (link, copy) = (folder.join("link.db"), folder.join("copy.db"));
    std::os::unix::fs::symlink(program.database(), &link).unwrap();
    let backup = program.run(&["db", "backup", copy.to_str().unwrap()]);
    assert_eq!(backup.code(), 0, "{}", backup.said());
    std::fs::rename(folder.join("duress.db-hosts"), folder.join("moved")).unwrap();
    for database in [&program.database(), &link, &copy] {
        let recovered = program.run(&["recover", "--db", database.to_str().unwrap()]);
        assert_eq!(recovered.code(), 0, "{}", recovered.said());
        assert_eq!(recovered.printed(), "Nothing to recover.\n");
    }
    let all = program.run(&["recover", "--all"]);
    assert!(!all.printed().contains(&stack), "{}", all.printed());
    assert_eq!(paused(), before, "the fault is in force");

    running.signal("STOP");
    all_is_gone(&program);
    let beside = program.run(&["recover"]);
    assert!(
        beside.said().contains("is stopped (SIGSTOP)"),
        "{}",
        beside.said()
    );
    running.signal("CONT");
    let (status, events) = running.end();
    assert_eq!(status.code(), Some(1), "{events:?}");
    let told = events
        .iter()
        .any(|event| event["event"] == "stopping" && event["taken_over"] == true);
    assert!(told, "{events:?}");
    let trial = program.json(&["show", "trial-etcd-several-1", "--log"]);
    assert_eq!(trial["trial"]["outcome"], "cancelled");
    assert_eq!(program.left(), [""; 0]);
}

/// A volume of no stack, with a file whose mode and owner are not those of a new one.
struct KeptFile(String);

impl KeptFile {
    fn new() -> Self {
        let name = format!("duress-kept-{}", uuid::Uuid::now_v7().simple());
        docker(&["volume", "create", "--label", "io.duress.test", &name]);
        let kept = Self(name);
        let make =
            "printf 'a\\0b\\377\\n' > /kept/file; chown 70:71 /kept/file; chmod 4640 /kept/file";
        kept.run(make);
        kept
    }

    fn run(&self, script: &str) -> String {
        let mount = format!("{}:/kept", self.0);
        let image = std::env::var("DURESS_BASE_IMAGE").unwrap();
        docker(&["run", "--rm", "-v", &mount, &image, "sh", "-c", script])
    }

    /// All of the volume: its names, and the file's mode, owner and bytes.
    fn seen(&self) -> String {
        self.run("ls -A /kept; stat -c '%a %u %g' /kept/file; od -An -tx1 /kept/file")
    }
}

impl Drop for KeptFile {
    fn drop(&mut self) {
        crate::docker::attempt(&["volume", "rm", "-f", &self.0]);
    }
}

#[test]
fn a_file_that_a_killed_duress_had_replaced_is_restored_byte_for_byte() {
    for guardian in ["2", "off"] {
        let program = Program::new();
        let kept = KeptFile::new();
        let before = kept.seen();
        let compose = format!(
            "services:\n  target:\n    image: ${{DURESS_BASE_IMAGE}}\n    command: [sleep, infinity]\n    init: true\n    \
             volumes: ['kept:/kept']\nvolumes:\n  kept: {{external: true, name: {}}}\n",
            kept.0
        );
        let permissions = "{actions: [pause], programs: {container: [/bin/true, printf], look: [/bin/true, printf]}, \
                           files: {replace: [/kept/file]}, http: [stack], tcp: [stack], logs: true, stack: true}";
        program.stack("replacing", permissions, &compose, "target");
        let campaign = program.folder.path().join("replaced.yaml");
        let text = "name: replaced\nsubjects: [replacing]\ndefaults: {duration_seconds: 600}\nchaos_types:\n  \
                    - {type: misbehave, params: {how: replace_file, with: [/kept/file]}}\n";
        std::fs::write(&campaign, text).unwrap();
        let mut command = program.command(&["run", "campaign", campaign.to_str().unwrap()]);
        command
            .env("DURESS_PATH", program.folder.path())
            .env("DURESS_GUARDIAN", guardian)
            .process_group(0);
        let running = Running::of(&mut command);
        running.wait_for_change();
        assert!(kept.seen().contains("6e 65 77"), "it says `new`");
        running.signal_group("KILL");
        running.end();
        if guardian == "off" {
            let recovered = program.run(&["recover"]);
            assert_eq!(recovered.code(), 0, "{}", recovered.said());
        }
        all_is_gone(&program);
        assert_eq!(kept.seen(), before, "guardian {guardian}");
    }
}

#[test]
fn a_guardian_that_was_stopped_or_killed_is_replaced_and_the_new_one_guards() {
    let program = Program::new();
    let log = program.folder.path().join("stderr");
    let running = guarded_with_log(&program, std::fs::File::create(&log).unwrap());
    for (signal, told) in [("STOP", "is stopped (SIGSTOP)"), ("KILL", "has ended")] {
        let before = guardian_pids(&program);
        assert_eq!(before.len(), 1, "{before:?}");
        let sent = Command::new("kill")
            .args(["-s", signal, &before[0]])
            .status();
        assert!(sent.unwrap().success());
        until_true("another guardian, and one alone", || {
            let now = guardian_pids(&program);
            now.len() == 1 && now != before
        });
        let said = std::fs::read_to_string(&log).unwrap();
        let told = format!("the guardian of this run {told}; starting another one");
        assert!(said.contains(&told), "{said}");
    }
    // The pid of the new one is seen before it watches; until then its run would not have gone on.
    until_true("the new one watches", || {
        let pid = guardian_pids(&program).concat();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        // It takes SIGTERM, signal 15, itself once it watches.
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        caught.is_some_and(|mask| u64::from_str_radix(mask.trim(), 16).unwrap_or(0) >> 14 & 1 == 1)
    });
    running.signal_group("KILL");
    running.end();
    all_is_gone(&program);
}

#[test]
fn a_guardian_ends_with_its_run_and_what_a_guardless_run_leaves_is_removed_by_its_labels() {
    let program = Program::new();
    let mut command = program.command(&crate::program::on_etcd("process_pause", "1"));
    command.env("DURESS_GUARDIAN", "2");
    let (status, events) = Running::of(&mut command).end();
    assert_eq!(status.code(), Some(0), "{events:?}");
    assert_eq!(guardians(&program), 0, "it has ended before its run");

    let running = program.start(&crate::program::on_etcd("process_pause", "600"));
    running.wait_for_change();
    running.signal("KILL");
    running.end();
    std::fs::remove_file(program.database()).unwrap();
    let recovered = program.run(&["recover", "--all"]);
    assert_eq!(recovered.code(), 0, "{}", recovered.said());
    assert_eq!(program.left(), [""; 0]);
    assert!(!program.database().exists(), "it needs no database");
}
