//! A component that misbehaves fails its own trial, with the reason, and no other.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::docker::{docker, remove};
use crate::program::{Program, noop, on_etcd};

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
  - {type: misbehave, label: huge_reason, params: {how: huge_reason}}
";
/// The most memory that duress may take while four of them do their worst, in KiB: each may have 256 MiB, twice while a value is
/// handed over.
const MEMORY: u64 = 3 << 20;

#[test]
fn each_misdeed_fails_its_own_trial_with_its_reason() {
    let program = Program::new();
    let file = program.folder.path().join("hostile.yaml");
    std::fs::write(&file, CAMPAIGN).unwrap();
    let running = program.start(&["run", "campaign", file.to_str().unwrap()]);
    let mut peak = 0;
    running.while_it_runs(|pid| peak = peak.max(peak_memory(pid)));
    let (status, events) = running.end();
    assert_eq!(status.code(), Some(1), "{events:?}");
    assert!((1..MEMORY).contains(&peak), "it took {peak} KiB");
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
            "`http: [\"elsewhere.invalid:80\"]` under `permissions` in plugin.yaml",
        ),
        ("huge_reason", "\\u{1b}[2J"),
    ] {
        let shown = program.json(&["show", &format!("trial-noop-{label}-1"), "--audit"]);
        let trial = &shown["trial"];
        assert_eq!(trial["outcome"], "failed", "{label}: {trial}");
        let error = trial["error"].as_str().unwrap();
        assert!(error.contains(reason), "{label}: {error}");
        assert!(error.len() < 10_000, "{label}: {} bytes", error.len());
        assert!(
            !error.contains('\u{1b}'),
            "{label} would clear the terminal"
        );
        assert!(
            error.contains("`noop`") && error.contains("chaos.inject"),
            "{label}: {error}"
        );
    }
    for (label, outcome) in [("baseline", "passed"), ("nothing", "invalid")] {
        let shown = program.json(&["show", &format!("trial-noop-{label}-1"), "--log"]);
        assert_eq!(shown["trial"]["outcome"], outcome, "{label}");
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

/// Returns the most memory that a process has had, in KiB (proc_pid_status(5)).
fn peak_memory(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.map_or(0, |number| number.parse().unwrap())
}

/// A listener on a port of every address of this machine that counts who comes.
struct Secret {
    port: u16,
    visitors: Arc<AtomicUsize>,
}

impl Secret {
    fn new() -> Self {
        let listener = TcpListener::bind("[::]:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let visitors = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&visitors);
        std::thread::spawn(move || {
            for _ in listener.incoming() {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { port, visitors }
    }
}

/// A container that no duress made; it goes at the end.
pub struct Victim(pub String);

impl Victim {
    pub fn new() -> Self {
        let image = std::env::var("DURESS_BASE_IMAGE").unwrap();
        Self(docker(&[
            "run", "--detach", "--init", &image, "sleep", "600",
        ]))
    }

    pub fn is_untouched(&self) -> bool {
        docker(&[
            "inspect",
            "--format",
            "{{.State.Status}} {{.RestartCount}}",
            &self.0,
        ]) == "running 0"
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        remove(&[&self.0]);
    }
}

#[test]
fn a_component_reaches_nothing_beyond_its_trial() {
    let program = Program::new();
    let (secret, victim) = (Secret::new(), Victim::new());
    let neighbour = Program::new();
    let beside = neighbour.start(&on_etcd("process_pause", "40"));
    beside.wait_for_change();
    let label = format!(
        "label=io.duress.database={}",
        neighbour.database().display()
    );
    let ids = docker(&["ps", "--no-trunc", "-q", "--filter", &label]);
    let names = docker(&["ps", "--format", "{{.Names}}", "--filter", &label]);
    let mut foreign: Vec<&str> = ids.lines().chain(names.lines()).collect();
    foreign.extend(["etcd0", victim.0.as_str(), &victim.0[..12], "duress"]);
    let gateway = docker(&[
        "network",
        "inspect",
        "bridge",
        "--format",
        "{{(index .IPAM.Config 0).Gateway}}",
    ]);
    let port = secret.port;
    let urls: Vec<String> = [
        format!("http://127.0.0.1:{port}/"),
        format!("http://localhost:{port}/"),
        format!("http://[::1]:{port}/"),
        format!("http://0.0.0.0:{port}/"),
        format!("http://2130706433:{port}/"),
        format!("http://{gateway}:{port}/"),
        format!("http://bare@127.0.0.1:{port}/"),
        format!("http://bare:{port}@127.0.0.1:{port}/"),
        format!("http://BARE:{port}/"),
        format!("https://bare:{port}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "http://metadata.google.internal/".to_owned(),
        "unix:///var/run/docker.sock".to_owned(),
        "file:///etc/passwd".to_owned(),
        format!("http://bare:{port}/"),
    ]
    .into();
    let mut addresses: Vec<String> = ["127.0.0.1", "localhost", "::1", "0.0.0.0", &gateway]
        .iter()
        .map(|host| format!("{host}:{port}"))
        .collect();
    addresses.extend(foreign.iter().map(|name| format!("{name}:2379")));
    addresses.push("169.254.169.254:80".into());
    let campaign = json!({
        "name": "reaching",
        "subjects": ["bare"],
        "parallel": 2,
        "defaults": { "duration_seconds": 1 },
        "chaos_types": [
            { "type": "process_pause" },
            { "type": "misbehave", "label": "names", "params": { "how": "names", "with": foreign } },
            { "type": "misbehave", "label": "requests", "params": { "how": "requests", "with": urls } },
            { "type": "misbehave", "label": "connections", "params": { "how": "connections", "with": addresses } },
            { "type": "misbehave", "label": "shell", "params": { "how": "shell", "with": ["peer"] } },
            { "type": "misbehave", "label": "flood", "params": { "how": "change_flood" } },
            { "type": "misbehave", "label": "ungranted", "params": { "how": "ungranted" } },
        ],
    });
    // Any JSON is YAML.
    let file = program.folder.path().join("reaching.yaml");
    fs::write(&file, campaign.to_string()).unwrap();
    let ended = program.run(&["run", "campaign", file.to_str().unwrap()]);
    assert_eq!(ended.code(), 1, "{}", ended.said());
    let of = |label: &str| {
        program.json(&["show", &format!("trial-bare-{label}-1"), "--audit"])["trial"].clone()
    };
    for label in ["names", "requests", "connections", "shell", "ungranted"] {
        let error = of(label)["error"].as_str().unwrap().to_owned();
        let (_, tried) = error
            .split_once("all ")
            .unwrap_or_else(|| panic!("{label}: {error}"));
        assert!(
            tried.ends_with(" attempts were refused"),
            "{label}: {error}"
        );
    }
    let flood = of("flood");
    assert!(
        flood["error"]
            .as_str()
            .unwrap()
            .contains("after 1000 changes"),
        "{flood}"
    );
    assert_eq!(
        of("process_pause")["outcome"],
        "passed",
        "it had a quiet life beside them"
    );
    assert_eq!(secret.visitors.load(Ordering::Relaxed), 0, "somebody came");
    assert!(victim.is_untouched());
    assert!(
        !Path::new("/tmp/duress-was-here").exists(),
        "a shell was at work"
    );
    assert_eq!(program.left(), [""; 0]);
    beside.signal("TERM");
    let (_, events) = beside.end();
    assert!(
        !events.iter().any(|event| event["message"]
            .as_str()
            .is_some_and(|line| line.starts_with("ended by itself"))),
        "the neighbour's fault held: {events:?}"
    );
    assert_eq!(neighbour.left(), [""; 0]);
}

#[test]
fn a_panic_in_any_export_fails_what_asked_and_nothing_else() {
    for (export, code, says) in [
        ("fault-types", 1, "chaos.fault-types"),
        ("check-parameters", 1, "chaos.check-parameters"),
        ("reset", 1, "subject.reset"),
        ("health", 1, "subject.health"),
        ("capture-state", 1, "subject.capture-state"),
        ("inject", 1, "chaos.inject"),
        ("cleanup", 1, "chaos.cleanup"),
    ] {
        let program = Program::new();
        program.plugin("panics", &noop(), &format!("{{panic_in: {export}}}"));
        let subject = program.folder.path().join("subjects/panics");
        fs::create_dir_all(&subject).unwrap();
        fs::write(
            subject.join("subject.yaml"),
            "name: panics\nsummary: s\nplugin: panics\ntimeouts: {recovery_seconds: 1}\n",
        )
        .unwrap();
        let ended = program
            .command(&[
                "run",
                "--subject",
                "panics",
                "--chaos",
                "nothing",
                "--duration",
                "0",
            ])
            .env("DURESS_PATH", program.folder.path())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(code), "{export}: {said}");
        assert!(said.contains(says), "{export}: {said}");
        assert!(!said.contains("RUST_BACKTRACE"), "{export}: {said}");
    }
}
