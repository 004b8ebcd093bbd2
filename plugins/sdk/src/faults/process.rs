//! `process_kill` and `process_pause`: single processes of a container, or all of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts;
use crate::bindings::duress::plugin::changes::ProcessSignal;
use crate::bindings::duress::plugin::containers::Process;
use crate::{Action, Change, Error, Fault, Parameters, Problem, Result, Step, containers};

/// How long a container may take to stop before it is started again, in milliseconds.
const GRACE: u64 = 10_000;

/// Which processes.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Which {
    /// The name of the program, e.g. `etcd`: every process that runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub process: Option<String>,
    /// Or one process, by its number in the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_194_304))]
    pub pid: Option<u32>,
}

impl Which {
    fn problems(&self) -> Vec<Problem> {
        let both = self.process.is_some() && self.pid.is_some();
        let problem = Problem {
            pointer: "/pid".into(),
            message: "stands beside process: it is one or the other".into(),
        };
        both.then_some(problem).into_iter().collect()
    }

    /// The processes that are meant; at least one.
    fn among(&self, target: &str, all: Vec<Process>) -> Result<Vec<Process>> {
        let known: Vec<String> = all
            .iter()
            .map(|process| format!("{} ({})", process.name, process.pid))
            .collect();
        let meant = |process: &Process| match (&self.process, self.pid) {
            (Some(name), _) => is_called(process, name),
            (None, pid) => pid == Some(process.pid),
        };
        let found: Vec<_> = all.into_iter().filter(meant).collect();
        if found.is_empty() {
            let what = match (&self.process, self.pid) {
                (Some(name), _) => format!("called `{name}`"),
                (None, pid) => format!("with the number {}", pid.unwrap_or(0)),
            };
            return Err(Error::Invalid(format!(
                "no process of {target} is {what}; there are: {}",
                known.join(", ")
            )));
        }
        Ok(found)
    }
}

/// By the kernel's name for it, which is cut at 15 characters, or by its program's file.
fn is_called(process: &Process, name: &str) -> bool {
    let program = process.command.first().map_or("", String::as_str);
    let file = program.rsplit('/').next().unwrap_or(program);
    process.name == name || file == name
}

/// The signals by which a process can be asked, or made, to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[allow(clippy::upper_case_acronyms, reason = "they are called so")]
pub enum Signal {
    /// At once.
    #[default]
    SIGKILL,
    /// In good order.
    SIGTERM,
    /// As Ctrl+C does.
    SIGINT,
    /// With a core dump.
    SIGQUIT,
    /// As a failed assertion does.
    SIGABRT,
}

/// Which processes end, and how.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ProcessKill {
    /// The name of the program, e.g. `etcd`: every process that runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub process: Option<String>,
    /// Or one process, by its number in the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_194_304))]
    pub pid: Option<u32>,
    /// The signal that is sent.
    pub signal: Signal,
    /// Process 1 may be among them. The container ends with it, as by `node_kill`.
    pub include_first: bool,
    /// Cleanup restarts the container, for nothing else need bring the process back.
    pub restart_container: bool,
}

impl Default for ProcessKill {
    fn default() -> Self {
        Self {
            process: None,
            pid: None,
            signal: Signal::default(),
            include_first: false,
            restart_container: true,
        }
    }
}

impl ProcessKill {
    fn which(&self) -> Which {
        Which {
            process: self.process.clone(),
            pid: self.pid,
        }
    }
}

impl Parameters for ProcessKill {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = self.which().problems();
        if self.process.is_none() && self.pid.is_none() {
            problems.push(Problem {
                pointer: String::new(),
                message: "name neither `process` nor `pid`".into(),
            });
        }
        problems
    }
}

/// `process_kill`.
pub fn kill() -> Fault {
    Fault::for_each(
        "process_kill",
        "Kill processes of a container by name or number; cleanup restarts the container.",
        |kill: &ProcessKill, target, _| {
            let all = containers::processes(&target.name)?;
            plan_kill(kill, &target.name, all)
        },
    )
    .requires(&["helper"])
}

fn plan_kill(kill: &ProcessKill, target: &str, all: Vec<Process>) -> Result<Step> {
    let found = kill.which().among(target, all)?;
    let first = found.iter().any(|process| process.pid == 1);
    if first && !kill.include_first {
        return Err(Error::Invalid(format!(
            "process 1 of {target} is among them, and {target} would end with it: say `include_first: true`, or take `node_kill`"
        )));
    }
    let signal = format!("{:?}", kill.signal);
    let back = if kill.restart_container && !first {
        Action::Restart(GRACE)
    } else {
        Action::Start
    };
    Ok(step(target, "kill", &found, &signal, vec![back]))
}

impl Parameters for Which {
    fn problems(&self) -> Vec<Problem> {
        Self::problems(self)
    }
}

/// `process_pause`: what is frozen keeps its connections open, and does not answer.
pub fn pause() -> Fault {
    Fault::for_each(
        "process_pause",
        "Freeze all processes of a container, or those of one name or number; cleanup lets them go on.",
        |which: &Which, target, _| {
            if which.process.is_none() && which.pid.is_none() {
                return Ok(freeze(&target.name));
            }
            let all = containers::processes(&target.name)?;
            let found = which.among(&target.name, all)?;
            let signal = |process: &Process| signal(process, "SIGCONT");
            let back = found.iter().map(signal).collect();
            Ok(step(&target.name, "stop", &found, "SIGSTOP", back))
        },
    )
}

/// Freeze one container.
fn freeze(target: &str) -> Step {
    Step {
        facts: facts! { "target_container": target },
        changes: vec![Change {
            container: target.into(),
            summary: format!("pause {target}"),
            apply: vec![Action::Pause],
            revert: vec![Action::Unpause],
            in_force: None,
        }],
    }
}

/// The first process is out of reach of signals from within its container (pid_namespaces(7)): the engine sends it.
fn signal(process: &Process, signal: &str) -> Action {
    if process.pid == 1 {
        return Action::Signal(signal.into());
    }
    Action::SignalProcess(ProcessSignal {
        pid: process.pid,
        started: process.started,
        signal: signal.into(),
    })
}

fn step(target: &str, verb: &str, found: &[Process], with: &str, revert: Vec<Action>) -> Step {
    let names: Vec<String> = found
        .iter()
        .map(|process| format!("{} ({})", process.name, process.pid))
        .collect();
    let pids: Vec<u32> = found.iter().map(|process| process.pid).collect();
    Step {
        facts: facts! { "target_container": target, "signal": with, "pids": pids, "processes": names },
        changes: vec![Change {
            container: target.into(),
            summary: format!("{verb} {} of {target} with {with}", names.join(", ")),
            apply: found.iter().map(|process| signal(process, with)).collect(),
            revert,
            in_force: None,
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, name: &str, program: &str) -> Process {
        Process {
            pid,
            name: name.into(),
            command: vec![program.into()],
            started: 100 + u64::from(pid),
        }
    }

    fn plan(kill: &ProcessKill) -> Result<Step> {
        let all = vec![
            process(1, "init", "/sbin/init"),
            process(7, "a-very-long-nam", "/usr/bin/a-very-long-name-indeed"),
            process(8, "etcd", "etcd"),
        ];
        plan_kill(kill, "etcd0", all)
    }

    fn named(name: &str) -> ProcessKill {
        ProcessKill {
            process: Some(name.into()),
            ..ProcessKill::default()
        }
    }

    #[test]
    fn a_process_is_found_by_its_name_and_its_file() {
        for (name, pid) in [
            ("etcd", 8),
            ("a-very-long-name-indeed", 7),
            ("a-very-long-nam", 7),
        ] {
            let step = plan(&named(name)).expect("a plan");
            assert_eq!(step.facts["pids"], serde_json::json!([pid]), "{name}");
            assert_eq!(step.changes[0].revert, [Action::Restart(GRACE)]);
        }
    }

    #[test]
    fn a_name_that_matches_nothing_is_answered_with_those_there_are() {
        let error = plan(&named("nginx")).expect_err("no such process");
        assert!(error.text().contains("etcd (8)"), "{}", error.text());
    }

    #[test]
    fn the_first_process_is_refused_unasked() {
        assert!(plan(&named("init")).is_err());
        let asked = ProcessKill {
            include_first: true,
            ..named("init")
        };
        let step = plan(&asked).expect("a plan");
        assert_eq!(step.changes[0].revert, [Action::Start]);
    }

    #[test]
    fn one_of_name_and_number_must_be_given() {
        let problems = |text: &str| {
            let parameters = serde_json::from_str(text).expect("JSON");
            kill().check(&parameters).len()
        };
        assert_eq!(problems("{}"), 1);
        assert_eq!(problems(r#"{"process": "a", "pid": 2}"#), 1);
        assert_eq!(problems(r#"{"pid": 2}"#), 0);
    }
}
