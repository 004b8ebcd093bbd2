//! What a person reads: lists, a campaign, a trial, the summary of a run, and errors, as snapshots. Change one only after reading it as a stranger.

use insta::assert_snapshot;

use crate::program::{Ended, Program, noop};

/// Stands for the parts that differ from run to run. Columns are as wide as their content, so runs of blanks are made alike.
const DIFFERENT: [(&str, &str); 11] = [
    (r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "ID"),
    (r"campaign-\w+-\w{8}", "CAMPAIGN"),
    (r"/\S*/plugins/", "FOLDER/plugins/"),
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", "TIME"),
    (
        r"(?m)^.*(OVERLOADED|was overloaded|work of this machine).*\n",
        "",
    ),
    (r"\[ *\d+\.\d s\]", "[DURATION]"),
    (r"\b\d+ min \d+ s\b|\b\d+(\.\d+)? m?s\b", "DURATION"),
    (r"/\S*/duress\.db", "DATABASE"),
    (r"sha256:[0-9a-f]{64}", "DIGEST"),
    (r"(?m) +$", ""),
    (r" {2,}", "  "),
];

fn seen(ended: &Ended) -> String {
    let (code, printed, said) = (ended.code(), ended.printed(), ended.said());
    format!("exit code {code}\n--- stdout\n{printed}--- stderr\n{said}")
}

macro_rules! snapshot {
    ($name:expr, $ended:expr) => {
        insta::with_settings!({ filters => DIFFERENT, omit_expression => true }, {
            assert_snapshot!($name, seen(&$ended));
        });
    };
}

#[test]
fn a_run_its_campaign_and_its_trials_are_shown() {
    let program = Program::new();
    snapshot!("list_of_no_campaigns", program.run(&["list"]));
    let run = [
        "run",
        "--subject",
        "noop",
        "--chaos",
        "nothing",
        "--baseline",
        "--duration",
        "0",
        "--seed",
        "1",
        "--variant",
        "before",
    ];
    snapshot!("run", program.run(&run));
    snapshot!("list", program.run(&["list"]));
    snapshot!("show_campaign", program.run(&["show", "noop-nothing"]));
    snapshot!(
        "show_trial",
        program.run(&["show", "trial-noop-baseline-1"])
    );
    let audit = [
        "show",
        "trial-noop-nothing-1",
        "--audit",
        "--function",
        "inject",
    ];
    snapshot!("show_trial_that_is_invalid", program.run(&audit));
    let dry_run = ["run", "--subject", "noop", "--baseline", "--dry-run"];
    snapshot!("dry_run", program.run(&dry_run));
}

#[test]
fn plugins_and_faults_are_listed() {
    let program = Program::new();
    program.plugin("theirs", &noop(), "{}");
    let run = |arguments: &[&str]| {
        let mut command = program.command(arguments);
        command
            .env("DURESS_PATH", program.folder.path())
            .current_dir(program.folder.path());
        Ended::of(&mut command)
    };
    snapshot!("plugin_list", run(&["plugin", "list"]));
    snapshot!("plugin_inspect", run(&["plugin", "inspect", "theirs"]));
    snapshot!("plugin_check", run(&["plugin", "check", "theirs"]));
    snapshot!("subject_list_of_none", run(&["subject", "list"]));
    snapshot!("fault_list", run(&["fault", "list", "theirs"]));
}

#[test]
fn errors_say_what_why_and_what_to_do() {
    let program = Program::new();
    snapshot!("error_no_database", program.run(&["show", "x"]));
    let trial = ["run", "--subject", "noop", "--baseline", "--duration", "0"];
    assert_eq!(program.run(&trial).code(), 0);
    for (name, arguments) in [
        ("error_nothing_to_run", &["run"] as &[_]),
        ("error_no_file", &["run", "campaign", "nowhere.yaml"]),
        (
            "error_unknown_subject",
            &["run", "--subject", "noob", "--baseline"],
        ),
        ("error_unknown_trial", &["show", "nothing-like-it"]),
        ("error_unknown_campaign", &["resume", "nothing-like-it"]),
        ("error_unknown_plugin", &["plugin", "inspect", "nowhere"]),
        (
            "error_plugin_source",
            &["plugin", "add", "ftp://there/x.wasm"],
        ),
        (
            "error_plugin_is_there",
            &["plugin", "new", "etcd", "--lang", "c"],
        ),
        ("error_push_elsewhere", &["plugin", "push", "etcd", "there"]),
        (
            "error_option_value",
            &["run", "--subject", "noop", "--trials", "many"],
        ),
        ("error_nothing_left_to_resume", &["resume", "noop"]),
    ] {
        snapshot!(name, program.run(arguments));
    }
}
