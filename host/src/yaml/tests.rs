//! What a person sees of each mistake, and that no input is too strange.

use proptest::prelude::*;
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
        (Some(example), problems) => {
            assert!(problems.is_empty());
            format!("{example:?}")
        }
        (None, problems) => document.invalid(problems).render(false),
    }
}

#[test]
fn show() {
    for text in [
        "name: a\nfill_percent: 140\n",
        "nam: a\nfill_percent: \"12\"\nparallel: 2.5\nmode: fats\nsteps:\n  - kind: pause\n    second: 1\n  - kind: run\n    command: ls\n  - kind: rnu\n  - 3\n",
        "name: 12\nparallel:\nsteps: {}\nname: b\n",
        "",
        "# only a comment\n",
        "name: [a\n",
        "name: a\n  b: c\n",
        "name: a\n---\nname: b\n",
        "a: &a [*b]\n",
        "a: &a [*a]\n",
        "- a\n",
        "name: !!binary abc\n",
        "name: !foo abc\n",
        "name: \"a\u{1b}[31m\"\nx: 1\n",
        "? [a]\n: b\n",
        "~: b\n",
        "x: .inf\n",
        "name: yes\nparallel: 2.0\n",
    ] {
        println!("=== {text:?}\n{}", seen(text));
    }
}
