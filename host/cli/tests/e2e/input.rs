//! What wrong input gets: one clear message, exit code 2 or 3, nothing created.

use std::fs;
use std::path::Path;

use crate::netem::kernel_has_netem;
use crate::program::{Program, noop};

/// A campaign that is right, to be spoilt.
const RIGHT: &str = "name: right\nsubjects: [noop]\nchaos_types:\n  - type: nothing\n";

/// Runs a campaign file of this text; it must be refused, and creates nothing.
fn refused(text: &str, code: i32, says: &[&str]) {
    let program = Program::new();
    let file = program.folder.path().join("campaign.yaml");
    fs::write(&file, text).unwrap();
    expect(
        &program,
        &["run", "campaign", file.to_str().unwrap()],
        code,
        says,
    );
}

fn expect(program: &Program, arguments: &[&str], code: i32, says: &[&str]) {
    let ended = program.run(arguments);
    let said = ended.said();
    assert_eq!(ended.code(), code, "{arguments:?}: {said}");
    for words in says {
        assert!(
            said.contains(words),
            "{arguments:?} does not say `{words}`: {said}"
        );
    }
    assert!(
        !said.contains("panicked") && !said.contains("Error {"),
        "{said}"
    );
    assert!(
        !program.database().exists(),
        "{arguments:?} made a database"
    );
    assert_eq!(program.left(), [""; 0]);
}

#[test]
fn files_that_are_missing_or_no_yaml() {
    let program = Program::new();
    expect(
        &program,
        &["run", "campaign", "nowhere.yaml"],
        2,
        &["nowhere.yaml", "file not found"],
    );
    expect(
        &program,
        &["run", "campaign", "campaigns"],
        2,
        &["it is a directory"],
    );
    refused("name: [broken\n", 2, &["campaign.yaml"]);
    refused("", 2, &["campaign.yaml"]);
    refused("just words\n", 2, &["campaign.yaml"]);
}

#[test]
fn campaigns_with_mistakes() {
    refused(
        &format!("{RIGHT}colour: red\n"),
        2,
        &["unknown key `colour`", "campaign.yaml:5:1"],
    );
    refused(
        &format!("{RIGHT}parallel: 0\n"),
        2,
        &["`parallel` is 0; it must be at least 1"],
    );
    refused(
        &format!("{RIGHT}parallel: many\n"),
        2,
        &["must be a whole number"],
    );
    refused("name: empty\nsubjects: [noop]\n", 2, &["campaign.yaml"]);
    refused(
        &RIGHT.replace("noop", "nop"),
        2,
        &["unknown subject `nop`; did you mean `noop`?"],
    );
    refused(
        &RIGHT.replace("nothing", "nothin"),
        2,
        &["unknown fault `nothin`", "did you mean `nothing`?"],
    );
    let etcd = |fault: &str, params: &str| {
        format!(
            "name: x\nsubjects: [etcd]\nchaos_types:\n  - type: {fault}\n    params: {params}\n"
        )
    };
    refused(
        &etcd("disk_pressure", "{fill_percent: 140}"),
        2,
        &["`fill_percent` is 140", "100"],
    );
    refused(
        &etcd("latency", "{min_ms: 90, max_ms: 10}"),
        2,
        &["min_ms", "max_ms", "campaign.yaml:5"],
    );
    refused(
        &etcd("latncy", "{}"),
        2,
        &["unknown fault `latncy`", "did you mean `latency`?"],
    );
    // All mistakes in one go.
    refused(
        &format!("{RIGHT}    parms: {{}}\nparallel: 0\ncooldown: 3\n"),
        2,
        &[
            "`parms`",
            "`parallel` is 0",
            "did you mean `cooldown_seconds`?",
            "3 mistakes",
        ],
    );
}

#[test]
fn flags_with_mistakes() {
    let program = Program::new();
    expect(&program, &["run"], 2, &["--subject"]);
    expect(
        &program,
        &["run", "--subject", "noop", "--chaos", "nothin"],
        2,
        &["did you mean `nothing`?"],
    );
    expect(
        &program,
        &[
            "run",
            "--subject",
            "noop",
            "--chaos",
            "nothing",
            "--trials",
            "0",
        ],
        2,
        &["at least 1"],
    );
    expect(&program, &["run", "--subject", "noop"], 2, &["noop"]);
    expect(
        &program,
        &[
            "run",
            "--subject",
            "noop",
            "--baseline",
            "--parallel",
            "1000",
        ],
        2,
        &["parallel"],
    );
    expect(&program, &["rnu"], 2, &["rnu"]);
    expect(&program, &["show", "anything"], 2, &["no database at"]);
    expect(
        &program,
        &["fault", "list", "nop"],
        2,
        &["did you mean `noop`?"],
    );
}

/// A folder with the subject `broken` on a plugin of this component.
fn with_component(program: &Program, component: &[u8], compose: Option<&str>) {
    program.plugin("broken", component, "{}");
    let subject = program.folder.path().join("subjects/broken");
    fs::create_dir_all(&subject).unwrap();
    let compose = compose
        .map(|file| format!("compose: {file}\n"))
        .unwrap_or_default();
    fs::write(
        subject.join("subject.yaml"),
        format!("name: broken\nsummary: broken\nplugin: broken\n{compose}"),
    )
    .unwrap();
}

fn run_broken(program: &Program, says: &[&str]) {
    let ended = program
        .command(&["run", "--subject", "broken", "--baseline"])
        .env("DURESS_PATH", program.folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    for words in says {
        assert!(said.contains(words), "it does not say `{words}`: {said}");
    }
    assert!(!program.database().exists());
}

/// As if it had been built against another version of the interface, which is a name of the same length.
fn of_another_version(mut component: Vec<u8>) -> Vec<u8> {
    let (ours, theirs) = (b"@0.1.1", b"@0.7.0");
    let places: Vec<_> = component
        .windows(ours.len())
        .enumerate()
        .filter(|(_, window)| window == ours)
        .map(|(at, _)| at)
        .collect();
    assert!(!places.is_empty());
    for at in places {
        component[at..at + ours.len()].copy_from_slice(theirs);
    }
    component
}

#[test]
fn components_that_are_none_or_of_another_version() {
    let program = Program::new();
    with_component(&program, b"this is not a component", None);
    run_broken(&program, &["component.wasm"]);
    with_component(&program, b"\0asm\x01\0\0\0", None);
    run_broken(
        &program,
        &["is a core WebAssembly module", "wasm-component-ld"],
    );
    // Half of one; and one that is whole and empty, and so of no world of ours.
    with_component(&program, &noop()[..noop().len() / 2], None);
    run_broken(
        &program,
        &[
            "is a damaged WebAssembly component",
            "build or download it again",
        ],
    );
    with_component(&program, b"\0asm\x0d\0\x01\0", None);
    run_broken(
        &program,
        &[
            "exports no `duress:plugin/chaos`",
            "the world `eval-subject` or `chaos-plugin`",
        ],
    );
    with_component(&program, &of_another_version(noop()), None);
    run_broken(&program, &["version 0.7.0", "supports 0.1.1"]);
    // A manifest of another component.
    with_component(&program, &noop(), None);
    let manifest = program.folder.path().join("plugins/broken/plugin.yaml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("wit: 0.1.1", "wit: 0.1.0")).unwrap();
    run_broken(
        &program,
        &[
            "was built for version 0.1.1",
            "say so in plugin.yaml: wit: 0.1.1",
        ],
    );
    with_component(&program, &noop(), Some("nowhere.yaml"));
    run_broken(&program, &["nowhere.yaml", "does not exist"]);
}

#[test]
fn databases_that_are_none_or_too_new() {
    let program = Program::new();
    let text = program.folder.path().join("notes.txt");
    fs::write(
        &text,
        "only notes, but more than a header's length of them. ".repeat(10),
    )
    .unwrap();
    let before = fs::read(&text).unwrap();
    let run = |database: &Path, says: &str| {
        let database = database.to_str().unwrap();
        for arguments in [
            ["run", "--subject", "noop", "--baseline", "--duration", "0"].as_slice(),
            &["list"],
        ] {
            let ended = program.run(&[arguments, &["--db", database]].concat());
            assert_eq!(ended.code(), 2, "{}", ended.said());
            assert!(ended.said().contains(says), "{}", ended.said());
        }
    };
    run(&text, "is not an SQLite database");
    assert_eq!(fs::read(&text).unwrap(), before, "it is left as it was");

    let newer = program.folder.path().join("newer.db");
    assert_eq!(
        program
            .run(&[
                "run",
                "--subject",
                "noop",
                "--baseline",
                "--duration",
                "0",
                "--db",
                newer.to_str().unwrap()
            ])
            .code(),
        0
    );
    rusqlite::Connection::open(&newer)
        .unwrap()
        .pragma_update(None, "user_version", 99)
        .unwrap();
    run(&newer, "newer duress");
}

#[test]
fn an_environment_without_an_engine_or_a_compose_tool() {
    let program = Program::new();
    let run = |name: &str, value: &str, says: &str| {
        let ended = program
            .command(&["run", "--subject", "etcd", "--chaos", "node_kill"])
            .env(name, value)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert_eq!(ended.status.code(), Some(3), "{said}");
        assert!(said.contains(says) && said.contains("hint:"), "{said}");
        assert!(!program.database().exists());
    };
    run(
        "DOCKER_HOST",
        "unix:///nowhere/docker.sock",
        "no container engine answers at unix:///nowhere/docker.sock",
    );
    run("PATH", "/nowhere", "no compose tool found");
}

#[test]
fn a_subject_without_containers_needs_no_engine() {
    let program = Program::new();
    let ended = program
        .command(&["run", "--subject", "noop", "--baseline", "--duration", "0"])
        .env("DOCKER_HOST", "unix:///nowhere/docker.sock")
        .output()
        .unwrap();
    assert_eq!(
        ended.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
}

#[test]
fn a_fault_that_cannot_work_here_is_refused_before_anything_is_made() {
    let program = Program::new();
    let arguments = [
        "run",
        "--subject",
        "etcd",
        "--chaos",
        "duplication",
        "--param",
        "percent=10",
        "--duration",
        "1",
    ];
    if kernel_has_netem() {
        assert_eq!(program.run(&arguments).code(), 0);
    } else {
        expect(
            &program,
            &arguments,
            3,
            &["`duplication` cannot work here", "sch_netem", "modprobe"],
        );
    }
}

#[test]
fn what_every_verb_prints_can_be_read_by_programs() {
    let program = Program::new();
    assert_eq!(
        program
            .run(&["run", "--subject", "noop", "--baseline", "--duration", "0"])
            .code(),
        0
    );
    assert!(
        program
            .json(&["subject", "list"])
            .as_array()
            .unwrap()
            .iter()
            .any(|subject| subject["name"] == "etcd")
    );
    assert!(
        program
            .json(&["fault", "list", "etcd"])
            .as_array()
            .unwrap()
            .iter()
            .any(|fault| fault["name"] == "latency")
    );
    assert!(
        program.json(&["doctor"])["machine"]
            .as_array()
            .unwrap()
            .iter()
            .any(|finding| finding["name"] == "compose tool")
    );
    let doctor = program.json(&["doctor"]);
    let works = |name: &str| {
        let mut faults = doctor["faults"].as_array().unwrap().iter();
        let fault = faults.find(|finding| finding["fault"] == name).unwrap();
        fault["works"].as_bool().unwrap()
    };
    assert!(works("faults:latency") && works("etcd:node_kill"));
    assert_eq!(works("faults:duplication"), kernel_has_netem());
    assert!(program.json(&["schema", "campaign"])["properties"]["subjects"].is_object());
    assert_eq!(program.json(&["recover"])["left"], serde_json::json!([]));
    for shell in ["bash", "zsh", "fish"] {
        assert!(
            program
                .run(&["completions", shell])
                .printed()
                .contains("duress")
        );
    }
}
