//! `process_kill` and `process_pause`: single processes of a container, or all of them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts;
use crate::bindings::duress::plugin::changes::ProcessSignal;
use crate::bindings::duress::plugin::containers::Process;
use crate::{Action, Change, Error, Fault, Parameters, Planned, Problem, Result, Step, containers};

/// Grace for a container that is restarted, in milliseconds. The host does not wait for a first
/// process that ignores the signal to stop.
const GRACE: u64 = 10_000;
/// Most processes that one change signals: the host limits a change's actions.
const PER_CHANGE: usize = 200;
/// Most processes that an error lists.
const LISTED: usize = 30;

/// Which processes: all that fit what is given.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Which {
    /// The name of the program, e.g. `etcd`: every process that runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub process: Option<String>,
    /// A part of the command line, e.g. `--shard=2`: every process whose arguments, joined by single
    /// spaces, contain it. With `process`, both must fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub command: Option<String>,
    /// Or one process, by its number in the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_194_304))]
    pub pid: Option<u32>,
}

impl Which {
    fn problems(&self) -> Vec<Problem> {
        let both = self.pid.is_some() && (self.process.is_some() || self.command.is_some());
        let problem = Problem {
            pointer: "/pid".into(),
            message: "stands beside process or command: it is one or the other".into(),
        };
        both.then_some(problem).into_iter().collect()
    }

    fn is_empty(&self) -> bool {
        self.process.is_none() && self.command.is_none() && self.pid.is_none()
    }

    fn fits(&self, process: &Process) -> bool {
        self.pid.is_none_or(|pid| pid == process.pid)
            && (self.process.as_ref()).is_none_or(|name| is_called(process, name))
            && (self.command.as_ref())
                .is_none_or(|part| process.command.join(" ").contains(part.as_str()))
    }

    /// Returns the processes that fit, at least one, the oldest first: a process that forks is
    /// signalled before its children.
    fn among(&self, target: &str, all: &[Process]) -> Result<Vec<Process>> {
        let mut found: Vec<_> = all
            .iter()
            .filter(|process| self.fits(process))
            .cloned()
            .collect();
        if found.is_empty() {
            return Err(Error::Invalid(format!(
                "no process of {target} {self}; there are: {}",
                self.known(all)
            )));
        }
        found.sort_by_key(|process| (process.started, process.pid));
        Ok(found)
    }

    /// Lists processes as the parameters name them.
    fn known(&self, all: &[Process]) -> String {
        let shown = |process: &Process| match self.command {
            Some(_) => format!("`{}` ({})", process.command.join(" "), process.pid),
            None => format!("{} ({})", process.name, process.pid),
        };
        let mut known: Vec<_> = all.iter().take(LISTED).map(shown).collect();
        if all.len() > LISTED {
            known.push(format!("{} more", all.len() - LISTED));
        }
        known.join(", ")
    }
}

/// Continues "no process of etcd0 …".
impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.process, &self.command, self.pid) {
            (_, _, Some(pid)) => write!(f, "has the number {pid}"),
            (Some(name), Some(part), None) => {
                write!(f, "is called `{name}` and has `{part}` in its command line")
            }
            (Some(name), None, None) => write!(f, "is called `{name}`"),
            (None, part, None) => {
                let part = part.as_deref().unwrap_or_default();
                write!(f, "has `{part}` in its command line")
            }
        }
    }
}

/// By the kernel's name for it, which is cut at 15 characters, or by its program's file.
fn is_called(process: &Process, name: &str) -> bool {
    let program = process.command.first().map_or("", String::as_str);
    let file = program.rsplit('/').next().unwrap_or(program);
    process.name == name || file == name
}

/// Returns the number of the container's first process, with which the container ends: 1 or, where
/// it shares the pid namespace of another container, that of the process that started first.
fn first_of(all: &[Process]) -> Option<u32> {
    all.iter()
        .min_by_key(|process| (process.pid != 1, process.started, process.pid))
        .map(|process| process.pid)
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
    /// A part of the command line, e.g. `--shard=2`: every process whose arguments, joined by single
    /// spaces, contain it. With `process`, both must fit.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub command: Option<String>,
    /// Or one process, by its number in the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 4_194_304))]
    pub pid: Option<u32>,
    /// The signal that is sent.
    pub signal: Signal,
    /// The container's first process may be killed too. The container ends with it, as by `node_kill`.
    /// Without this, it is spared where others fit as well.
    pub include_first: bool,
    /// Cleanup restarts the container, for nothing else need bring the process back.
    pub restart_container: bool,
}

impl Default for ProcessKill {
    fn default() -> Self {
        Self {
            process: None,
            command: None,
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
            command: self.command.clone(),
            pid: self.pid,
        }
    }
}

impl Parameters for ProcessKill {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = self.which().problems();
        if self.which().is_empty() {
            problems.push(Problem {
                pointer: String::new(),
                message: "must name a `process`, a part of a `command` or a `pid`".into(),
            });
        }
        problems
    }
}

/// `process_kill`.
pub fn kill() -> Fault {
    Fault::for_each(
        "process_kill",
        "Kill processes of a container by name, command line or number; cleanup restarts the container.",
        |kill: &ProcessKill, target, _| {
            let all = containers::processes(&target.name)?;
            plan_kill(kill, &target.name, &all)
        },
    )
    .requires(&["helper"])
}

fn plan_kill(kill: &ProcessKill, target: &str, all: &[Process]) -> Result<Step> {
    let mut found = kill.which().among(target, all)?;
    let first = first_of(all);
    if !kill.include_first {
        found.retain(|process| Some(process.pid) != first);
    }
    if found.is_empty() {
        return Err(Error::Invalid(format!(
            "only the first process of {target} fits, and {target} would end with it: say `include_first: true`, or use `node_kill`"
        )));
    }
    let ends = found.iter().any(|process| Some(process.pid) == first);
    let back = if kill.restart_container && !ends {
        Action::Restart(GRACE)
    } else {
        Action::Start
    };
    let signal = format!("{:?}", kill.signal);
    let mut step = step(target, "kill", &found, &signal, |_| vec![back.clone()]);
    // Reverted last: one restart is enough.
    for planned in step.changes.iter_mut().skip(1) {
        if let Planned::Change(change) = planned {
            change.revert = vec![Action::Start];
        }
    }
    Ok(step)
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
        "Freeze all processes of a container, or those of one name, command line or number; cleanup lets them continue.",
        |which: &Which, target, _| {
            if which.is_empty() {
                return Ok(freeze(&target.name));
            }
            let all = containers::processes(&target.name)?;
            let found = which.among(&target.name, &all)?;
            Ok(stop(&target.name, &found))
        },
    )
    .then(|which: &Which, target, steps| {
        if which.is_empty() {
            return Ok(None);
        }
        let all = containers::processes(&target.name)?;
        Ok(newcomers(which, &target.name, &all, steps))
    })
}

fn stop(target: &str, found: &[Process]) -> Step {
    let continued = |found: &[Process]| {
        let signal = |process: &Process| signal(process, "SIGCONT");
        found.iter().map(signal).collect()
    };
    step(target, "stop", found, "SIGSTOP", continued)
}

/// Plans to stop what was forked between the listing and the signal to its parent.
fn newcomers(which: &Which, target: &str, all: &[Process], steps: &[Step]) -> Option<Step> {
    let stopped = |process: &Process| {
        let action = signal(process, "SIGSTOP");
        steps
            .iter()
            .flat_map(|step| &step.changes)
            .any(|planned| match planned {
                Planned::Change(change) => {
                    change.container == target && change.apply.contains(&action)
                }
                _ => false,
            })
    };
    let mut found = which.among(target, all).ok()?;
    found.retain(|process| !stopped(process));
    (!found.is_empty()).then(|| stop(target, &found))
}

/// Freezes one container.
fn freeze(target: &str) -> Step {
    Step {
        facts: facts! { "target_container": target },
        changes: vec![
            Change {
                container: target.into(),
                summary: format!("pause {target}"),
                apply: vec![Action::Pause],
                revert: vec![Action::Unpause],
                in_force: None,
            }
            .into(),
        ],
    }
}

/// Returns how to send a signal. The engine sends it to the first process, which ignores signals from within its container
/// (pid_namespaces(7)).
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

fn step(
    target: &str,
    verb: &str,
    found: &[Process],
    with: &str,
    revert: impl Fn(&[Process]) -> Vec<Action>,
) -> Step {
    let names: Vec<String> = found
        .iter()
        .map(|process| format!("{} ({})", process.name, process.pid))
        .collect();
    let pids: Vec<u32> = found.iter().map(|process| process.pid).collect();
    let change = |(found, names): (&[Process], &[String])| Change {
        container: target.into(),
        summary: format!("{verb} {} of {target} with {with}", some(names)),
        apply: found.iter().map(|process| signal(process, with)).collect(),
        revert: revert(found),
        in_force: None,
    };
    Step {
        facts: facts! { "target_container": target, "signal": with, "pids": pids, "processes": names },
        changes: found
            .chunks(PER_CHANGE)
            .zip(names.chunks(PER_CHANGE))
            .map(|chunk| change(chunk).into())
            .collect(),
    }
}

/// Returns the host limits the length of a summary.
fn some(names: &[String]) -> String {
    const SHOWN: usize = 8;
    match names.len().saturating_sub(SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names[..SHOWN].join(", ")),
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
        let all = [
            process(1, "init", "/sbin/init"),
            process(7, "a-very-long-nam", "/usr/bin/a-very-long-name-indeed"),
            process(8, "etcd", "etcd"),
        ];
        plan_kill(kill, "etcd0", &all)
    }

    fn named(name: &str) -> ProcessKill {
        ProcessKill {
            process: Some(name.into()),
            ..ProcessKill::default()
        }
    }

    fn workers(commands: &[&str]) -> Vec<Process> {
        let worker = |(number, command): (usize, &&str)| {
            let mut process = process(1 + number as u32, "worker", "");
            process.command = command.split(' ').map(str::to_owned).collect();
            process
        };
        commands.iter().enumerate().map(worker).collect()
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
            assert_eq!(step.changes[0].change().revert, [Action::Restart(GRACE)]);
        }
    }

    #[test]
    fn a_process_is_found_by_a_part_of_its_command_line() {
        let all = workers(&[
            "worker",
            "worker --shard 1",
            "worker --shard 2",
            "other --shard 2",
        ]);
        let pids = |process: Option<&str>, command: &str| {
            let kill = ProcessKill {
                process: process.map(str::to_owned),
                command: Some(command.into()),
                ..ProcessKill::default()
            };
            plan_kill(&kill, "etcd0", &all).map(|step| step.facts["pids"].clone())
        };
        assert_eq!(pids(None, "--shard 2"), Ok(serde_json::json!([3, 4])));
        assert_eq!(pids(Some("other"), "--shard 2"), Ok(serde_json::json!([4])));
        let said = pids(None, "--shard 3").expect_err("none fits").text();
        assert!(said.contains("`worker --shard 1` (2)"), "{said}");
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
        assert_eq!(step.changes[0].change().revert, [Action::Start]);
    }

    #[test]
    fn the_first_process_is_spared_where_others_have_its_name() {
        let all = workers(&["postgres", "postgres: writer", "postgres: backend"]);
        let step = plan_kill(&named("worker"), "db", &all).expect("a plan");
        assert_eq!(step.facts["pids"], serde_json::json!([2, 3]));
        let everyone = ProcessKill {
            include_first: true,
            ..named("worker")
        };
        let step = plan_kill(&everyone, "db", &all).expect("a plan");
        assert_eq!(step.facts["pids"], serde_json::json!([1, 2, 3]));
        assert_eq!(step.changes[0].change().revert, [Action::Start]);
    }

    #[test]
    fn the_first_process_is_known_in_a_shared_pid_namespace() {
        let mut all = workers(&["postgres", "postgres: writer"]);
        for process in &mut all {
            process.pid += 40;
        }
        let step = plan_kill(&named("worker"), "db", &all).expect("a plan");
        assert_eq!(step.facts["pids"], serde_json::json!([42]));
    }

    #[test]
    fn many_processes_are_several_changes_and_one_restart() {
        let all = workers(&["worker"; 450]);
        let step = plan_kill(&named("worker"), "db", &all).expect("a plan");
        let sizes: Vec<_> = step
            .changes
            .iter()
            .map(|one| one.change().apply.len())
            .collect();
        assert_eq!(sizes, [200, 200, 49]);
        let reverts: Vec<_> = step
            .changes
            .iter()
            .map(|one| one.change().revert.clone())
            .collect();
        assert_eq!(
            reverts,
            [[Action::Restart(GRACE)], [Action::Start], [Action::Start]]
        );
        assert!(
            step.changes
                .iter()
                .all(|one| one.change().summary.len() < 500)
        );
    }

    #[test]
    fn what_was_forked_meanwhile_is_stopped_too() {
        let all = workers(&["worker"; 3]);
        let which = Which {
            process: Some("worker".into()),
            ..Which::default()
        };
        let steps = [stop("db", &all[..2])];
        let more = newcomers(&which, "db", &all, &steps).expect("one is new");
        assert_eq!(more.facts["pids"], serde_json::json!([3]));
        assert_eq!(newcomers(&which, "db", &all[..2], &steps), None);
        // All have ended meanwhile.
        assert_eq!(newcomers(&which, "db", &[], &steps), None);
    }

    #[test]
    fn one_of_name_command_and_number_must_be_given() {
        let problems = |text: &str| {
            let parameters = serde_json::from_str(text).expect("JSON");
            kill().check(&parameters).len()
        };
        assert_eq!(problems("{}"), 1);
        assert_eq!(problems(r#"{"process": "a", "pid": 2}"#), 1);
        assert_eq!(problems(r#"{"command": "a", "pid": 2}"#), 1);
        assert_eq!(problems(r#"{"pid": 2}"#), 0);
        assert_eq!(problems(r#"{"process": "a", "command": "b"}"#), 0);
    }
}
