//! What a component finds of this machine when it looks for it with everything that its language has.

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;

use serde_json::Value;

use crate::program::{Ended, Program, repository};

/// It tries everything, and says the result: in its summary what it found before any trial, in its error what it found in one.
const PROBE: &str = r#"
import json, os, random, socket, sys, time

from componentize_py_types import Err
from wit_world.exports import chaos
from wit_world.imports import containers
from wit_world.imports.types import Error_Failed


def attempt(action):
    try:
        return repr(action())
    except BaseException as error:
        return f"refused: {error!r}"


def look(port):
    return {
        "passwd": attempt(lambda: open("/etc/passwd").read()),
        "root": attempt(lambda: os.listdir("/")),
        "here": attempt(lambda: os.listdir(".")),
        "write": attempt(lambda: open("/tmp/duress-was-here", "w").write("x")),
        "environment": attempt(lambda: os.environ.get("DURESS_TEST_SECRET")),
        "arguments": attempt(lambda: sys.argv),
        "input": attempt(lambda: sys.stdin.read()),
        "connect": attempt(lambda: socket.create_connection(("127.0.0.1", port), 2)),
        "listen": attempt(lambda: socket.create_server(("127.0.0.1", 0))),
        "resolve": attempt(lambda: socket.gethostbyname("localhost")),
        "process": attempt(lambda: os.system("true")),
        "containers": attempt(containers.list),
        "clock": attempt(lambda: time.time() > 1_700_000_000 and time.monotonic() >= 0),
        "chance": attempt(lambda: len(os.urandom(8))),
    }


class Chaos:
    def fault_types(self):
        parameters = {
            "type": "object",
            "properties": {"port": {"type": "integer", "default": 1, "description": "Where somebody listens."}},
            "additionalProperties": False,
        }
        summary = json.dumps(look(1))
        return [chaos.FaultType("probe", summary, json.dumps(parameters), [], [], chaos.Choice.BY_HOST)]

    def check_parameters(self, fault, parameters):
        return []

    def inject(self, request):
        if json.loads(request.parameters)["port"] == 0:
            raise ValueError("nobody listens at port 0")
        print("to the log")
        print("a warning", file=sys.stderr)
        raise Err(Error_Failed(json.dumps(look(json.loads(request.parameters)["port"]))))

    def cleanup(self, metadata):
        pass
"#;

/// What was refused, and what was there and empty.
fn check(found: &Value, where_: &str) {
    for what in [
        "passwd",
        "root",
        "here",
        "write",
        "connect",
        "listen",
        "resolve",
        "process",
        "containers",
    ] {
        let answer = found[what].as_str().unwrap();
        assert!(
            answer.starts_with("refused: "),
            "{where_}, {what}: {answer}"
        );
    }
    for (what, expected) in [
        ("environment", "None"),
        ("input", "''"),
        ("clock", "True"),
        ("chance", "8"),
    ] {
        assert_eq!(found[what], expected, "{where_}, {what}");
    }
    assert!(
        ["[]", "['']"].contains(&found["arguments"].as_str().unwrap()),
        "{where_}: {found}"
    );
}

#[test]
fn wasi_has_nothing_in_it() {
    let program = Program::new();
    let root = program.folder.path().join("probing");
    fs::create_dir_all(&root).unwrap();
    let path = format!(
        "{}:{}",
        root.display(),
        repository().join("tests/noop").display()
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let secret = root.join("secret");
    fs::write(&secret, "secret").unwrap();
    let duress = |arguments: &[&str]| {
        let mut command = program.command(arguments);
        command
            .current_dir(&root)
            .env("DURESS_PATH", &path)
            .env("DURESS_TEST_SECRET", "secret")
            .stdin(Stdio::from(fs::File::open(&secret).unwrap()));
        Ended::of(&mut command)
    };
    let succeeds = |arguments: &[&str]| {
        let ended = duress(arguments);
        assert_eq!(ended.code(), 0, "{arguments:?}: {}", ended.said());
        ended
    };
    let new = ["plugin", "new", "probe", "--lang", "python", "--root", "."];
    succeeds(&new);
    let folder = root.join("plugins/probe");
    fs::write(folder.join("src/fault.py"), PROBE).unwrap();
    let world = folder.join("wit/world.wit");
    let text = fs::read_to_string(&world).unwrap();
    let import = "import duress:plugin/containers@";
    fs::write(
        &world,
        text.replacen("import duress:plugin/changes@", import, 1),
    )
    .unwrap();
    let manifest = folder.join("plugin.yaml");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(
        &manifest,
        text.replace("permissions:\n  actions: [limit]\n", "permissions: {}\n"),
    )
    .unwrap();
    succeeds(&["plugin", "build", "probe"]);

    // Nobody has granted it anything, and it is looked at.
    let inspected = succeeds(&["plugin", "inspect", "probe", "--json"]);
    let inspected: Value = serde_json::from_str(&inspected.printed()).unwrap();
    let summary = inspected["faults"][0]["summary"].as_str().unwrap();
    check(&serde_json::from_str(summary).unwrap(), "at a look");

    succeeds(&["plugin", "add", "plugins/probe", "--built-here", "--yes"]);
    let given = format!("port={port}");
    let run = [
        "run",
        "--subject",
        "noop",
        "--chaos",
        "probe:probe",
        "--param",
        &given,
    ];
    let ran = duress(&run);
    assert_eq!(ran.code(), 1, "{}", ran.said());
    assert!(!ran.printed().contains("to the log"), "{}", ran.printed());
    let shown = succeeds(&["show", "trial-noop-probe-1", "--json"]);
    let trial: Value = serde_json::from_str(&shown.printed()).unwrap();
    let error = trial["trial"]["error"].as_str().unwrap();
    let document = &error[error.find('{').unwrap()..=error.rfind('}').unwrap()];
    check(&serde_json::from_str(document).unwrap(), "in a trial");
    assert!(listener.accept().is_err(), "nobody came");
    let log = succeeds(&["show", "trial-noop-probe-1", "--log"]).printed();
    assert!(
        log.contains("to the log") && log.contains("a warning"),
        "{log}"
    );

    // What its language says at the end is the reason that people see.
    let gave_up = [
        "run",
        "--subject",
        "noop",
        "--chaos",
        "probe:probe",
        "--param",
        "port=0",
    ];
    let gave_up = duress(&gave_up);
    assert_eq!(gave_up.code(), 1, "{}", gave_up.said());
    for words in ["its last words: ", "ValueError: nobody listens at port 0"] {
        assert!(gave_up.said().contains(words), "{}", gave_up.said());
    }
}
