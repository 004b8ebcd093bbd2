//! Plugins in other languages: those of `plugins/examples`, built, tested and run as their README says, and new ones.

use std::fs;
use std::path::{Path, PathBuf};

use crate::docker::Container;
use crate::program::{Ended, Program, Running, repository, set_up_cargo};
use crate::runs::project;

/// A copy of the examples, for what is built lies among them.
pub struct Examples {
    program: Program,
    pub root: PathBuf,
}

impl Examples {
    pub fn new() -> Self {
        let program = Program::new();
        let root = program.folder.path().join("examples");
        copy(&repository().join("plugins/examples"), &root);
        // The SDK stays where it is.
        let sdk = fs::canonicalize(repository().join("plugins/sdk")).unwrap();
        for plugin in ["postgres", "redis"] {
            let manifest = root.join(format!("plugins/{plugin}/Cargo.toml"));
            let text = fs::read_to_string(&manifest).unwrap();
            let absolute = text.replace("../../../sdk", sdk.to_str().unwrap());
            assert_ne!(absolute, text, "{plugin} depends on the SDK");
            fs::write(&manifest, absolute).unwrap();
        }
        Self { program, root }
    }

    fn command(&self, arguments: &[&str]) -> std::process::Command {
        let mut command = self.program.command(arguments);
        command.current_dir(&self.root);
        set_up_cargo(&mut command);
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        Ended::of(&mut self.command(arguments))
    }

    fn succeeds(&self, arguments: &[&str]) -> Ended {
        let ended = self.run(arguments);
        assert_eq!(
            ended.code(),
            0,
            "{arguments:?}: {}{}",
            ended.printed(),
            ended.said()
        );
        ended
    }

    /// Builds it, look at it, try it.
    pub fn make(&self, plugin: &str) {
        self.succeeds(&["plugin", "build", plugin]);
        self.succeeds(&["plugin", "check", plugin]);
        let tested = self.succeeds(&["plugin", "test", plugin]);
        assert!(
            tested.printed().contains("conforms"),
            "{}",
            tested.printed()
        );
    }

    /// A trial on Redis that is under way, with its fault in force; its stack's project.
    fn trial(&self, arguments: &[&str]) -> (Running, String) {
        let all = [&["run", "--subject", "redis", "--duration", "8"], arguments].concat();
        let running = Running::of(&mut self.command(&all));
        running.wait_for_change();
        (running, project(&self.program))
    }
}

/// With everything that links lead to.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let place = to.join(path.file_name().unwrap());
        let is_built = path
            .extension()
            .is_some_and(|extension| extension == "wasm")
            || ["target", "gen", ".venv"]
                .iter()
                .any(|name| path.ends_with(name));
        if is_built {
            continue;
        }
        if path.is_dir() {
            copy(&path, &place);
        } else {
            fs::copy(&path, &place).unwrap();
        }
    }
}

fn replication(container: &Container) -> String {
    container.run(&["redis-cli", "info", "replication"]).1
}

#[test]
fn a_subject_in_rust_with_a_fault_of_its_own() {
    let examples = Examples::new();
    examples.make("redis");
    let (running, project) = examples.trial(&["--chaos", "replica_detach"]);
    let replicas = ["replica1", "replica2"].map(|name| Container::of(&project, name));
    let detached = replicas
        .iter()
        .filter(|one| replication(one).contains("role:master"));
    assert_eq!(detached.count(), 1, "one replica takes writes itself");
    let (status, events) = running.end();
    assert!(status.success(), "{events:?}");
    assert_eq!(examples.program.left(), [""; 0]);
}

#[test]
fn a_fault_in_c() {
    let examples = Examples::new();
    examples.make("redis");
    examples.make("drizzle");
    let parameters = [
        "--chaos",
        "drizzle",
        "--param",
        "percent=60",
        "--target",
        "replica1",
    ];
    let (running, project) = examples.trial(&parameters);
    let [replica, other] = ["replica1", "redis"].map(|name| Container::of(&project, name));
    // Six in ten of what the replica asks are lost: more than 70 of 100 come once in a hundred million times.
    let answered = replica.pings(&other, 100).len();
    assert!(
        (10..=70).contains(&answered),
        "{answered} of 100 pings were answered"
    );
    let (status, events) = running.end();
    assert!(status.success(), "{events:?}");
    assert_eq!(examples.program.left(), [""; 0]);
}

#[test]
fn a_fault_in_python() {
    let examples = Examples::new();
    examples.make("redis");
    examples.make("hush");
    let parameters = [
        "--chaos",
        "hush",
        "--param",
        "pattern=redis-server",
        "--target",
        "replica1",
    ];
    let (running, project) = examples.trial(&parameters);
    let replica = Container::of(&project, "replica1");
    let (answers, text) = replica.run(&["timeout", "1", "redis-cli", "ping"]);
    assert!(!answers, "it stands still, and says `{text}`");
    let (status, events) = running.end();
    assert!(status.success(), "{events:?}");
    // What it printed is in the trial's log.
    let campaign = &examples.program.json(&["list"])[0]["id"];
    let shown = examples.program.json(&["show", campaign.as_str().unwrap()]);
    let trial = shown["trials"][0]["id"].as_str().unwrap();
    let logged = examples.program.run(&["show", trial, "--log"]);
    assert!(
        logged
            .printed()
            .contains("1 of replica1's processes match 'redis-server'"),
        "{}",
        logged.printed()
    );
    // And a mistake that only the plugin can see is told at its place.
    examples
        .run(&[
            "run",
            "--subject",
            "redis",
            "--chaos",
            "hush",
            "--param",
            "pattern=([",
        ])
        .refuses(&["is not a regular expression", "--param pattern"]);
    assert_eq!(examples.program.left(), [""; 0]);
}

#[test]
fn a_new_project_of_each_kind_in_each_language_conforms_at_once() {
    let examples = Examples::new();
    for lang in ["c", "python"] {
        for kind in ["chaos", "subject"] {
            let name = format!("{lang}-{kind}");
            let new = ["plugin", "new", &name, "--lang", lang, "--kind", kind];
            examples.succeeds(&new);
            examples.make(&name);
            let folder = format!("plugins/{name}");
            examples.succeeds(&["plugin", "add", &folder, "--built-here", "--yes"]);
        }
    }
    // What is wrong in a source is the compiler's to say; what is missing is named.
    fs::write(
        examples.root.join("plugins/c-chaos/src/plugin.c"),
        "this is not C",
    )
    .unwrap();
    examples
        .run(&["plugin", "build", "c-chaos"])
        .refuses(&["c-chaos does not build", "the compiler says why"]);
    fs::remove_file(examples.root.join("plugins/c-chaos/wit/world.wit")).unwrap();
    examples
        .run(&["plugin", "build", "c-chaos"])
        .refuses(&["wit", "wit/world.wit says what the plugin imports"]);
    for (plugin, says) in [
        ("c-subject", "no clang found that can build for WebAssembly"),
        ("python-chaos", "componentize-py is not installed"),
    ] {
        let mut command = examples.command(&["plugin", "build", plugin]);
        let nothing = examples.root.join("nothing");
        let ended = Ended::of(command.env("PATH", nothing).env_remove("WASI_SDK_PATH"));
        assert_eq!(ended.code(), 3, "{}", ended.said());
        assert!(ended.said().contains(says), "{}", ended.said());
        assert!(ended.said().contains("install"), "{}", ended.said());
    }
}
