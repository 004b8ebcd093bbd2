//! A change as the journal keeps it: the same shapes as `changes` in `wit/plugin.wit`, in a form that lasts.

use serde::{Deserialize, Serialize};

use duress_model::HttpRequest;

use super::comparison::Comparison;
use super::inverse;
use super::kept::{self, Bytes, Original};
use duress_engine::{
    Arrangement, Beside, ContainerId, Fill, Limits, LimitsRecord, Project, SMALLEST_FILL, Work,
};

/// Where a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In the container.
    Container,
    /// In its network namespace.
    NetworkOfContainer,
}

/// A program and where it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedProgram {
    /// In what surroundings.
    pub place: Place,
    /// An argument vector.
    pub command: Vec<String>,
    /// After this it counts as failed.
    pub timeout_ms: u64,
    /// Exit codes beside 0 that are not failures.
    pub tolerated: Vec<i32>,
}

/// One thing that the host does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Run a program.
    Run(PlacedProgram),
    /// Send a signal to the first process.
    Signal(String),
    /// Freeze.
    Pause,
    /// Thaw.
    Unpause,
    /// Stop, with a grace in milliseconds.
    Stop {
        /// Before it is killed.
        grace_ms: u64,
    },
    /// Start.
    Start,
    /// Stop and start.
    Restart {
        /// Before it is killed.
        grace_ms: u64,
    },
    /// Send a signal to one process.
    SignalProcess {
        /// As the container numbers it.
        pid: i32,
        /// In clock ticks since the machine started.
        started: u64,
        /// e.g. `SIGKILL`.
        signal: String,
    },
    /// Start a task.
    StartTask {
        /// What it is found by again.
        id: String,
        /// What is done.
        work: Work,
    },
    /// End a task of this change.
    StopTask {
        /// As it was started.
        id: String,
    },
    /// Change limits.
    Limit(Limits),
    /// Restores the limits that a container had. The host puts it in the place of `limit` in `revert`, and records it before
    /// anything is applied; no component can request it.
    RestoreLimits {
        /// What it had before any change that may be in force.
        before: LimitsRecord,
        /// What other changes still limit.
        #[serde(default)]
        still: Limits,
    },
    /// Take up space.
    FillDisk {
        /// Absolute, in the container.
        path: String,
        /// In bytes.
        size: u64,
        /// What only this fill begins with. Changes of earlier versions have none.
        #[serde(default)]
        mark: Option<String>,
        /// The file may lie on a disk that is not the container's alone. Decided again at the moment of the action.
        #[serde(default)]
        root_filesystem_allowed: bool,
    },
    /// Give the space back.
    RemoveFill {
        /// Absolute, in the container.
        path: String,
    },
    /// Replace a file's contents.
    ReplaceFile {
        /// Absolute, in the container.
        path: String,
        /// New contents.
        contents: Bytes,
        /// End of the temporary file's name.
        token: String,
    },
    /// Restore a file that the change replaces. What it was the host writes down before anything is made.
    RestoreFile {
        /// Absolute, in the container.
        path: String,
        /// What it is restored to.
        #[serde(default)]
        original: Original,
    },
    /// Ask the system.
    Ask(HttpRequest),
    /// Set containers aside, and start others that are made from them.
    Rearrange(Arrangement),
    /// End what `rearrange` of the same change began.
    PutBack,
    /// Stop the container, and run a program on its volumes.
    RunOffline {
        /// An argument vector.
        command: Vec<String>,
        /// After this it counts as failed.
        timeout_ms: u64,
        /// Exit codes beside 0 that are no failure.
        tolerated: Vec<i32>,
    },
}

/// How the host sees that a change is in force.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// In force while the program exits 0.
    Run(PlacedProgram),
    /// In force while the program's standard output holds every text; gone once it holds none.
    Output {
        /// What to run; when it fails, nothing is known.
        program: PlacedProgram,
        /// What to look for; at least one.
        texts: Vec<String>,
    },
    /// In force while the answer has status 200 and holds the text.
    Answer {
        /// What to ask.
        request: HttpRequest,
        /// What to look for.
        text: String,
    },
    /// In force by how a value compares with the one before the change.
    Compare(Comparison),
    /// In force while every one of them is; gone once none is.
    All(Vec<Self>),
}

/// A change with its way back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The stack that it belongs to.
    pub project: Project,
    /// The container, by the engine's name.
    pub container: ContainerId,
    /// The container, by the plugin's name.
    pub container_name: String,
    /// One line.
    pub summary: String,
    /// What breaks it.
    pub apply: Vec<Action>,
    /// What reverts it.
    pub revert: Vec<Action>,
    /// How to see that it is in force, beyond what the host sees for itself.
    pub in_force: Option<Probe>,
    /// The HTTP hosts beyond the stack that its requests may go to.
    pub http_hosts: Vec<String>,
    /// How long its effect may take to show or to be gone, in milliseconds, where its author says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effect_wait_ms: Option<u64>,
}

/// The most actions that a change may have each way: a rule for each of a hundred addresses, and some.
pub const ACTION_LIMIT: usize = 256;
/// The largest change, in bytes of JSON: it is a row, written before every fault.
const SIZE_LIMIT: usize = 256 << 10;
/// The longest summary, in bytes.
const SUMMARY_LIMIT: usize = 500;

impl Change {
    /// Whether it is well-formed, before anything of it is written down.
    ///
    /// # Errors
    /// What is wrong, as a sentence.
    pub fn check(&self) -> Result<(), String> {
        if self.summary.trim().is_empty() {
            return Err("a change needs a summary".into());
        }
        let named = |why: String| format!("the change `{}` {why}", self.summary.escape_debug());
        if self.summary.len() > SUMMARY_LIMIT || self.summary.contains(char::is_control) {
            return Err(format!(
                "a change's summary must be one line of at most {SUMMARY_LIMIT} bytes"
            ));
        }
        if self.apply.is_empty() {
            return Err(named("applies nothing".into()));
        }
        if self.revert.is_empty() {
            return Err(named("has no way back".into()));
        }
        if self.apply.len() > ACTION_LIMIT || self.revert.len() > ACTION_LIMIT {
            return Err(named(format!("has more than {ACTION_LIMIT} actions")));
        }
        for action in self.apply.iter().chain(&self.revert) {
            action.check().map_err(named)?;
        }
        if let Some(probe) = &self.in_force {
            probe.check().map_err(named)?;
        }
        let unseen = |action: &Action| {
            matches!(
                action,
                Action::Run(_) | Action::Ask(_) | Action::RunOffline { .. }
            )
        };
        if self.in_force.is_none() && self.apply.iter().any(unseen) {
            return Err(named(
                "runs a program or asks the system, and brings no `in-force` probe to see it by"
                    .into(),
            ));
        }
        let mut started = self.tasks().map(|(id, _)| id);
        let stopped: Vec<&str> = self.revert.iter().filter_map(Action::stops).collect();
        if let Some(id) = started.find(|id| !stopped.contains(id)) {
            return Err(named(format!(
                "starts the task `{}` and never stops it",
                id.escape_debug()
            )));
        }
        let all = self.apply.iter().chain(&self.revert);
        if let Some(id) = all
            .filter_map(Action::stops)
            .find(|id| self.task(id).is_none())
        {
            return Err(named(format!(
                "stops the task `{}`, which it does not start",
                id.escape_debug()
            )));
        }
        inverse::check(self).map_err(named)?;
        let size = serde_json::to_string(self).map_or(usize::MAX, |text| text.len());
        // Files have limits of their own; in base64 they are a third larger.
        let files = self.kept().div_ceil(3) * 4;
        if size.saturating_sub(files) > SIZE_LIMIT {
            return Err(named(format!("is larger than {} KiB", SIZE_LIMIT >> 10)));
        }
        Ok(())
    }
}

impl Change {
    /// Returns whether it does anything in the container's network: in `apply`, in `revert`, or in its probe.
    pub fn touches_network(&self) -> bool {
        let inside = |program: &PlacedProgram| program.place == Place::NetworkOfContainer;
        fn looks(probe: &Probe) -> bool {
            match probe {
                Probe::Run(program) | Probe::Output { program, .. } => {
                    program.place == Place::NetworkOfContainer
                }
                Probe::Compare(comparison) => comparison
                    .program()
                    .is_some_and(|program| program.place == Place::NetworkOfContainer),
                Probe::Answer { .. } => false,
                Probe::All(probes) => probes.iter().any(looks),
            }
        }
        self.in_force.as_ref().is_some_and(looks)
            || self
                .apply
                .iter()
                .chain(&self.revert)
                .any(|action| match action {
                    Action::Run(program) => inside(program),
                    Action::StartTask { work, .. } => work.beside() == Beside::Network,
                    _ => false,
                })
    }

    /// Decides for every disk that the change loads whether it may be one that is not the container's alone, and gives every fill a
    /// mark of its own. Both are written down with the change, before anything is made.
    pub fn prepare_disks(&mut self, root_filesystem: bool) {
        for action in &mut self.apply {
            match action {
                Action::FillDisk {
                    mark,
                    root_filesystem_allowed,
                    ..
                } => {
                    *mark = Some(uuid::Uuid::new_v4().simple().to_string());
                    *root_filesystem_allowed = root_filesystem;
                }
                Action::StartTask {
                    work:
                        Work::WriteDisk {
                            root_filesystem_allowed,
                            ..
                        },
                    ..
                } => *root_filesystem_allowed = root_filesystem,
                _ => {}
            }
        }
    }

    /// Returns the fill that it makes at a path.
    pub(super) fn fill(&self, path: &str) -> Option<Fill<'_>> {
        self.apply
            .iter()
            .filter_map(Action::fill)
            .find(|fill| fill.path == path)
    }

    /// Returns the tasks that it starts, by id.
    fn tasks(&self) -> impl Iterator<Item = (&str, &Work)> {
        self.apply.iter().filter_map(|action| match action {
            Action::StartTask { id, work } => Some((id.as_str(), work)),
            _ => None,
        })
    }

    /// Returns the work of a task that it starts.
    pub(super) fn task(&self, id: &str) -> Option<&Work> {
        self.tasks()
            .find_map(|(own, work)| (own == id).then_some(work))
    }
}

impl Change {
    /// Returns the processes to signal by one action of this change: its own and those of the actions
    /// behind it that send the same signal. None where an action before it has sent that already.
    pub(super) fn signalled_by(&self, action: &Action) -> Option<Vec<(i32, u64)>> {
        let process = |one: &Action, wanted: &str| match one {
            Action::SignalProcess {
                pid,
                started,
                signal,
            } if signal == wanted => Some((*pid, *started)),
            _ => None,
        };
        let Action::SignalProcess {
            pid,
            started,
            signal,
        } = action
        else {
            return None;
        };
        let alike = |one: &Action| process(one, signal).is_some();
        let place = |list: &[Action]| list.iter().position(|one| std::ptr::eq(one, action));
        let Some((list, place)) = [&self.apply, &self.revert]
            .into_iter()
            .find_map(|list| Some((list, place(list)?)))
        else {
            return Some(vec![(*pid, *started)]);
        };
        if place > 0 && alike(&list[place - 1]) {
            return None;
        }
        let together = list[place..].iter().map_while(|one| process(one, signal));
        Some(together.collect())
    }
}

impl Probe {
    fn check(&self) -> Result<(), String> {
        match self {
            Self::Run(program) => program.check(),
            Self::Output { program, texts } => {
                program.check()?;
                if texts.is_empty() || texts.iter().any(String::is_empty) {
                    return Err("looks for no text in its probe's output".into());
                }
                Ok(())
            }
            Self::Compare(comparison) => {
                comparison.program().map_or(Ok(()), PlacedProgram::check)?;
                comparison.check()
            }
            Self::Answer { .. } => Ok(()),
            Self::All(probes) => probes.iter().try_for_each(Self::check),
        }
    }
}

/// Whether an argument vector can be run.
fn check_command(command: &[String]) -> Result<(), String> {
    if command.first().is_none_or(String::is_empty) {
        return Err("runs no program".into());
    }
    if command.iter().any(|argument| argument.contains('\0')) {
        return Err("has an argument with a NUL character".into());
    }
    Ok(())
}

impl PlacedProgram {
    fn check(&self) -> Result<(), String> {
        check_command(&self.command)?;
        match self.place {
            Place::Container => Ok(()),
            Place::NetworkOfContainer => duress_engine::network_program::check(&self.command)
                .map_err(|why| format!("cannot be made: {why}")),
        }
    }
}

impl Action {
    /// Takes up space; the mark is drawn by [`Change::prepare_disks`].
    pub fn fill_disk(path: String, size: u64) -> Self {
        Self::FillDisk {
            path,
            size,
            mark: None,
            root_filesystem_allowed: false,
        }
    }

    /// Replaces a file.
    pub fn replace_file(path: String, contents: Vec<u8>) -> Self {
        Self::ReplaceFile {
            path,
            contents: Bytes(contents),
            token: uuid::Uuid::new_v4().simple().to_string(),
        }
    }

    /// Restores a file; what it was is written down by the journal.
    pub fn restore_file(path: String) -> Self {
        Self::RestoreFile {
            path,
            original: Original::Unknown,
        }
    }

    /// Returns the fill that it makes.
    pub(super) fn fill(&self) -> Option<Fill<'_>> {
        match self {
            Self::FillDisk {
                path,
                size,
                mark,
                root_filesystem_allowed,
            } => Some(Fill {
                path,
                size: *size,
                mark: mark.as_deref(),
                root_filesystem: *root_filesystem_allowed,
            }),
            _ => None,
        }
    }

    /// Returns the task that it ends.
    fn stops(&self) -> Option<&str> {
        match self {
            Self::StopTask { id } => Some(id),
            _ => None,
        }
    }

    /// Whether it is well-formed.
    ///
    /// # Errors
    /// What is wrong, to stand behind a change's name.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Run(program) => program.check(),
            Self::Signal(signal)
                if !signal.strip_prefix("SIG").is_some_and(|name| {
                    !name.is_empty()
                        && name
                            .chars()
                            .all(|c| c.is_ascii_uppercase() || c.is_ascii_digit())
                }) =>
            {
                Err(format!(
                    "sends `{}`, which is not a signal name",
                    signal.escape_debug()
                ))
            }
            Self::FillDisk { path, .. } | Self::RemoveFill { path }
                if !path.starts_with('/')
                    || path.contains('\0')
                    || path.split('/').any(|part| part == "..") =>
            {
                Err(format!(
                    "names `{}`, which is not a plain absolute path",
                    path.escape_debug()
                ))
            }
            Self::ReplaceFile { path, .. } | Self::RestoreFile { path, .. }
                if !kept::is_plain(path) =>
            {
                Err(format!(
                    "names `{}`, which is not a plain absolute path of a file",
                    path.escape_debug()
                ))
            }
            Self::ReplaceFile { contents, .. } => kept::check_size(contents),
            Self::FillDisk { size, .. } if *size < SMALLEST_FILL => Err(format!(
                "takes up {size} bytes: {SMALLEST_FILL} are the fewest that could be seen"
            )),
            Self::Limit(limits) => limits.check(),
            Self::StartTask { id, .. } if !is_task_id(id) => Err(format!(
                "calls a task `{}`: 1 to 64 letters, digits and hyphens would do",
                id.escape_debug()
            )),
            Self::StartTask { work, .. } => work.check(),
            Self::Rearrange(arrangement) if arrangement.scales.is_none() => {
                let mut copies = arrangement.copies.iter();
                copies.try_for_each(|copy| copy.overrides.check())
            }
            Self::RunOffline { command, .. } => check_command(command),
            _ => Ok(()),
        }
    }
}

fn is_task_id(id: &str) -> bool {
    let fit = |c: char| c.is_ascii_alphanumeric() || c == '-';
    (1..=64).contains(&id.len()) && !id.starts_with('-') && id.chars().all(fit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signal(pid: i32, signal: &str) -> Action {
        Action::SignalProcess {
            pid,
            started: 5,
            signal: signal.into(),
        }
    }

    #[test]
    fn processes_with_the_same_signal_are_signalled_together() {
        let change = Change {
            project: Project("duress-x".into()),
            container: ContainerId("id".into()),
            container_name: "one".into(),
            summary: "stop".into(),
            apply: vec![
                signal(7, "SIGSTOP"),
                signal(8, "SIGSTOP"),
                Action::Pause,
                signal(9, "SIGSTOP"),
                signal(7, "SIGKILL"),
            ],
            revert: vec![signal(7, "SIGCONT"), signal(8, "SIGCONT")],
            in_force: None,
            http_hosts: Vec::new(),
            effect_wait_ms: None,
        };
        let sent = |list: &[Action]| -> Vec<Option<Vec<i32>>> {
            let pids = |list: Vec<(i32, u64)>| list.into_iter().map(|(pid, _)| pid).collect();
            list.iter()
                .map(|action| change.signalled_by(action).map(pids))
                .collect()
        };
        assert_eq!(
            sent(&change.apply),
            [Some(vec![7, 8]), None, None, Some(vec![9]), Some(vec![7])]
        );
        assert_eq!(sent(&change.revert), [Some(vec![7, 8]), None]);
    }
}
