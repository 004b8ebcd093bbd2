//! What a system under test answers, written down by a plugin's author: `conformance.yaml`.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use duress_engine::{FileCopy, Overrides, Work};
use duress_model::HttpRequest;

/// The system that a plugin is tried on: its containers, and what they answer.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Script {
    /// The services of the stack; each has one container of that name, in which a process `main` and a process `worker` run.
    #[schemars(length(min = 1, max = 100))]
    pub containers: Vec<String>,
    /// Parameters to try first, by the name of the fault, where it cannot be injected with its schema's defaults. Those, and each parameter
    /// at its limits, are tried as well.
    pub parameters: BTreeMap<String, Vec<Value>>,
    /// Handed to the component, over the settings of `plugin.yaml`.
    #[schemars(schema_with = "duress_yaml::any_mapping")]
    pub settings: Value,
    /// What programs, requests and TCP connections are answered with; the first that fits. `iptables`, `tc` and `ip` answer by
    /// themselves.
    pub answers: Vec<Answer>,
    /// The lines that a container has logged, by its name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub logs: BTreeMap<String, Vec<String>>,
    /// The files of a container, by its name and their paths, with their text. While one is not as it stands here, the mark
    /// `replaced:PATH` is set.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, BTreeMap<String, String>>,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            containers: ["one", "two", "three"].map(str::to_owned).into(),
            parameters: BTreeMap::new(),
            settings: Value::Null,
            answers: Vec::new(),
            logs: BTreeMap::new(),
            files: BTreeMap::new(),
        }
    }
}

/// What a program or a request is answered with, and what it changes.
///
/// What it changes are marks: words of the author's own for the system's state, e.g. `writes-are-refused`. Those that a program sets are its
/// container's, and end with its first process, but for those of a program that runs while the container is stopped. Those that a
/// request sets are the whole system's. A mark that is left at the end is a change that was not reverted.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// A program and its arguments, with single spaces; `*` is any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub program: Option<String>,
    /// Only in this container; none: in any.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub container: String,
    /// What a container that was made otherwise has, e.g. `MODE=strict` for a variable of its environment, `image other:2`, or
    /// `command serve *`; `*` is any text. The marks that it sets are set while that container runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_with: Option<String>,
    /// A method and a URL, e.g. `GET http://pd0:2379/pd/api/v1/*`; `*` is any text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// A container and a TCP port, e.g. `mysql:3306`; `*` is any text. The answer is sent when what the plugin has sent since the last
    /// answer holds the text of `holds`; without `holds`, as soon as the connection is made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<String>,
    /// Only where the request's body, or what was sent by TCP, holds this text.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub holds: String,
    /// What is sent by TCP: each character is a byte, so none is above U+00FF.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sends: String,
    /// Only while all of these marks are set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub when: Vec<String>,
    /// Only while none of these marks is set.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unless: Vec<String>,
    /// The marks that it sets.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<String>,
    /// The marks that it clears.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clears: Vec<String>,
    /// The program's exit code.
    pub exit_code: i32,
    /// The program's standard output.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stdout: String,
    /// The response's status [default: 200].
    #[schemars(range(min = 100, max = 599))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The response's body.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub body: String,
}

impl Script {
    /// The files of a container.
    pub(super) fn files_of(&self, container: &str) -> BTreeMap<String, FileCopy> {
        let file = |(path, text): (&String, &String)| {
            let file = FileCopy {
                contents: text.clone().into_bytes(),
                mode: 0o640,
                user: 100,
                group: 101,
            };
            (path.clone(), file)
        };
        let files = self.files.get(container).into_iter().flatten();
        files.map(file).collect()
    }

    /// Returns the answer to a program.
    pub(super) fn program(
        &self,
        container: &str,
        command: &[String],
        marks: &BTreeSet<String>,
    ) -> Option<&Answer> {
        let text = command.join(" ");
        self.answers.iter().find(|answer| {
            let pattern = answer.program.as_deref();
            pattern.is_some_and(|pattern| fits(pattern, &text))
                && (answer.container.is_empty() || answer.container == container)
                && answer.is_given_with(marks)
        })
    }

    /// Sets the marks of a container that was made otherwise.
    pub(super) fn mark_made(
        &self,
        container: &str,
        overrides: &Overrides,
        marks: &mut BTreeSet<String>,
    ) {
        let mut had: Vec<String> = Vec::new();
        had.extend(overrides.image.iter().map(|image| format!("image {image}")));
        let command = overrides.command.iter();
        had.extend(command.map(|words| format!("command {}", words.join(" "))));
        had.extend(
            overrides
                .environment
                .iter()
                .map(|(name, value)| match value {
                    Some(value) => format!("{name}={value}"),
                    None => name.clone(),
                }),
        );
        for answer in &self.answers {
            let Some(pattern) = &answer.made_with else {
                continue;
            };
            if had.iter().any(|one| fits(pattern, one))
                && (answer.container.is_empty() || answer.container == container)
            {
                answer.mark(marks);
            }
        }
    }

    /// Returns the answer to a program that goes on.
    pub(super) fn lasting(
        &self,
        container: &str,
        work: &Work,
        marks: &BTreeSet<String>,
    ) -> Option<&Answer> {
        match work {
            Work::RunProgram { command } => self.program(container, command, marks),
            _ => None,
        }
    }

    /// Returns the answer to what was sent to a port of a container; to nothing, where it speaks first.
    pub(super) fn tcp(
        &self,
        place: &str,
        sent: &[u8],
        marks: &BTreeSet<String>,
    ) -> Option<&Answer> {
        self.answers.iter().find(|answer| {
            let pattern = answer.tcp.as_deref();
            let holds = bytes(&answer.holds);
            let is_said = match sent {
                [] => holds.is_empty(),
                _ => !holds.is_empty() && sent.windows(holds.len()).any(|part| part == holds),
            };
            pattern.is_some_and(|pattern| fits(pattern, place))
                && is_said
                && answer.is_given_with(marks)
        })
    }

    /// Returns whether anything answers at a port of a container.
    pub(super) fn listens(&self, place: &str) -> bool {
        let patterns = self.answers.iter().filter_map(|one| one.tcp.as_deref());
        patterns.into_iter().any(|pattern| fits(pattern, place))
    }

    /// Returns the answer to a request.
    pub(super) fn request(
        &self,
        request: &HttpRequest,
        marks: &BTreeSet<String>,
    ) -> Option<&Answer> {
        let text = format!("{} {}", request.method, request.url);
        let body = String::from_utf8_lossy(&request.body);
        self.answers.iter().find(|answer| {
            let pattern = answer.request.as_deref();
            pattern.is_some_and(|pattern| fits(pattern, &text))
                && body.contains(&answer.holds)
                && answer.is_given_with(marks)
        })
    }
}

impl Answer {
    /// Returns whether it is given while these marks are set.
    fn is_given_with(&self, marks: &BTreeSet<String>) -> bool {
        self.when.iter().all(|mark| marks.contains(mark))
            && !self.unless.iter().any(|mark| marks.contains(mark))
    }

    /// Change the marks as it says.
    pub(super) fn mark(&self, marks: &mut BTreeSet<String>) {
        marks.extend(self.sets.iter().cloned());
        marks.retain(|mark| !self.clears.contains(mark));
    }
}

/// Returns the bytes that a text stands for: one for each character. Those above U+00FF stand for none.
pub(super) fn bytes(text: &str) -> Vec<u8> {
    text.chars()
        .filter_map(|character| u8::try_from(character).ok())
        .collect()
}

/// Returns whether a text fits a pattern in which `*` stands for any text.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_is_any_text() {
        for (pattern, text, expected) in [
            ("redis-cli ping", "redis-cli ping", true),
            ("redis-cli ping", "redis-cli ping now", false),
            ("redis-cli *", "redis-cli config get x", true),
            ("* get *", "redis-cli config get x", true),
            ("GET http://*/health", "GET http://one:80/health", true),
            ("GET http://*/health", "GET http://one:80/healthy", false),
            ("a*a", "a", false),
            ("*", "", true),
        ] {
            assert_eq!(fits(pattern, text), expected, "{pattern} and {text}");
        }
    }

    #[test]
    fn who_speaks_first_is_told_from_who_answers() {
        let answer = |holds: &str, sends: &str| Answer {
            tcp: Some("one:*".into()),
            holds: holds.into(),
            sends: sends.into(),
            ..Answer::default()
        };
        let script = Script {
            answers: vec![answer("", "hello"), answer("\u{ff}q", "answer")],
            ..Script::default()
        };
        let says = |place: &str, sent: &[u8]| {
            let marks = BTreeSet::new();
            script
                .tcp(place, sent, &marks)
                .map(|answer| answer.sends.as_str())
        };
        assert_eq!(says("one:25", b""), Some("hello"));
        assert_eq!(says("one:25", b"\0\xffq"), Some("answer"));
        assert_eq!(says("one:25", b"q"), None);
        assert_eq!(says("two:25", b""), None);
        assert!(script.listens("one:1") && !script.listens("two:1"));
    }

    #[test]
    fn marks_choose_among_answers() {
        let answer = |when: &[&str], stdout: &str| Answer {
            program: Some("get".into()),
            when: when.iter().map(|&mark| mark.to_owned()).collect(),
            stdout: stdout.into(),
            ..Answer::default()
        };
        let script = Script {
            answers: vec![answer(&["set"], "yes"), answer(&[], "no")],
            ..Script::default()
        };
        let command = ["get".to_owned()];
        let says = |marks: &[&str]| {
            let marks = marks.iter().map(|&mark| mark.to_owned()).collect();
            script
                .program("one", &command, &marks)
                .map(|answer| answer.stdout.as_str())
        };
        assert_eq!(says(&[]), Some("no"));
        assert_eq!(says(&["set"]), Some("yes"));
    }
}
