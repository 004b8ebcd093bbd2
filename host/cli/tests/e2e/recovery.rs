//! What recovery meets: containers and stacks that somebody else removed, an engine that is gone for a while, a database that cannot
//! be written, a compose tool that works on alone.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::docker::{Container, docker};
use crate::program::{Program, Running, on_etcd};
use crate::runs::project;
use crate::wait::until_true;

fn paused(program: &Program) -> Running {
    let running = program.start(&on_etcd("process_pause", "120"));
    running.wait_for_change();
    running
}

fn killed(program: &Program) -> String {
    let running = paused(program);
    running.signal("KILL");
    running.end();
    project(program)
}

#[test]
fn looking_changes_nothing_and_tells_what_is_left() {
    let program = Program::new();
    killed(&program);
    let before = program.left();
    let looked = program.run(&["recover", "--dry-run"]);
    assert_eq!(looked.code(), 1, "something is left");
    assert!(
        looked.printed().contains("would revert: pause etcd"),
        "{}",
        looked.printed()
    );
    assert!(
        looked
            .printed()
            .contains("would remove the stack of trial-etcd-process_pause-1")
    );
    assert_eq!(program.left(), before);
    let recovered = program.run(&["recover"]);
    assert_eq!(recovered.code(), 0, "{}", recovered.said());
    assert_eq!(program.left(), [""; 0]);
    let looked = program.run(&["recover", "--dry-run"]);
    assert_eq!(
        (looked.code(), looked.printed().trim()),
        (0, "Nothing to recover.")
    );
}

#[test]
fn what_somebody_removed_by_hand_is_void() {
    let program = Program::new();
    let stack = killed(&program);
    let trial = program.json(&["show", "trial-etcd-process_pause-1", "--log"]);
    let target = trial["changes"][0]["container_name"].as_str().unwrap();
    docker(&["rm", "--force", &Container::of(&stack, target).0]);
    let recovered = program.run(&["recover"]);
    assert_eq!(recovered.code(), 0, "{}", recovered.said());
    assert_eq!(program.left(), [""; 0]);
    let trial = program.json(&["show", "trial-etcd-process_pause-1", "--log"]);
    assert_eq!(trial["changes"][0]["status"], "void");
}

#[test]
fn a_stack_that_somebody_took_down_is_no_obstacle() {
    let program = Program::new();
    let running = paused(&program);
    let stack = project(&program);
    let label = format!("label=com.docker.compose.project={stack}");
    for id in docker(&["ps", "-aq", "--filter", &label]).lines() {
        docker(&["rm", "--force", "--volumes", id]);
    }
    running.signal("TERM");
    let (status, events) = running.end();
    assert_eq!(status.code(), Some(1), "{events:?}");
    assert_eq!(program.left(), [""; 0]);
    let trial = program.json(&["show", "trial-etcd-process_pause-1", "--log"]);
    assert_eq!(trial["changes"][0]["status"], "void");
}

#[test]
fn a_compose_tool_that_outlives_its_duress_makes_nothing_that_stays() {
    let program = Program::new();
    let running = program.start(&["run", "--subject", "etcd", "--chaos", "node_kill"]);
    until_true("a part of the stack", || !program.left().is_empty());
    running.signal("KILL");
    running.end();
    let recovered = program.run(&["recover"]);
    assert_eq!(recovered.code(), 0, "{}", recovered.said());
    assert_eq!(program.left(), [""; 0]);
    let processes = Command::new("ps")
        .args(["axe", "-o", "command"])
        .output()
        .unwrap();
    let processes = String::from_utf8_lossy(&processes.stdout).into_owned();
    let trial = program.json(&["show", "trial-etcd-node_kill-1", "--log"]);
    let own = trial["trial"]["project"].as_str().unwrap();
    assert!(!processes.contains(own), "a process works on for {own}");
}

/// The engine behind a door that can be shut.
struct Door {
    path: PathBuf,
    open: Arc<AtomicBool>,
}

impl Door {
    fn new(folder: &Path) -> Self {
        let path = folder.join("engine.sock");
        let open = Arc::new(AtomicBool::new(true));
        let listener = UnixListener::bind(&path).unwrap();
        let state = Arc::clone(&open);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if !state.load(Ordering::Relaxed) {
                    continue;
                }
                let engine = UnixStream::connect("/var/run/docker.sock").unwrap();
                pass(&stream, &engine, &state);
                pass(&engine, &stream, &state);
            }
        });
        Self { path, open }
    }

    fn set(&self, open: bool) {
        self.open.store(open, Ordering::Relaxed);
    }
}

/// Passes on what comes, until the door is shut.
fn pass(from: &UnixStream, to: &UnixStream, open: &Arc<AtomicBool>) {
    use std::io::{ErrorKind, Read as _, Write as _};
    let (mut from, mut to) = (from.try_clone().unwrap(), to.try_clone().unwrap());
    from.set_read_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    let open = Arc::clone(open);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 1 << 16];
        while open.load(Ordering::Relaxed) {
            match from.read(&mut buffer) {
                Ok(0) => break,
                Ok(length) if to.write_all(&buffer[..length]).is_ok() => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                _ => break,
            }
        }
        let _ = to.shutdown(std::net::Shutdown::Both);
    });
}

#[test]
fn an_engine_that_is_gone_for_a_while_is_waited_for() {
    let program = Program::new();
    let door = Door::new(program.folder.path());
    let mut command = program.command(&[
        "run",
        "--subject",
        "etcd",
        "--chaos",
        "process_pause",
        "--duration",
        "4",
        "--trials",
        "2",
    ]);
    command.env("DOCKER_HOST", format!("unix://{}", door.path.display()));
    let running = Running::of(&mut command);
    running.wait_for_change();
    door.set(false);
    running.wait_for("that it waits", |event| {
        event["message"]
            .as_str()
            .is_some_and(|line| line.starts_with("waiting up to"))
    });
    door.set(true);
    let (_, events) = running.end();
    let ended: Vec<_> = events
        .iter()
        .filter(|event| event["event"] == "trial_ended")
        .collect();
    assert_eq!(ended.len(), 2, "the campaign goes on: {events:?}");
    assert_eq!(ended[0]["outcome"], "disturbed", "{}", ended[0]);
    let why = ended[0]["error"].as_str().unwrap();
    assert!(why.contains("the container engine ended"), "{why}");
    assert_eq!(ended[1]["outcome"], "passed", "{}", ended[1]);
    assert_eq!(program.left(), [""; 0]);
    let trial = program.json(&["show", ended[0]["id"].as_str().unwrap(), "--log"]);
    assert_eq!(trial["changes"][0]["status"], "reverted", "{trial}");
}

/// A file system of a bounded size; unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn new(folder: &Path, size: &str) -> Self {
        let path = folder.join("small");
        std::fs::create_dir(&path).unwrap();
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(&path)
            .status();
        assert!(
            mounted.unwrap().success(),
            "the tests need to mount a tmpfs"
        );
        Self(path)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_keeps_nothing_from_being_mended() {
    let program = Program::new();
    let disk = SmallDisk::new(program.folder.path(), "2m");
    let database = disk.0.join("duress.db");
    let command = |arguments: &[&str]| {
        let mut command = program.command(arguments);
        command.env("DURESS_DB", &database);
        command
    };
    let running = Running::of(&mut command(&on_etcd("process_pause", "120")));
    running.wait_for_change();
    let label = format!("label=io.duress.database={}", database.display());
    let stack = docker(&["ps", "-q", "--filter", &label]);
    assert_eq!(stack.lines().count(), 3);
    let filled = Command::new("dd")
        .args(["if=/dev/zero", "bs=4k"])
        .arg(format!("of={}", disk.0.join("full").display()))
        .stderr(Stdio::null())
        .status();
    assert!(!filled.unwrap().success(), "it is full");
    running.signal("TERM");
    let (status, events) = running.end();
    assert_eq!(status.code(), Some(3), "{events:?}");
    assert_eq!(
        docker(&["ps", "-aq", "--filter", &label]),
        "",
        "the stack is gone all the same"
    );

    std::fs::remove_file(disk.0.join("full")).unwrap();
    let recovered = command(&["recover"]).output().unwrap();
    assert_eq!(
        recovered.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&recovered.stderr)
    );
    let shown = command(&["show", "trial-etcd-process_pause-1", "--log", "--json"])
        .output()
        .unwrap();
    let shown: serde_json::Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert_eq!(shown["trial"]["outcome"], "cancelled");
    assert!(
        matches!(
            shown["changes"][0]["status"].as_str(),
            Some("void" | "reverted")
        ),
        "{shown}"
    );
}

#[test]
fn a_database_that_another_program_holds_is_waited_for_and_read_meanwhile() {
    let program = Program::new();
    let first = program.run(&["run", "--subject", "noop", "--baseline", "--duration", "0"]);
    assert_eq!(first.code(), 0, "{}", first.said());
    let other = rusqlite::Connection::open(program.database()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(
        program.run(&["list"]).code(),
        0,
        "readers do not wait for a writer"
    );
    let waiting = program.start(&["run", "--subject", "noop", "--baseline", "--duration", "0"]);
    until_true("a second process on the machine", || {
        let running = program.folder.path().join("machine/running");
        std::fs::read_dir(running).is_ok_and(|files| files.count() > 0)
    });
    other.execute_batch("ROLLBACK").unwrap();
    let (status, events) = waiting.end();
    assert_eq!(status.code(), Some(0), "{events:?}");
}

#[test]
fn a_backup_is_taken_while_a_campaign_runs_and_a_damaged_file_is_told() {
    let program = Program::new();
    let running = program.start(&["run", "--subject", "noop", "--baseline", "--duration", "60"]);
    running.wait_for("a trial", |event| event["event"] == "trial_started");
    let copy = program.folder.path().join("copy.db");
    let copy = copy.to_str().unwrap();
    let backup = program.run(&["db", "backup", copy]);
    assert_eq!(backup.code(), 0, "{}", backup.said());
    let listed = program.json(&["list", "--db", copy]);
    assert_eq!(listed[0]["trials_planned"], 1, "{listed}");
    assert_eq!(program.run(&["db", "check", "--db", copy]).code(), 0);
    let again = program.run(&["db", "backup", copy]);
    assert_eq!(again.code(), 2);
    assert!(
        again.said().contains("is there already"),
        "{}",
        again.said()
    );
    running.signal("INT");
    running.end();

    // Every page but the first is overwritten.
    let mut bytes = std::fs::read(copy).unwrap();
    bytes[4096..].fill(0x5a);
    std::fs::write(copy, bytes).unwrap();
    let damaged = program.run(&["db", "check", "--db", copy]);
    assert!(matches!(damaged.code(), 1 | 3), "{}", damaged.said());
    let text = format!("{}{}", damaged.printed(), damaged.said());
    assert!(
        text.contains("damage") || text.contains("malformed"),
        "{text}"
    );
    assert!(!text.contains("panicked"), "{text}");
}

#[test]
fn what_a_run_recorded_is_saved_when_its_database_is_deleted() {
    let program = Program::new();
    let words = [
        "run",
        "--subject",
        "noop",
        "--baseline",
        "--duration",
        "600",
    ];
    let running = program.start(&words);
    running.wait_for("a trial", |event| event["event"] == "trial_started");
    let database = program.database();
    for end in ["", "-wal", "-shm"] {
        let path = format!("{}{end}", database.display());
        std::fs::remove_file(path).unwrap();
    }
    running.signal("INT");
    let (status, events) = running.end();
    assert_eq!(status.code(), Some(3), "{events:?}");
    let told = events.last().unwrap();
    let error = told["error"].as_str().unwrap();
    assert!(
        error.contains("was deleted while this run used it"),
        "{error}"
    );
    assert!(!database.exists());
    // What it says to do brings everything back.
    let hint = told["hints"][0].as_str().unwrap();
    let (_, command) = hint.split_once(": ").unwrap();
    assert!(command.starts_with("mv "), "{hint}");
    let moved = Command::new("sh").args(["-c", command]).status();
    assert!(moved.unwrap().success(), "{command}");
    assert_eq!(program.json(&["list"])[0]["outcome"], "interrupted");
    let trial = &program.json(&["show", "trial-noop-baseline-1", "--log"])["trial"];
    assert_eq!(trial["outcome"], "cancelled", "{trial}");
    assert_eq!(program.run(&["db", "check"]).code(), 0);
}
