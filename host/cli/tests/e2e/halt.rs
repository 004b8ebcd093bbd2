//! The red button, and Ctrl+C twice.

use std::io::Read as _;
use std::process::Stdio;

use crate::program::{Program, on_etcd};
use crate::runs::project;
use crate::wait::until_true;

#[test]
fn halting_ends_what_runs_and_refuses_what_begins() {
    let program = Program::new();
    let running = program.start(&on_etcd("process_pause", "120"));
    running.wait_for_change();
    let halted = program.run(&["halt", "--reason", "smoke in the hall"]);
    assert_eq!(halted.code(), 0, "{}", halted.said());
    assert!(
        halted.said().contains("Ended: process"),
        "{}",
        halted.said()
    );
    assert_eq!(
        program.left(),
        [""; 0],
        "what it says has ended has left nothing"
    );
    let (status, events) = running.end();
    assert_eq!(status.code(), Some(1));
    let stopping = events
        .iter()
        .find(|event| event["event"] == "stopping")
        .expect("it says why");
    assert!(
        stopping["halted"]
            .as_str()
            .unwrap()
            .ends_with(": smoke in the hall"),
        "{stopping}"
    );
    let shown = program.json(&["show", "trial-etcd-process_pause-1", "--log"]);
    assert_eq!(shown["trial"]["outcome"], "cancelled");
    assert_eq!(shown["changes"][0]["status"], "reverted");

    for arguments in [
        ["run", "--subject", "noop", "--baseline"].as_slice(),
        &["resume", "etcd"],
    ] {
        let campaign = program.json(&["list"])[0]["id"]
            .as_str()
            .unwrap()
            .to_owned();
        let arguments: Vec<_> = arguments
            .iter()
            .map(|word| {
                if *word == "etcd" {
                    campaign.as_str()
                } else {
                    word
                }
            })
            .collect();
        let refused = program.run(&arguments);
        assert_eq!(refused.code(), 3, "{}", refused.said());
        assert!(
            refused.said().contains("smoke in the hall"),
            "{}",
            refused.said()
        );
        assert!(
            refused.said().contains("duress halt --release"),
            "{}",
            refused.said()
        );
    }
    assert_eq!(
        program.run(&["recover"]).code(),
        0,
        "recovery is never refused"
    );

    assert_eq!(
        program.run(&["halt", "--release"]).printed(),
        "Released: campaigns may run again.\n"
    );
    assert_eq!(
        program.run(&["halt", "--release"]).printed(),
        "Nothing was halted.\n"
    );
    let again = program.run(&["run", "--subject", "noop", "--baseline", "--duration", "0"]);
    assert_eq!(again.code(), 0, "{}", again.said());
}

#[test]
fn a_second_signal_ends_at_once_and_says_what_takes_the_rest_back() {
    let program = Program::new();
    let mut child = program
        .command(&on_etcd("process_pause", "120"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    until_true("a paused container", || {
        !crate::docker::docker(&[
            "ps",
            "-q",
            "--filter",
            "status=paused",
            "--filter",
            &format!("label=io.duress.database={}", program.database().display()),
        ])
        .is_empty()
    });
    let signal = |name: &str| {
        let sent = std::process::Command::new("kill")
            .args(["-s", name, &child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    };
    signal("INT");
    signal("TERM");
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(1));
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert!(
        said.contains("Ended at once") && said.contains("duress recover"),
        "{said}"
    );
    let stack = project(&program);
    assert!(!stack.is_empty(), "there was no time to remove it");
    assert_eq!(program.run(&["recover"]).code(), 0);
    assert_eq!(program.left(), [""; 0]);
}

#[test]
fn a_campaign_ends_after_so_many_failures_in_a_row() {
    let program = Program::new();
    let file = program.folder.path().join("failing.yaml");
    std::fs::write(
        &file,
        "name: failing\nsubjects: [noop]\ntrials_per_combination: 5\nstop_after_failures: 2\n\
         defaults: {duration_seconds: 0}\nchaos_types: [{type: misbehave, params: {how: panic}}]\n",
    )
    .unwrap();
    let running = program.start(&["run", "campaign", file.to_str().unwrap()]);
    let (status, events) = running.end();
    assert_eq!(status.code(), Some(1), "{events:?}");
    let of = |kind: &str| events.iter().filter(|event| event["event"] == kind).count();
    assert_eq!(
        (of("trial_ended"), of("failed_enough")),
        (2, 1),
        "{events:?}"
    );
    let campaign = &program.json(&["list"])[0];
    assert_eq!(campaign["outcome"], "interrupted", "it can be resumed");
}

#[test]
fn an_ignored_hangup_stays_ignored_and_a_quit_ends_in_good_order() {
    let program = Program::new();
    let words = [
        "run",
        "--subject",
        "noop",
        "--baseline",
        "--duration",
        "600",
    ];
    let plain = program.command(&words);
    let mut command = std::process::Command::new("nohup");
    command
        .arg(plain.get_program())
        .args(plain.get_args())
        .current_dir(plain.get_current_dir().unwrap())
        .envs(
            plain
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        )
        .stdin(Stdio::null());
    let running = crate::program::Running::of(&mut command);
    running.wait_for("a trial", |event| event["event"] == "trial_started");
    running.signal("HUP");
    // The signals are told in their order: had the first one counted, the second would end the program at once, with no summary.
    running.signal("QUIT");
    let (status, events) = running.end();
    assert_eq!(status.code(), Some(1), "{events:?}");
    let summary = events.last().expect("a summary");
    assert_eq!(
        (&summary["event"], &summary["interrupted"]),
        (&"summary".into(), &true.into())
    );
}
