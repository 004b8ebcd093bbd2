//! What one plugin may reach during one trial.

use std::sync::{Arc, Mutex};

use duress_model::SeededRandom;

use super::{Audit, BlastRadius, Clock, GuestError, MissingPermission, Permissions};
use duress_engine::{Container, Engine, Network, Project, Stack};
use duress_http::{Client, Reach};
use duress_journal::TrialJournal;
use duress_journal::change::Change;

/// What becomes of the changes that a plugin asks for.
#[derive(Debug)]
pub enum Changes {
    /// They are journaled and made.
    Made(TrialJournal),
    /// They are written down alone: a dry run.
    Recorded(Mutex<Vec<Change>>),
}

/// What a trial lends to every plugin that it calls.
#[derive(Debug)]
pub struct TrialScope {
    /// The trial's name, for messages.
    pub name: String,
    /// The trial's compose project.
    pub project: Project,
    /// What `stack.up` brings up; `None` where the subject has no compose file.
    pub stack: Option<Stack>,
    /// The engine; `None` where the subject has no compose file.
    pub engine: Option<Arc<dyn Engine>>,
    /// The names of the containers that a change may touch; empty until the trial has picked them.
    pub blast_radius: Mutex<BlastRadius>,
    /// The campaign says `allow_root_filesystem: true`: disks that are not a container's alone may be loaded.
    pub root_filesystem_allowed: bool,
    /// What becomes of changes.
    pub changes: Changes,
    /// Where calls are recorded.
    pub audit: Audit,
    /// For requests.
    pub http: Client,
    /// The trial's seeded sequence.
    pub random: Mutex<SeededRandom>,
    /// The clock that its components see.
    pub clock: Clock,
}

/// What one plugin may reach: a trial, if one runs, under the plugin's own grants.
#[derive(Debug)]
pub struct PluginScope {
    /// The plugin's name.
    pub plugin: String,
    /// Its settings, merged: a JSON object.
    pub settings: serde_json::Value,
    /// What it may do.
    pub grants: Permissions,
    /// The trial; `None` while it lists its faults or checks parameters.
    pub trial: Option<Arc<TrialScope>>,
}

impl PluginScope {
    /// Returns the trial that a call belongs to.
    ///
    /// # Errors
    /// Denied if there isn't one.
    pub(super) fn trial(&self) -> Result<&Arc<TrialScope>, GuestError> {
        self.trial.as_ref().ok_or_else(|| {
            GuestError::Denied("no trial runs while faults are listed or parameters checked".into())
        })
    }

    /// What was not granted, as a refusal that says what would allow it.
    pub(super) fn refuse(&self, missing: Option<MissingPermission>) -> Result<(), GuestError> {
        match missing {
            None => Ok(()),
            Some(MissingPermission { what, line }) => Err(GuestError::Denied(format!(
                "the plugin `{}` {what}, which it was not granted; `{line}` under `permissions` in its plugin.yaml requests it",
                self.plugin
            ))),
        }
    }
}

impl TrialScope {
    /// Returns the scope of a trial without containers, whose changes are recorded and not made; the caller sets what else the trial is
    /// to have. Its clock starts now.
    pub fn new(
        name: impl Into<String>,
        project: Project,
        seed: u64,
        audit: Audit,
        http: Client,
    ) -> Self {
        Self {
            name: name.into(),
            project,
            stack: None,
            engine: None,
            blast_radius: Mutex::default(),
            root_filesystem_allowed: false,
            changes: Changes::Recorded(Mutex::default()),
            audit,
            http,
            random: Mutex::new(SeededRandom::new(seed)),
            clock: Clock::start(),
        }
    }

    /// Returns whether the trial is about a system that already runs.
    pub fn is_attached(&self) -> bool {
        self.project.selection().is_some()
    }

    /// Returns the engine, as a plugin's call needs it.
    pub(super) fn engine(&self) -> Result<&Arc<dyn Engine>, GuestError> {
        self.engine.as_ref().ok_or_else(|| {
            GuestError::Denied("this subject has neither a compose file nor a running system, and so no containers".into())
        })
    }

    /// Returns the stack's container with that name.
    pub(super) async fn container(&self, name: &str) -> Result<Container, GuestError> {
        let containers = self.engine()?.containers(&self.project).await?;
        let names: Vec<_> = containers
            .iter()
            .map(|container| container.name.clone())
            .collect();
        containers
            .into_iter()
            .find(|container| container.name == name)
            .ok_or_else(|| {
                GuestError::Invalid(format!(
                    "no container `{}` is in this trial's stack; there are: {}",
                    name.escape_debug(),
                    if names.is_empty() {
                        "none".into()
                    } else {
                        names.join(", ")
                    }
                ))
            })
    }

    /// Whether a change may touch a container's network: it must be nobody else's who lies outside the blast radius. The containers
    /// that share it.
    pub(super) async fn check_network(
        &self,
        target: &Container,
    ) -> Result<Vec<String>, GuestError> {
        if target.network == Network::Machine {
            return Err(GuestError::Denied(format!(
                "a change to the network of `{}` was refused: it is the machine's own (`network_mode: host`), \
                 and a fault there would cut duress off from what it must revert; give it a network of its own in the compose file",
                target.name
            )));
        }
        let containers = self.engine()?.containers(&self.project).await?;
        let network_of = |container: &Container| match &container.network {
            Network::Of(owner) => owner.clone(),
            Network::Own | Network::Machine => container.id.clone(),
        };
        let shared = network_of(target);
        let outside = containers
            .iter()
            .find(|other| network_of(other) == shared && !self.is_targetable(&other.name));
        match outside {
            None => Ok(containers
                .into_iter()
                .filter(|other| network_of(other) == shared)
                .map(|other| other.name)
                .collect()),
            Some(other) => Err(GuestError::Denied(format!(
                "a change to the network of `{}` was refused: `{}` shares it, and lies outside this trial's blast radius; \
                 name both in `targets`, with a `target_count` of 2",
                target.name, other.name
            ))),
        }
    }

    /// Refuses a container whose network is the machine's own: its ports are the machine's.
    pub(super) fn refuse_machine_network(&self, target: &Container) -> Result<(), GuestError> {
        if target.network != Network::Machine {
            return Ok(());
        }
        Err(GuestError::Denied(format!(
            "a connection to `{}` was refused: its network is the machine's own (`network_mode: host`), \
             and so are its ports; give it a network of its own in the compose file",
            target.name
        )))
    }

    /// Returns whether a change may touch the container with that name.
    pub(super) fn is_targetable(&self, name: &str) -> bool {
        self.radius().contains(name)
    }

    /// Returns the containers that a change may touch.
    pub fn radius(&self) -> std::sync::MutexGuard<'_, BlastRadius> {
        self.blast_radius
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Returns the next number of the trial's seeded sequence.
    pub(super) fn draw(&self) -> u64 {
        let mut random = self
            .random
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        random.draw()
    }

    /// Returns where requests of a plugin with these grants may go; `hosts` are [`Permissions::hosts`].
    pub(super) fn reach<'a>(&'a self, grants: &Permissions, hosts: &'a [String]) -> Reach<'a> {
        Reach {
            engine: self.engine.as_deref().filter(|_| grants.asks_the_stack()),
            project: &self.project,
            hosts,
        }
    }
}
