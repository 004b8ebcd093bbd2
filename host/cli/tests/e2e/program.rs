//! The program, as a person starts it, with a database of its own.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

use crate::docker::labelled;

/// Returns the repository.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// Permissions of the component that misbehaves.
pub const PERMISSIONS: &str = "{actions: [pause], programs: {container: [/bin/true, printf], look: [/bin/true, printf]}, http: [stack], tcp: [stack], logs: true, stack: true}";

/// Returns the component that misbehaves.
pub fn noop() -> Vec<u8> {
    fs::read(repository().join("tests/noop/noop.wasm")).expect("`cargo xtask setup` builds it")
}

/// Returns the words of one trial on etcd, with a seed of its own so that its target is the same each time.
pub fn on_etcd<'a>(fault: &'a str, duration: &'a str) -> [&'a str; 9] {
    [
        "run",
        "--subject",
        "etcd",
        "--chaos",
        fault,
        "--duration",
        duration,
        "--seed",
        "1",
    ]
}

/// Sets cargo up for a command that builds plugins in Rust: tests share what they have in common, and each keeps its results.
pub fn set_up_cargo(command: &mut Command) {
    command.env(
        "CARGO_BUILD_BUILD_DIR",
        repository().join("target/duress/plugins"),
    );
    // Where the compiler's own standard library for WebAssembly is missing.
    if let Ok(sysroot) = std::env::var("DURESS_WASM_SYSROOT") {
        command.env("RUSTFLAGS", format!("--sysroot={sysroot}"));
    }
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
            .env("DURESS_MACHINE_DIR", self.folder.path().join("machine"))
            .env("NO_COLOR", "1")
            // What is left is each test's to look at.
            .env("DURESS_GUARDIAN", "off")
            .env("DURESS_STANDIN_HEARTBEAT_MS", "500")
            .env("DURESS_STANDIN_DISCONNECT_MS", "2000")
            .stdin(Stdio::null());
        command
    }

    /// Runs it to its end.
    pub fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&mut self.command(arguments))
    }

    /// Puts a copy of the component that misbehaves, or bytes in its place, beside the database as a plugin of that name, and grant it
    /// what it asks for.
    pub fn plugin(&self, name: &str, component: &[u8], settings: &str) {
        self.plugin_with(name, component, settings, PERMISSIONS);
    }

    fn plugin_with(&self, name: &str, component: &[u8], settings: &str, permissions: &str) {
        let folder = self.folder.path();
        let plugin = folder.join("plugins").join(name);
        fs::create_dir_all(&plugin).unwrap();
        fs::write(plugin.join("component.wasm"), component).unwrap();
        fs::write(
            plugin.join("plugin.yaml"),
            format!(
                "name: {name}\nversion: 0.1.0\nsummary: s\nlicense: MIT\ncomponent: component.wasm\nwit: 0.1.1\n\
                 permissions: {permissions}\nsettings: {settings}\n"
            ),
        )
        .unwrap();
        fs::write(
            folder.join("duress.lock"),
            format!(
                "plugins:\n  {name}: {{version: 0.1.0, source: here, grants: {permissions}}}\n"
            ),
        )
        .unwrap();
    }

    /// Puts a subject of this compose file beside the database, of which faults may touch one service, with the component that
    /// misbehaves as its plugin. Both have this name. Commands find it with `DURESS_PATH` at the folder.
    pub fn stack(&self, name: &str, permissions: &str, compose: &str, target: &str) {
        self.plugin_with(name, &noop(), "{stack: true}", permissions);
        let subject = self.folder.path().join("subjects").join(name);
        fs::create_dir_all(&subject).unwrap();
        fs::write(subject.join("docker-compose.yaml"), compose).unwrap();
        fs::write(
            subject.join("subject.yaml"),
            format!(
                "name: {name}\nsummary: s\nplugin: {name}\ncompose: docker-compose.yaml\ntargets: [{target}]\n\
                 timeouts: {{reset_seconds: 60, recovery_seconds: 5, fault_seconds: 90}}\n"
            ),
        )
        .unwrap();
    }

    /// Starts it with `--json`, and reads what it tells.
    pub fn start(&self, arguments: &[&str]) -> Running {
        Running::of(&mut self.command(arguments))
    }

    /// A verb's JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let ended = self.run(&[arguments, &["--json"]].concat());
        assert_eq!(ended.code(), 0, "{}", ended.said());
        serde_json::from_str(&ended.printed()).unwrap()
    }

    /// Returns what is in the container engine for this database.
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
    /// Runs a command to its end.
    pub fn of(command: &mut Command) -> Self {
        Self(command.output().unwrap())
    }

    pub fn code(&self) -> i32 {
        self.0.status.code().unwrap()
    }

    /// It was wrong input, and is told so in these words.
    pub fn refuses(&self, says: &[&str]) {
        let said = self.said();
        assert_eq!(self.code(), 2, "{said}");
        for words in says {
            assert!(said.contains(words), "it does not say `{words}`: {said}");
        }
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
    /// Starts a command with `--json`, and reads what it tells.
    pub fn of(command: &mut Command) -> Self {
        Self::with_log(command, Stdio::inherit())
    }

    /// As [`Running::of`], with another place for its log.
    pub fn with_log(command: &mut Command, log: impl Into<Stdio>) -> Self {
        let mut child = command
            .arg("--json")
            .stdout(Stdio::piped())
            .stderr(log)
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
        Self { child, events }
    }

    /// Waits for an event. Panics with all that came instead.
    pub fn wait_for(&self, what: &str, mut is_it: impl FnMut(&Value) -> bool) -> Value {
        let mut seen = Vec::new();
        while let Ok(event) = self.events.recv_timeout(Duration::from_secs(90)) {
            if is_it(&event) {
                return event;
            }
            seen.push(event.to_string());
        }
        panic!("waited in vain: {what}; there was:\n{}", seen.join("\n"));
    }

    /// Waits until a change is in force; its summary.
    pub fn wait_for_change(&self) -> String {
        let event = self.wait_for("a change in force", |event| {
            event["message"]
                .as_str()
                .is_some_and(|message| message.starts_with("applied: "))
        });
        event["message"].as_str().unwrap()["applied: ".len()..].to_owned()
    }

    /// Looks at the process again and again until its end.
    pub fn while_it_runs(&self, mut look: impl FnMut(u32)) {
        self.wait_for("its end", |event| {
            look(self.child.id());
            event["event"] == "summary"
        });
    }

    /// Sends it a signal, e.g. `INT`.
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

    /// Sends it to all of its process group, which it must lead.
    pub fn signal_group(&self, signal: &str) {
        let group = format!("-{}", self.child.id());
        let sent = Command::new("kill")
            .args(["-s", signal, "--", &group])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Waits for its end, and reads what is left to read.
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
