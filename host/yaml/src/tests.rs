//! What a person sees of each mistake of form.

use insta::assert_snapshot;
use schemars::JsonSchema;
use serde::Deserialize;

use super::*;

/// A format with one of everything.
#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields)]
struct Example {
    /// What it is called.
    #[schemars(length(min = 1))]
    name: String,
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    fill_percent: u8,
    #[serde(default)]
    parallel: Option<u32>,
    #[serde(default)]
    mode: Option<Mode>,
    #[serde(default)]
    steps: Vec<Step>,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(rename_all = "snake_case")]
enum Mode {
    /// Quick.
    Fast,
    /// Not so.
    Thorough,
}

#[derive(Debug, Deserialize, JsonSchema, PartialEq)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "snake_case")]
enum Step {
    /// Wait.
    Pause { seconds: f64 },
    /// Do.
    Run { command: Vec<String> },
}

fn seen(text: &str) -> String {
    let document = match Document::parse("example.yaml", text) {
        Ok(document) => document,
        Err(invalid) => return invalid.render(false),
    };
    match document.interpret::<Example>() {
        (Some(example), _) => panic!("this has no mistakes: {example:?}"),
        (None, problems) => document.invalid(problems).render(false),
    }
}

#[test]
fn a_percentage_of_140() {
    assert_snapshot!(seen("name: a\nfill_percent: 140\n"));
}

#[test]
fn every_mistake_at_once() {
    assert_snapshot!(seen(
        "nam: a
fill_percent: \"12\"
parallel: 2.5
mode: fats
steps:
  - kind: pause
    second: 1
  - kind: run
    command: ls
  - kind: rnu
  - 3
colour: red
"
    ));
}

#[test]
fn keys_without_values_and_keys_twice() {
    assert_snapshot!(seen("name: 12\nparallel:\nsteps: {}\nname: b\n"));
}

#[test]
fn nothing_at_all() {
    assert_snapshot!(seen(""));
    assert_snapshot!(seen("- name\n"));
}

#[test]
fn broken_yaml() {
    assert_snapshot!(seen("name: [a\n"));
    assert_snapshot!(seen("name: a\n  mode: fast\n"));
    assert_snapshot!(seen("name: a\n---\nname: b\n"));
    assert_snapshot!(seen("name: !secret a\n"));
    assert_snapshot!(seen("name: \"a\u{1b}[31m\"\n"));
}

#[test]
fn aliases() {
    assert_snapshot!(seen("steps: &a [*a]\n"));
    assert_snapshot!(seen("name: *other\n"));
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..9 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{before}]\n"));
    }
    let problems = Document::parse("bomb.yaml", bomb).expect_err("it is a bomb");
    assert_snapshot!(problems.problems()[0].message);
    let deep = "[".repeat(100_000);
    let problems = Document::parse("deep.yaml", deep).expect_err("it is too deep");
    assert_snapshot!(problems.problems()[0].message);
}

#[test]
fn scalars_are_those_of_yaml_1_2() {
    let text = "name: yes\nparallel: 2.0\nfill_percent: 012\n";
    let document = Document::parse("example.yaml", text).expect("it is YAML");
    assert_eq!(
        document.value(),
        &serde_json::json!({"name": "yes", "parallel": 2, "fill_percent": 12})
    );
}

#[test]
fn an_anchor_may_be_used_again() {
    let text = "name: &n a\nsteps:\n  - &run {kind: run, command: [*n]}\n  - *run\n";
    let document = Document::parse("example.yaml", text).expect("it is YAML");
    let (example, problems) = document.interpret::<Example>();
    assert_eq!(problems, []);
    assert_eq!(example.expect("no problems").steps.len(), 2);
}

#[test]
fn a_mistake_within_a_text_has_its_own_place() {
    let column = |text: &str| {
        let document = Document::parse("example.yaml", text).expect("it is YAML");
        let problem = document.problem_within("/name", 2..4, "wrong");
        (problem.line, problem.column, problem.span.1)
    };
    assert_eq!(column("name: abcdef\n"), (1, 9, 2));
    assert_eq!(column("name: \"abcdef\"\n"), (1, 10, 2));
    assert_eq!(column("name: 'abcdef'\n"), (1, 10, 2));
    // Written otherwise than it is read: the whole text is the place.
    assert_eq!(column("name: \"a\\x62cdef\"\n").1, 7);
    // Beyond the text, and in the middle of a character.
    assert_eq!(column("name: abc\n").1, 7);
    assert_eq!(column("name: abcéf\n").1, 7);
}

#[test]
fn a_long_line_is_not_drawn() {
    let text = format!("name: a\nparallel: \"{}\"\n", "x".repeat(1000));
    assert_snapshot!(seen(&text));
}

#[test]
fn a_flood_of_mistakes_is_cut() {
    let text: String = (0..5_000).map(|n| format!("key{n}: 1\n")).collect();
    let seen = seen(&text);
    assert_eq!(seen.matches('×').count(), PROBLEMS_SHOWN);
    assert!(seen.ends_with("example.yaml has 5001 mistakes, of which these are the first 25\n"));
}

#[test]
fn as_an_ordinary_error() {
    let document = Document::parse("example.yaml", "nam: a\nmode: 3\n").expect("it is YAML");
    let (_, problems) = document.interpret::<Example>();
    let error = duress_model::Error::from(document.invalid(problems));
    assert_eq!(error.kind(), duress_model::Kind::Input);
    assert_snapshot!(error);
}

/// A file's error and its hints, with the directory's name out of the way.
fn file_error(directory: &Path, name: &str) -> String {
    let error = match load::<Example>(&directory.join(name)) {
        Ok(_) => panic!("{name} can be read"),
        Err(error) => duress_model::Error::from(error),
    };
    assert_eq!(error.kind(), duress_model::Kind::Input);
    let mut text = error.to_string();
    for hint in error.hints() {
        text.push_str(&format!("\n  hint: {hint}"));
    }
    text.replace(&directory.display().to_string(), "DIR")
}

#[test]
fn files_that_cannot_be_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path();
    assert_snapshot!(file_error(path, "quickstart.yaml"));
    std::fs::write(path.join("quickstart.yaml"), "name: a\n").expect("a file");
    std::fs::write(path.join("latin1.yaml"), b"name: a\n# caf\xe9\n").expect("a file");
    std::fs::write(path.join("large.yaml"), vec![b'#'; (1 << 20) + 1]).expect("a file");
    assert_snapshot!(file_error(path, "quikstart.yaml"));
    assert_snapshot!(file_error(path, "other.yaml"));
    assert_snapshot!(file_error(path, "no/such.yaml"));
    assert_snapshot!(file_error(path, ""));
    assert_snapshot!(file_error(path, "latin1.yaml"));
    assert_snapshot!(file_error(path, "large.yaml"));
}

#[test]
fn a_good_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("good.yaml");
    std::fs::write(&path, "\u{feff}name: a\nmode: thorough\n").expect("a file");
    let (example, _) = load::<Example>(&path).expect("it is good");
    assert_eq!(example.mode, Some(Mode::Thorough));
}

#[test]
fn what_is_too_deep_or_repeats_too_much_is_called_that() {
    let block: String = (0..200)
        .map(|level| format!("{}a:\n", " ".repeat(level)))
        .collect();
    let flow = "name: ".to_owned() + &"[".repeat(60) + &"]".repeat(60);
    for deep in [block, flow, "[".repeat(100_000)] {
        let problems = Document::parse("deep.yaml", deep).expect_err("it is too deep");
        let problem = &problems.problems()[0];
        assert!(problem.message.contains("nested too deeply"), "{problem:?}");
        assert_eq!(problem.help, None);
    }
    // Each of them on one line, and one alias after another.
    let mut bomb = format!("a: &a [{}]\nb:\n", vec!["x"; 300].join(", "));
    bomb.push_str(&"- *a\n".repeat(300));
    let problems = Document::parse("bomb.yaml", bomb).expect_err("it is a bomb");
    let problem = &problems.problems()[0];
    assert!(problem.message.contains("once its aliases"), "{problem:?}");
    assert_eq!(problem.help, None);
}

#[test]
fn a_dash_without_a_space_is_told() {
    let text = "name: a\nsteps:\n  -pause\n";
    let document = Document::parse("example.yaml", text).expect("it is YAML");
    let (_, problems) = document.interpret::<Example>();
    let help = problems[0].help.as_deref().unwrap_or_default();
    assert_eq!(help, "put a space behind the `-` of each item: `- pause`");
}

#[test]
fn a_name_is_listed_once() {
    assert_eq!(list_of(["a", "b", "a"]), "`a`, `b`");
}

#[test]
fn only_regular_files_are_read() {
    let directory = tempfile::tempdir().expect("a directory");
    duress_files::fixtures::make_pipe(&directory.path().join("pipe.yaml")).expect("a pipe");
    assert!(file_error(directory.path(), "pipe.yaml").contains("named pipe"));
    assert!(file_error(Path::new("/dev"), "zero").contains("device"));
}

#[test]
fn nothing_that_steers_a_terminal_is_drawn() {
    let text = "name: \"\u{202e}a\u{9b}31m\u{1b}[2J\"\nb\rc: 1\n";
    let steers = |seen: &str| {
        let found = seen.chars().filter(|c| duress_model::text::is_steering(*c));
        found.filter(|c| *c != '\n').collect::<String>()
    };
    let Err(invalid) = Document::parse("a\u{1b}[2J.yaml", text).and_then(|document| {
        let (_, problems) = document.interpret::<Example>();
        Err::<(), _>(document.invalid(problems))
    }) else {
        panic!("it is wrong");
    };
    assert_eq!(steers(&invalid.render(false)), "");
}
