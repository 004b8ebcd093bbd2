//! What reaches the terminal: text of others made harmless, every line that was promised, and nothing that hangs.

use std::fs::{self, File};
use std::process::{Command, Stdio};

use crate::program::{Ended, Program, noop};

/// Escape sequences, C1 controls and a turn of the direction of writing: to be put into a component's texts.
const STEERING: &str = "\u{1b}]0;x\u{7}\u{1b}[8m\u{9b}2J\u{202e}";

/// Puts that into a text of the component, which keeps its length.
fn spoil(component: &mut [u8], text: &str) {
    let at = component
        .windows(text.len())
        .position(|window| window == text.as_bytes())
        .unwrap_or_else(|| panic!("the component says `{text}`"));
    let spoilt = &mut component[at..at + text.len()];
    spoilt.fill(b'.');
    spoilt[..STEERING.len()].copy_from_slice(STEERING.as_bytes());
}

fn assert_harmless(arguments: &[&str], ended: &Ended) {
    for text in [ended.printed(), ended.said()] {
        let steers = |c: &char| duress_model::text::is_steering(*c) && !matches!(c, '\n' | '\t');
        let found: String = text.chars().filter(steers).collect();
        assert_eq!(found, "", "{arguments:?}: {text}");
    }
}

#[test]
fn a_component_whose_every_text_steers_the_terminal_is_harmless() {
    let program = Program::new();
    let mut component = noop();
    for text in [
        "Change nothing, and say that it was done.",
        "there is nothing that could be ill",
        "The names or addresses that it tries.",
        "Do to the host what a broken or a hostile component would.",
    ] {
        spoil(&mut component, text);
    }
    program.plugin("loud", &component, "{}");
    let subject = program.folder.path().join("subjects/loud");
    fs::create_dir_all(&subject).unwrap();
    let yaml = "name: loud\nsummary: \"\\e[8m\\x9b2J\\u202e\"\nplugin: loud\n";
    fs::write(subject.join("subject.yaml"), yaml).unwrap();
    let run = |arguments: &[&str], code: Option<i32>| {
        for json in [false, true] {
            let mut command = program.command(arguments);
            command.env("DURESS_PATH", program.folder.path());
            if json {
                command.arg("--json");
            }
            let ended = Ended::of(&mut command);
            assert_harmless(arguments, &ended);
            if let Some(code) = code {
                assert_eq!(ended.code(), code, "{arguments:?}: {}", ended.said());
            }
        }
    };
    run(&["plugin", "list"], Some(0));
    run(&["plugin", "inspect", "loud"], Some(0));
    run(&["plugin", "check", "loud"], None);
    run(&["fault", "list", "loud"], Some(0));
    run(&["subject", "list"], Some(0));
    let trial = [
        "run",
        "--subject",
        "loud",
        "--chaos",
        "misbehave",
        "--duration",
        "0",
        "--param",
        "how=huge_reason",
    ];
    run(&trial, Some(1));
    // A mistake in a parameter is told with the parameter's own description.
    run(
        &["run", "--subject", "loud", "--chaos", "misbehave"],
        Some(2),
    );
    let shown = ["show", "trial-loud-misbehave-1", "--audit", "--log"];
    run(&shown, Some(0));
    run(&["list"], Some(0));
}

#[test]
fn output_that_is_lost_is_told_and_a_closed_pipe_is_not() {
    let program = Program::new();
    for arguments in [
        &["schema", "campaign"][..],
        &["completions", "bash"],
        &["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let ended = Ended::of(program.command(arguments).stdout(Stdio::from(writer)));
        assert_eq!(ended.code(), 0, "{arguments:?}: {}", ended.said());
        assert!(!ended.said().contains("panicked"), "{}", ended.said());
    }
    let ran = program.run(&["run", "--subject", "noop", "--baseline", "--duration", "0"]);
    assert_eq!(ran.code(), 0, "{}", ran.said());
    for arguments in [
        &["schema", "campaign"][..],
        &["completions", "bash"],
        &["list"],
        &["list", "--json"],
        &["doctor"],
    ] {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut command = program.command(arguments);
        let ended = command.stdout(full).stderr(Stdio::piped()).spawn().unwrap();
        let ended = ended.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(3), "{arguments:?}: {said}");
        assert!(said.contains("write the output: No space left"), "{said}");
    }
}

#[test]
fn mistakes_on_the_command_line_are_told_and_nothing_hangs() {
    let program = Program::new();
    let pipe = program.folder.path().join("pipe.yaml");
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let pipe = pipe.to_str().unwrap();
    for (arguments, says) in [
        (&["run", "campaign", pipe][..], "named pipe"),
        (&["run"], "duress run campaign FILE"),
        (
            &["run", "--subject", "noop", "--duration", "nan"],
            "a number of seconds",
        ),
        (
            &["run", "--subject", "noop", "--trials", "-1"],
            "whole number, and not negative",
        ),
        (
            &["run", "--subject", "noop", "--baseline", "--duration", "-1"],
            "`--duration` is -1",
        ),
        (
            &["plugin", "add", "ftp://x/y", "--yes"],
            "`ftp` is not supported",
        ),
        (&["plugin", "add", pipe, "--yes"], "Not a directory"),
    ] {
        program.run(arguments).refuses(&[says]);
    }
    let nowhere = tempfile::tempdir().unwrap();
    let mut command = program.command(&["run", "--subject", "etcd", "--baseline"]);
    command
        .current_dir(nowhere.path())
        .env_remove("DURESS_PATH");
    Ended::of(&mut command).refuses(&[
        "unknown subject `etcd`",
        "at or above the working directory",
    ]);
    let left = program.run(&["recover", "--dry-run"]);
    assert_eq!(left.code(), 0, "{}", left.said());
    assert!(!program.database().exists(), "a look makes nothing");
}

#[test]
fn a_fault_of_a_plugin_that_was_not_granted_is_told_so() {
    let program = Program::new();
    program.plugin("mine", &noop(), "{}");
    fs::remove_file(program.folder.path().join("duress.lock")).unwrap();
    let run = |arguments: &[&str]| {
        let mut command = program.command(arguments);
        let path = std::env::join_paths([
            program.folder.path(),
            &crate::program::repository().join("tests/noop"),
        ]);
        command.env("DURESS_PATH", path.unwrap());
        Ended::of(&mut command)
    };
    let add = format!(
        "duress plugin add {}",
        program.folder.path().join("plugins/mine").display()
    );
    for fault in ["misbehaves", "mine:misbehave"] {
        let ended = run(&["run", "--subject", "noop", "--chaos", fault]);
        ended.refuses(&["`mine`", &add, "--root"]);
    }
    // It hides no fault of the others.
    let listed = run(&["fault", "list"]);
    assert_eq!(listed.code(), 2, "{}", listed.said());
    assert!(
        listed.printed().contains("faults:latency"),
        "{}",
        listed.printed()
    );
    assert!(!listed.printed().contains("mine:"), "{}", listed.printed());
    assert!(listed.said().contains(&add), "{}", listed.said());
}
