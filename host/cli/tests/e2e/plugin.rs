//! What a plugin asks for, and that it gets that and nothing else.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::program::{Ended, PERMISSIONS, Program, noop, set_up_cargo};

/// A plugin's folder outside every root.
fn elsewhere(program: &Program, permissions: &str) -> PathBuf {
    let folder = program.folder.path().join("elsewhere");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("theirs.wasm"), noop()).unwrap();
    manifest(&folder, permissions);
    folder
}

fn manifest(folder: &std::path::Path, permissions: &str) {
    fs::write(
        folder.join("plugin.yaml"),
        format!(
            "name: theirs\nversion: 1.2.3\nsummary: somebody's\nlicense: MIT\ncomponent: theirs.wasm\nwit: 0.1.1\nrequests: {permissions}\n"
        ),
    )
    .unwrap();
}

/// A root with a subject that the plugin knows.
fn root(program: &Program) -> PathBuf {
    let root = program.folder.path().join("root");
    let subject = root.join("subjects/theirs");
    fs::create_dir_all(&subject).unwrap();
    fs::write(
        subject.join("subject.yaml"),
        "name: theirs\nsummary: s\nplugin: theirs\n",
    )
    .unwrap();
    root
}

fn in_root(program: &Program, arguments: &[&str]) -> Ended {
    Ended::of(program.command(arguments).current_dir(root(program)))
}

const RUN: [&str; 6] = [
    "run",
    "--subject",
    "theirs",
    "--baseline",
    "--duration",
    "0",
];

fn run(program: &Program) -> Ended {
    in_root(program, &RUN)
}

#[test]
fn a_plugin_is_granted_taken_in_changed_granted_again_and_removed() {
    let program = Program::new();
    let folder = elsewhere(&program, PERMISSIONS);
    let path = folder.to_str().unwrap();
    let asked = in_root(&program, &["plugin", "add", path]);
    asked.refuses(&["cannot ask for confirmation", "--yes"]);
    for words in [
        "freeze them",
        "run: /bin/true, printf",
        "It may do nothing else",
    ] {
        assert!(asked.printed().contains(words), "{}", asked.printed());
    }
    let added = in_root(&program, &["plugin", "add", path, "--yes"]);
    assert_eq!(added.code(), 0, "{}", added.said());
    let root = root(&program);
    let lock = fs::read_to_string(root.join("duress.lock")).unwrap();
    assert!(lock.contains("digest: sha256:"), "{lock}");
    let first = run(&program);
    assert_eq!(first.code(), 0, "{}", first.said());
    let locked = in_root(&program, &[&RUN[..], &["--locked"]].concat());
    assert_eq!(locked.code(), 0, "{}", locked.said());
    let unpinned = program.run(&["run", "--subject", "etcd", "--baseline", "--locked"]);
    unpinned.refuses(&[
        "does not hold the digest of the plugin `etcd`",
        "duress plugin add",
    ]);

    // Another component under the same name: a custom section changes its digest alone.
    let changed = [noop(), vec![0, 2, 1, b'x']].concat();
    fs::write(root.join("plugins/theirs/theirs.wasm"), &changed).unwrap();
    run(&program).refuses(&[
        "is not what was granted: its digest was sha256:",
        "duress plugin update theirs",
    ]);
    // Its source has it too, and asks for more.
    fs::write(folder.join("theirs.wasm"), &changed).unwrap();
    manifest(
        &folder,
        &PERMISSIONS.replace("[pause]", "[pause, fill_disk]"),
    );
    let updated = in_root(&program, &["plugin", "update", "theirs", "--yes"]);
    assert_eq!(updated.code(), 0, "{}", updated.said());
    assert!(
        updated
            .said()
            .contains("it asks for more: to the containers that a trial picks: fill their disks"),
        "{}",
        updated.said()
    );
    let again = run(&program);
    assert_eq!(again.code(), 0, "{}", again.said());
    let idle = in_root(&program, &["plugin", "update", "theirs", "--yes"]);
    assert!(
        idle.printed().contains("is unchanged since it was granted"),
        "{}",
        idle.printed()
    );

    // A manifest that is changed where it lies gets nothing by it.
    manifest(
        &root.join("plugins/theirs"),
        &PERMISSIONS.replace("[pause]", "[pause, limit]"),
    );
    run(&program).refuses(&["it asks for more", "it does not ask any more"]);

    let removed = in_root(&program, &["plugin", "remove", "theirs"]);
    assert_eq!(removed.code(), 0, "{}", removed.said());
    assert!(
        !root.join("plugins/theirs").exists(),
        "what was taken in is gone"
    );
    run(&program).refuses(&["unknown plugin `theirs`"]);
    in_root(&program, &["plugin", "remove", "theirs"]).refuses(&["is not in"]);
}

#[test]
fn what_nobody_granted_anything_is_not_even_run() {
    let program = Program::new();
    let root = root(&program);
    let plugin = root.join("plugins/theirs");
    fs::create_dir_all(&plugin).unwrap();
    fs::write(plugin.join("theirs.wasm"), noop()).unwrap();
    manifest(&plugin, PERMISSIONS);
    run(&program).refuses(&["was granted nothing yet", "duress plugin add"]);
    fs::write(
        root.join("duress.lock"),
        "plugins: {theirs: {version: 1}}\n",
    )
    .unwrap();
    run(&program).refuses(&["duress.lock:1"]);
}

#[test]
fn what_it_imports_and_what_it_asks_for_must_agree() {
    let program = Program::new();
    for (permissions, says) in [
        (
            "{}",
            "it imports `http`, and plugin.yaml does not request it",
        ),
        (
            "{http: [stack]}",
            "add to `permissions` in plugin.yaml: tcp: [stack]",
        ),
        (
            "{http: [stack], tcp: [stack]}",
            "add to `permissions` in plugin.yaml: stack: true",
        ),
        (
            "{http: [stack], tcp: [stack], stack: true, actions: [fly]}",
            "fly",
        ),
        (
            "{http: [stack], stack: true, everything: true}",
            "unknown key `everything`",
        ),
    ] {
        let folder = elsewhere(&program, permissions);
        let checked = in_root(&program, &["plugin", "check", folder.to_str().unwrap()]);
        checked.refuses(&[says]);
    }
    let faults = fs::read(crate::program::repository().join("plugins/faults/faults.wasm")).unwrap();
    let folder = elsewhere(&program, "{actions: [pause], http: ['elsewhere:80']}");
    fs::write(folder.join("theirs.wasm"), faults).unwrap();
    let checked = in_root(&program, &["plugin", "check", folder.to_str().unwrap()]);
    checked.refuses(&[
        "asks for `http`, which the component does not import",
        "remove `http`",
    ]);
}

#[test]
fn the_plugins_of_the_repository_are_in_order_and_granted() {
    let program = Program::new();
    for plugin in ["etcd", "tikv", "faults"] {
        let checked = program.run(&["plugin", "check", plugin]);
        assert_eq!(checked.code(), 0, "{}{}", checked.printed(), checked.said());
        let inspected = program.json(&["plugin", "inspect", plugin]);
        assert!(!inspected["faults"].as_array().unwrap().is_empty());
    }
    let listed = program.json(&["plugin", "list"]);
    let listed = listed.as_array().unwrap();
    assert!(
        listed.iter().all(|plugin| plugin["granted"] == true),
        "{listed:?}"
    );
}

#[test]
fn a_new_project_builds_at_once_and_its_fault_holds_in_a_trial() {
    let program = Program::new();
    let root = program.folder.path().join("fresh");
    fs::create_dir_all(&root).unwrap();
    let duress = |arguments: &[&str]| {
        let mut command = program.command(arguments);
        command
            .current_dir(&root)
            .env("WEB_IMAGE", std::env::var("DURESS_BASE_IMAGE").unwrap());
        set_up_cargo(&mut command);
        Ended::of(&mut command)
    };
    duress(&["plugin", "new", "../fresh"]).refuses(&["is not a valid plugin name"]);
    let new = duress(&["plugin", "new", "fresh", "--kind", "subject"]);
    assert_eq!(new.code(), 0, "{}", new.said());
    duress(&["plugin", "new", "fresh"]).refuses(&["already exists"]);
    duress(&["plugin", "check", "fresh"]).refuses(&["read the component"]);

    let built = duress(&["plugin", "build", "fresh"]);
    assert_eq!(built.code(), 0, "{}", built.said());
    let checked = duress(&["plugin", "check", "fresh"]);
    assert_eq!(checked.code(), 0, "{}{}", checked.printed(), checked.said());
    assert_eq!(checked.printed(), "fresh is valid: 2 faults.\n");
    let tested = duress(&["plugin", "test", "fresh"]);
    assert_eq!(tested.code(), 0, "{}{}", tested.printed(), tested.said());
    let added = duress(&["plugin", "add", "plugins/fresh", "--built-here", "--yes"]);
    assert_eq!(added.code(), 0, "{}", added.said());
    // An image that waits for nothing has to be told to wait.
    let compose = root.join("subjects/fresh/docker-compose.yaml");
    let text = fs::read_to_string(&compose).unwrap();
    fs::write(
        &compose,
        format!("{text}    command: [sleep, infinity]\n    init: true\n"),
    )
    .unwrap();
    let ran = duress(&[
        "run",
        "--subject",
        "fresh",
        "--chaos",
        "starve",
        "--duration",
        "1",
    ]);
    assert_eq!(ran.code(), 0, "{}", ran.said());
    assert!(
        ran.said().contains("applied: leave web 0.1 processors"),
        "{}",
        ran.said()
    );
    assert_eq!(program.left(), [""; 0]);

    fs::write(root.join("plugins/fresh/src/lib.rs"), "this is not Rust").unwrap();
    duress(&["plugin", "build", "fresh"]).refuses(&["does not build"]);
}

/// The plugin that docs/plugins.md shows, as the whole of a project's source.
#[test]
fn the_documented_plugin_conforms_and_its_panics_are_told() {
    let program = Program::new();
    let root = program.folder.path().join("documented");
    fs::create_dir_all(root.join("plugins")).unwrap();
    let duress = |arguments: &[&str]| {
        let mut command = program.command(arguments);
        command.current_dir(&root);
        set_up_cargo(&mut command);
        Ended::of(&mut command)
    };
    let sdk = crate::program::repository().join("plugins/sdk");
    let new = ["plugin", "new", "two", "--sdk", sdk.to_str().unwrap()];
    assert_eq!(duress(&new).code(), 0, "{}", duress(&new).said());
    let source = root.join("plugins/two/src");
    fs::remove_file(source.join("fault.rs")).unwrap();
    let page = fs::read_to_string(crate::program::repository().join("docs/plugins.md")).unwrap();
    let (_, rest) = page.split_once("```rust\n").expect("a plugin in Rust");
    let (whole, _) = rest.split_once("```").unwrap();
    assert!(whole.lines().count() <= 45, "it is short");
    fs::write(source.join("lib.rs"), whole).unwrap();
    let succeeds = |arguments: &[&str]| {
        let ended = duress(arguments);
        assert_eq!(ended.code(), 0, "{}{}", ended.printed(), ended.said());
        ended.printed()
    };
    succeeds(&["plugin", "build", "two"]);
    assert_eq!(
        succeeds(&["plugin", "check", "two"]),
        "two is valid: 2 faults.\n"
    );
    assert!(succeeds(&["plugin", "test", "two"]).contains("two conforms"));

    let pausing = "Ok(change.apply(Action::Pause)";
    assert!(whole.contains(pausing), "{whole}");
    let panicking = whole.replace(
        pausing,
        &format!("assert!(target.name.is_empty(), \"by design\");\n{pausing}"),
    );
    fs::write(source.join("lib.rs"), panicking).unwrap();
    succeeds(&["plugin", "build", "two"]);
    let tested = duress(&["plugin", "test", "two"]);
    assert_eq!(tested.code(), 1, "{}", tested.printed());
    assert!(
        tested.printed().contains("src/lib.rs:"),
        "{}",
        tested.printed()
    );
    assert!(
        tested.printed().contains("by design"),
        "{}",
        tested.printed()
    );
}

#[test]
fn a_plugin_alone_is_found_where_there_are_no_subjects() {
    let program = Program::new();
    let folder = program.folder.path().join("alone");
    fs::create_dir_all(&folder).unwrap();
    let duress = |arguments: &[&str]| Ended::of(program.command(arguments).current_dir(&folder));
    let new = duress(&["plugin", "new", "mine"]);
    assert_eq!(new.code(), 0, "{}", new.said());
    duress(&["plugin", "check", "mine"]).refuses(&["read the component", "mine.wasm"]);
}

/// Runs it at a terminal of its own (script(1)), and types an answer.
fn at_a_terminal(program: &Program, arguments: &[&str], typed: &str) -> (Option<i32>, String) {
    let plain = program.command(arguments);
    let words = std::iter::once(plain.get_program()).chain(plain.get_args());
    let words: Vec<_> = words.map(|word| word.to_str().unwrap()).collect();
    let set = plain
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    let mut terminal = Command::new("script")
        .args([
            "--quiet",
            "--return",
            "--command",
            &words.join(" "),
            "/dev/null",
        ])
        .envs(set)
        .current_dir(root(program))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut keys = terminal.stdin.take().unwrap();
    keys.write_all(typed.as_bytes()).unwrap();
    // Who is asked and hears nothing more has said no.
    drop(keys);
    let ended = terminal.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&ended.stdout).into_owned();
    (ended.status.code(), text)
}

#[test]
fn files_are_removed_after_a_question_or_with_yes() {
    let program = Program::new();
    let folder = elsewhere(&program, PERMISSIONS);
    let added = in_root(
        &program,
        &["plugin", "add", folder.to_str().unwrap(), "--yes"],
    );
    assert_eq!(added.code(), 0, "{}", added.said());
    let files = root(&program).join("plugins/theirs");
    let (code, text) = at_a_terminal(&program, &["plugin", "remove", "theirs"], "n\n");
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("Remove plugins/theirs too? [y/N]"), "{text}");
    assert!(files.exists(), "{text}");
    assert_eq!(run(&program).code(), 0, "it is granted what it was");

    let (code, text) = at_a_terminal(&program, &["plugin", "remove", "theirs", "--yes"], "");
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("[y/N]"), "{text}");
    assert!(!files.exists(), "{text}");
    assert!(
        folder.join("plugin.yaml").exists(),
        "the author's own stays"
    );
}

#[test]
fn what_a_run_refuses_is_a_problem_when_it_is_checked() {
    let program = Program::new();
    let folder = root(&program).join("plugins/other");
    fs::create_dir_all(&folder).unwrap();
    // Another name than its folder's, and a fault that no campaign can name.
    let mut component = noop();
    let name = b"misbehave";
    let places = component.windows(name.len()).enumerate();
    let places: Vec<_> = places
        .filter_map(|(at, window)| (window == name).then_some(at))
        .collect();
    for at in places {
        component[at] = b'M';
    }
    fs::write(folder.join("theirs.wasm"), component).unwrap();
    manifest(&folder, PERMISSIONS);
    let checked = in_root(&program, &["plugin", "check", "plugins/other"]);
    assert_eq!(checked.code(), 2, "{}{}", checked.printed(), checked.said());
    for problem in [
        "it is called `theirs` in its plugin.yaml, and its folder `other`",
        "fault `Misbehave`: campaigns cannot name it",
    ] {
        assert!(checked.printed().contains(problem), "{}", checked.printed());
    }
    let granted = in_root(&program, &["plugin", "add", "plugins/other", "--yes"]);
    assert_eq!(granted.code(), 0, "{}", granted.said());
    run(&program).refuses(&["unknown plugin `theirs`", "other"]);

    let renamed = root(&program).join("plugins/theirs");
    fs::rename(&folder, renamed).unwrap();
    let checked = in_root(&program, &["plugin", "check", "theirs"]);
    assert_eq!(checked.code(), 2, "{}{}", checked.printed(), checked.said());
    assert!(
        !checked.printed().contains("its folder"),
        "{}",
        checked.printed()
    );
    let fault = ["run", "--subject", "theirs", "--chaos", "Misbehave"];
    in_root(&program, &fault).refuses(&["Misbehave"]);
}
