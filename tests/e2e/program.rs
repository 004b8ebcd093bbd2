//! The program, as a person starts it, with a database of its own.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::docker::labelled;

/// The repository.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// A folder with a database, and the program that writes it.
pub struct Program {
    pub folder: TempDir,
}

impl Program {
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    pub fn database(&self) -> PathBuf {
        self.folder.path().join("duress.db")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_duress"));
        command
            .args(arguments)
            .current_dir(repository())
            .env("DURESS_DB", self.database())
            .env("DURESS_PATH", repository().join("tests/noop"))
            .env("NO_COLOR", "1")
            .env("DURESS_STANDIN_HEARTBEAT_MS", "500")
            .env("DURESS_STANDIN_DISCONNECT_MS", "2000")
            .stdin(Stdio::null());
        command
    }

    /// Run it to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        Ended(self.command(arguments).output().unwrap())
    }

    /// Start it with `--json`, and read what it tells.
    pub fn start(&self, arguments: &[&str]) -> Running {
        let mut child = self
            .command(arguments)
            .arg("--json")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if sender.send(serde_json::from_str(&line).unwrap()).is_err() {
                    break;
                }
            }
        });
        Running { child, events }
    }

    /// A verb's JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ended.code(), 0, "{}", ended.said());
        serde_json::from_str(&ended.printed()).unwrap()
    }

    /// What is in the container engine for this database.
    pub fn left(&self) -> Vec<String> {
        labelled(&format!("io.duress.database={}", self.database().display()))
    }
}

impl Drop for Program {
    /// A test that fails in the middle of a run has killed the program: what that left goes too.
    fn drop(&mut self) {
        if std::thread::panicking() && self.database().exists() {
            self.run(&["recover"]);
        }
    }
}

/// The program after its end.
pub struct Ended(Output);

impl Ended {
    pub fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    pub fn printed(&self) -> String {
        String::from_utf8_lossy(&self.0.stdout).into_owned()
    }

    pub fn said(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }
}

/// The program while it runs.
pub struct Running {
    child: Child,
    events: Receiver<Value>,
}

impl Running {
    /// Wait for an event. Panics with all that came instead.
    pub fn wait_for(&self, what: &str, is_it: impl Fn(&Value) -> bool) -> Value {
        let mut seen = Vec::new();
        while let Ok(event) = self.events.recv_timeout(Duration::from_secs(90)) {
            if is_it(&event) {
                return event;
            }
            seen.push(event.to_string());
        }
        panic!("waited in vain: {what}; there was:\n{}", seen.join("\n"));
    }

    /// Wait until a change is in force; its summary.
    pub fn wait_for_change(&self) -> String {
        let event = self.wait_for("a change in force", |event| {
            event["message"]
                .as_str()
                .is_some_and(|message| message.starts_with("applied: "))
        });
        event["message"].as_str().unwrap()["applied: ".len()..].to_owned()
    }

    /// Send it a signal, e.g. `INT`.
    pub fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", signal, &pid])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Wait for its end, and read what is left to read.
    pub fn end(mut self) -> (ExitStatus, Vec<Value>) {
        let rest = self.events.iter().collect();
        (self.child.wait().unwrap(), rest)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that fails leaves no program behind; one that has ended cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
