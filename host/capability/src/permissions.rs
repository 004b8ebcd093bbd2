//! Permissions: what a plugin requests and is granted, each as narrow as it can be said. What is not named is refused.

mod action;
mod question;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use self::action::ActionKind;
use duress_engine::{Arrangement, Overrides};
use duress_http::authority_of;
use duress_journal::change::{Action, Change, Place, PlacedProgram, Probe};
use duress_network::Draft;

/// In `http`, the endpoints of the trial's own containers.
pub const STACK: &str = "stack";

/// A program's name, or an absolute path of such names.
const PROGRAM: &str = r"^([A-Za-z0-9._+-]{1,64}|(/[A-Za-z0-9._+-]{1,64}){1,16})$";
/// The same in words.
const PROGRAM_RIGHT: &str = "a program's name of at most 64 letters, digits, `.`, `_`, `+` and `-`, or an absolute path of such names";
/// What `http` may name.
const HOST: &str =
    r"^(stack|([a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?|\[[0-9a-f:.]{2,45}\]):[0-9]{1,5})$";
/// The same in words.
const HOST_RIGHT: &str = "`stack`, or `host:port` in lower case, e.g. `prometheus:9090`";

/// A file's absolute path, or a folder's with `/*` behind it.
const PATH: &str = r"^((/[A-Za-z0-9._+@-]{1,64}){1,16}|(/[A-Za-z0-9._+@-]{1,64}){0,16}/\*)$";
/// The same in words.
const PATH_RIGHT: &str = "an absolute path of names of at most 64 letters, digits, `.`, `_`, `+`, `@` and `-`; `/*` at its end stands for all files below";

fn paths(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    names(PATH, PATH_RIGHT)
}

fn programs(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    names(PROGRAM, PROGRAM_RIGHT)
}

fn hosts(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    names(HOST, HOST_RIGHT)
}

/// A set of names, of which a person can read every one before granting them.
fn names(pattern: &str, right: &str) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array", "uniqueItems": true, "maxItems": 64,
        "items": { "type": "string", "pattern": pattern, "patternErrorMessage": right },
    })
}

/// The `permissions` of a `plugin.yaml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Permissions {
    /// Kinds of changes that it makes to its targets.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub actions: BTreeSet<ActionKind>,
    /// Programs that it runs, by their names as they stand in its argument vectors.
    #[serde(skip_serializing_if = "Programs::is_empty")]
    pub programs: Programs,
    /// Where it sends HTTP requests: `stack` for the trial's own containers, `host:port` for anything else.
    #[schemars(schema_with = "hosts")]
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub http: BTreeSet<String>,
    /// Files of containers, by their paths.
    #[serde(skip_serializing_if = "Files::is_empty")]
    pub files: Files,
    /// Where it opens TCP connections.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub tcp: BTreeSet<TcpReach>,
    /// It reads what the trial's own containers log.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub logs: bool,
    /// It brings the trial's own stack up and takes it down, as subjects do.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub stack: bool,
}

/// Files of containers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Files {
    /// Of the containers that the trial picks: replaced while a fault is in force, and restored.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(schema_with = "paths")]
    pub replace: BTreeSet<String>,
    /// Of any container of the trial: read.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(schema_with = "paths")]
    pub read: BTreeSet<String>,
}

impl Files {
    /// What is in these and not in others.
    fn beyond(&self, others: &Self) -> Self {
        let Self { replace, read } = self;
        Self {
            replace: replace - &others.replace,
            read: read - &others.read,
        }
    }

    fn is_empty(&self) -> bool {
        self.replace.is_empty() && self.read.is_empty()
    }
}

/// Whether one of some patterns is a path, or a folder above it with `/*` behind.
fn covers(patterns: &BTreeSet<String>, path: &str) -> bool {
    patterns
        .iter()
        .any(|pattern| match pattern.strip_suffix('*') {
            Some(folder) => path.starts_with(folder),
            None => pattern == path,
        })
}

/// Where TCP connections may lead.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TcpReach {
    /// To the trial's own containers.
    Stack,
}

/// Programs, by where they run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Programs {
    /// In a container of the trial, as that container's own: in changes, with their ways back and their probes.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(schema_with = "programs")]
    pub container: BTreeSet<String>,
    /// In a container of the trial, to look at something: by `containers.exec`, whose effects are not journaled and not reverted.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(schema_with = "programs")]
    pub look: BTreeSet<String>,
    /// In a container's network alone: tools of the network, of a fixed list.
    #[schemars(schema_with = "duress_engine::network_program::schema")]
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub network_of_container: BTreeSet<String>,
}

impl Programs {
    /// Returns what is in these and not in others.
    fn beyond(&self, others: &Self) -> Self {
        let Self {
            container,
            look,
            network_of_container,
        } = self;
        Self {
            container: container - &others.container,
            look: look - &others.look,
            network_of_container: network_of_container - &others.network_of_container,
        }
    }

    fn is_empty(&self) -> bool {
        self.container.is_empty() && self.look.is_empty() && self.network_of_container.is_empty()
    }
}

/// Something that was not asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MissingPermission {
    /// What it does, e.g. `runs tc in a container's network`.
    pub what: String,
    /// What under `permissions` would allow it, e.g. `actions: [pause]`.
    pub line: String,
}

impl Permissions {
    /// Returns the hosts beyond the stack that it may send requests to.
    pub fn hosts(&self) -> Vec<String> {
        let hosts = self.http.iter().filter(|host| *host != STACK);
        hosts.cloned().collect()
    }

    /// Returns what is in these and not in others.
    #[must_use]
    pub fn beyond(&self, others: &Self) -> Self {
        let Self {
            actions,
            programs,
            http,
            files,
            tcp,
            logs,
            stack,
        } = self;
        Self {
            actions: actions - &others.actions,
            programs: programs.beyond(&others.programs),
            http: http - &others.http,
            files: files.beyond(&others.files),
            tcp: tcp - &others.tcp,
            logs: *logs && !others.logs,
            stack: *stack && !others.stack,
        }
    }

    /// Returns whether it may send requests to the trial's own containers.
    pub fn asks_the_stack(&self) -> bool {
        self.http.contains(STACK)
    }

    /// Returns the first thing of a change that was not asked for.
    pub fn missing(&self, change: &Change) -> Option<MissingPermission> {
        let mut actions = change.apply.iter().chain(&change.revert);
        let probe = change.in_force.as_ref();
        actions
            .find_map(|action| self.missing_action(action))
            .or_else(|| self.missing_probe(probe?))
    }

    fn missing_probe(&self, probe: &Probe) -> Option<MissingPermission> {
        match probe {
            Probe::Run(program) | Probe::Output { program, .. } => self.missing_program(program),
            Probe::Answer { request, .. } => self.missing_request(&request.url),
            Probe::Compare(comparison) => comparison
                .program()
                .and_then(|program| self.missing_program(program))
                .or_else(|| self.missing_request(&comparison.request()?.url)),
            Probe::All(probes) => probes.iter().find_map(|probe| self.missing_probe(probe)),
        }
    }

    /// Returns the first effect of a draft that was not granted. How the host makes it is the host's matter.
    pub fn missing_effect(&self, draft: &Draft) -> Option<MissingPermission> {
        let kind = draft
            .effects
            .iter()
            .map(ActionKind::of)
            .find(|kind| !self.actions.contains(kind))?;
        Some(MissingPermission {
            what: format!("wants to {}", kind.in_words()),
            line: format!("actions: [{}]", kind.as_str()),
        })
    }

    fn missing_action(&self, action: &Action) -> Option<MissingPermission> {
        use duress_engine::Work;
        let kinds: &[ActionKind] = match action {
            Action::Run(program) => return self.missing_program(program),
            Action::Ask(request) => return self.missing_request(&request.url),
            Action::ReplaceFile { path, .. } => return self.missing_replacement(path),
            // They end and restore what the same change has started and replaced.
            Action::StopTask { .. } | Action::RestoreFile { .. } | Action::PutBack => return None,
            Action::Rearrange(arrangement) => {
                let kind = self.missing_arrangement(arrangement)?;
                return Some(MissingPermission {
                    what: format!("does `{action}`"),
                    line: format!("actions: [{}]", kind.as_str()),
                });
            }
            // Both that the container is stopped for it, and which program it is.
            Action::RunOffline { command, .. } => match command.first() {
                Some(program) if self.actions.contains(&ActionKind::RunOffline) => {
                    return self.missing_run(Place::Container, program);
                }
                _ => &[ActionKind::RunOffline],
            },
            Action::Signal(_) => &[ActionKind::Signal],
            Action::Pause | Action::Unpause => &[ActionKind::Pause],
            Action::Stop { .. } => &[ActionKind::Stop],
            // The inverse of each of these.
            Action::Start => &[
                ActionKind::Stop,
                ActionKind::Signal,
                ActionKind::SignalProcess,
                ActionKind::Restart,
                ActionKind::RunOffline,
            ],
            Action::Restart { .. } => &[ActionKind::Restart],
            Action::SignalProcess { .. } => &[ActionKind::SignalProcess],
            Action::Limit(_) | Action::RestoreLimits { .. } => &[ActionKind::Limit],
            Action::FillDisk { .. } | Action::RemoveFill { .. } => &[ActionKind::FillDisk],
            Action::StartTask { work, .. } => match work {
                Work::BurnCpu { .. } => &[ActionKind::BurnCpu],
                Work::HoldMemory { .. } => &[ActionKind::HoldMemory],
                Work::WriteDisk { .. } => &[ActionKind::WriteDisk],
                Work::AnswerDns { .. } => &[ActionKind::AnswerDns],
                Work::QueuePackets(_) => &[ActionKind::QueuePackets],
                // Both that it goes on, and which program it is.
                Work::RunProgram { command } => match command.first() {
                    Some(program) if self.actions.contains(&ActionKind::RunProgram) => {
                        return self.missing_run(Place::Container, program);
                    }
                    _ => &[ActionKind::RunProgram],
                },
            },
        };
        if kinds.iter().any(|kind| self.actions.contains(kind)) {
            return None;
        }
        Some(MissingPermission {
            what: format!("does `{action}`"),
            line: format!("actions: [{}]", kinds[0].as_str()),
        })
    }

    /// The first kind of action of an arrangement that was not granted.
    fn missing_arrangement(&self, arrangement: &Arrangement) -> Option<ActionKind> {
        let mut kinds = Vec::new();
        if arrangement.scales.is_some() {
            kinds.push(ActionKind::Scale);
        }
        for copy in &arrangement.copies {
            let Overrides {
                command,
                environment,
                image,
            } = &copy.overrides;
            if image.is_some() {
                kinds.push(ActionKind::ChangeImage);
            }
            if command.is_some() || !environment.is_empty() || arrangement.scales.is_none() {
                kinds.push(ActionKind::Recreate);
            }
        }
        kinds.into_iter().find(|kind| !self.actions.contains(kind))
    }

    fn missing_program(&self, program: &PlacedProgram) -> Option<MissingPermission> {
        self.missing_run(program.place, program.command.first()?)
    }

    /// Returns whether a program may not run in a place.
    pub fn missing_run(&self, place: Place, program: &str) -> Option<MissingPermission> {
        let (asked, key, words) = match place {
            Place::Container => (&self.programs.container, "container", "in a container"),
            Place::NetworkOfContainer => (
                &self.programs.network_of_container,
                "network_of_container",
                "in a container's network",
            ),
        };
        (!asked.contains(program)).then(|| MissingPermission {
            what: format!("runs `{}` {words}", program.escape_debug()),
            line: format!("programs: {{{key}: [{}]}}", program.escape_debug()),
        })
    }

    /// Returns whether a program may not run in a container outside of any change.
    pub fn missing_look(&self, program: &str) -> Option<MissingPermission> {
        (!self.programs.look.contains(program)).then(|| MissingPermission {
            what: format!(
                "runs `{}` in a container to look at something",
                program.escape_debug()
            ),
            line: format!("programs: {{look: [{}]}}", program.escape_debug()),
        })
    }

    /// The permission that it lacks to replace a file.
    fn missing_replacement(&self, path: &str) -> Option<MissingPermission> {
        (!covers(&self.files.replace, path)).then(|| MissingPermission {
            what: format!("replaces {}", path.escape_debug()),
            line: format!("files: {{replace: [{}]}}", path.escape_debug()),
        })
    }

    /// The permission that it lacks to read a file.
    pub fn missing_read(&self, path: &str) -> Option<MissingPermission> {
        (!covers(&self.files.read, path)).then(|| MissingPermission {
            what: format!("reads {}", path.escape_debug()),
            line: format!("files: {{read: [{}]}}", path.escape_debug()),
        })
    }

    /// Returns the permission that it lacks to send a request. Where the request goes is checked again when it is sent.
    fn missing_request(&self, url: &str) -> Option<MissingPermission> {
        let to_granted_host = authority_of(url).is_some_and(|host| self.http.contains(&host));
        (!to_granted_host && !self.asks_the_stack()).then(|| MissingPermission {
            what: "sends an HTTP request to its trial's containers".into(),
            line: format!("http: [{STACK}]"),
        })
    }

    /// Returns the permission that it lacks to open TCP connections.
    pub fn missing_tcp(&self) -> Option<MissingPermission> {
        (!self.tcp.contains(&TcpReach::Stack)).then(|| MissingPermission {
            what: "opens a TCP connection".into(),
            line: format!("tcp: [{STACK}]"),
        })
    }

    /// Returns the permission that it lacks to read logs.
    pub fn missing_logs(&self) -> Option<MissingPermission> {
        (!self.logs).then(|| MissingPermission {
            what: "reads a container's log".into(),
            line: "logs: true".into(),
        })
    }

    /// Returns whether it may not touch the stack's lifecycle.
    pub fn missing_stack(&self) -> Option<MissingPermission> {
        (!self.stack).then(|| MissingPermission {
            what: "brings a stack up or takes it down".into(),
            line: "stack: true".into(),
        })
    }
}

#[cfg(test)]
mod tests;
