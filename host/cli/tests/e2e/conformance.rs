//! `duress plugin test`: that what conforms passes, and that each way not to conform is found and named.

use std::fs;

use crate::program::{PERMISSIONS, Program, noop, repository};

#[test]
fn our_own_plugins_conform() {
    let program = Program::new();
    for name in ["faults", "compose", "etcd", "tikv"] {
        let tested = program.run(&["plugin", "test", name]);
        assert_eq!(tested.code(), 0, "{}{}", tested.printed(), tested.said());
        assert!(
            tested.printed().contains(&format!("{name} conforms: ")),
            "{}",
            tested.printed()
        );
    }
    let report = program.json(&["plugin", "test", "etcd"]);
    assert_eq!(report["passed"], true);
    assert_eq!(report["report"]["unanswered"], serde_json::json!([]));
    let faults = report["report"]["faults"].as_array().unwrap();
    assert!(faults.len() > 5, "{faults:?}");
    assert_eq!(
        program.left(),
        [""; 0],
        "it needs no engine, and makes nothing"
    );
}

#[test]
fn what_does_not_conform_is_told_what_to_mend() {
    let program = Program::new();
    let folder = program.folder.path().join("broken");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("broken.wasm"), noop()).unwrap();
    fs::write(
        folder.join("plugin.yaml"),
        format!(
            "name: broken\nversion: 0.1.0\nsummary: s\nlicense: MIT\ncomponent: broken.wasm\nwit: 0.1.1\npermissions: {PERMISSIONS}\n"
        ),
    )
    .unwrap();
    let path = folder.to_str().unwrap();
    let cases = [
        ("panic", "it panicked at"),
        ("spin", "it did not return within"),
        ("sleep", "it did not return within 120.0 s"),
        (
            "forget",
            "reverted nothing: does the metadata hold every change's id?",
        ),
        ("undo", "had reverted every change before `inject` returned"),
        ("change_another", "lies outside this trial's blast radius"),
        ("pretend", "it left `blocked` of the script of one"),
        ("behave", "chaos.cleanup: it gave up without saying why"),
    ];
    for (how, expected) in cases {
        let panics = if how == "behave" {
            "cleanup"
        } else {
            "nothing"
        };
        let script = format!(
            "parameters: {{misbehave: [{{how: {how}}}]}}\nsettings: {{panic_in: {panics}}}\n\
             answers:\n\
             - {{program: printf block, sets: [blocked, seen]}}\n\
             - {{program: printf unblock, clears: [seen]}}\n\
             - {{program: printf is-blocked, when: [seen], stdout: it is}}\n\
             - {{program: printf is-blocked}}\n"
        );
        fs::write(folder.join("conformance.yaml"), script).unwrap();
        let tested = program.run(&["plugin", "test", path]);
        assert_eq!(tested.code(), 1, "{how}: {}", tested.printed());
        let printed = tested.printed();
        assert!(printed.contains(expected), "{how}: {printed}");
        assert!(printed.contains("FAIL misbehave"), "{how}: {printed}");
        assert!(
            printed.contains("it says that it was injected, and changed nothing"),
            "{how}: {printed}"
        );
        assert!(
            printed.contains("broken does not conform"),
            "{how}: {printed}"
        );
    }
}

#[test]
fn what_a_plugin_logs_in_its_test_is_shown_with_v() {
    let program = Program::new();
    let folder = program.folder.path().join("loud");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("loud.wasm"), noop()).unwrap();
    fs::write(
        folder.join("plugin.yaml"),
        format!(
            "name: loud\nversion: 0.1.0\nsummary: s\nlicense: MIT\ncomponent: loud.wasm\nwit: 0.1.1\npermissions: {PERMISSIONS}\n"
        ),
    )
    .unwrap();
    let script = "parameters: {misbehave: [{how: panic}]}\n";
    fs::write(folder.join("conformance.yaml"), script).unwrap();
    let path = folder.to_str().unwrap();
    let logged = "misbehaving as asked";
    let loud = program.run(&["plugin", "test", "-v", path]);
    let said = loud.said();
    let (_, lines) = said.split_once("Log of all cases:").expect(&said);
    assert!(lines.contains(logged), "{lines}");
    let quiet = program.run(&["plugin", "test", path]);
    assert!(!quiet.said().contains(logged), "{}", quiet.said());
}

#[test]
fn a_script_with_mistakes_is_the_authors_to_mend() {
    let program = Program::new();
    let folder = program.folder.path().join("mistaken");
    fs::create_dir_all(&folder).unwrap();
    let faults = repository().join("plugins/faults");
    for file in ["plugin.yaml", "faults.wasm"] {
        fs::copy(faults.join(file), folder.join(file)).unwrap();
    }
    fs::write(folder.join("conformance.yaml"), "container: [one]\n").unwrap();
    let path = folder.to_str().unwrap();
    program
        .run(&["plugin", "test", path])
        .refuses(&["container", "did you mean `containers`?"]);
    program
        .run(&["plugin", "test", "nothing-of-that-name"])
        .refuses(&["unknown plugin"]);
    // Without one, what it lacks is said.
    fs::remove_file(folder.join("conformance.yaml")).unwrap();
    let tested = program.run(&["plugin", "test", path]);
    assert_eq!(tested.code(), 1);
    assert!(
        tested.printed().contains("has no limit of memory to take"),
        "{}",
        tested.printed()
    );
}
