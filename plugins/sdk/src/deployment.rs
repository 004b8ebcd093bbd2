//! Containers made otherwise: with another command, environment or image, in another number, and programs on the volumes of one that
//! is stopped.

use std::time::Duration;

use crate::bindings::duress::plugin::deployment;
use crate::check::Check;
use crate::wait::milliseconds;
use crate::{Container, Probe, Result};

/// A container that takes the place of another until the fault is reverted. It differs from it in what is set here alone; the other
/// is kept, and started again by the revert. The manifest must ask for the action `recreate`, and for `change_image` with an image.
#[derive(Debug, Clone, PartialEq)]
pub struct Replacement {
    /// The container whose place it takes.
    pub container: String,
    /// One line for the log and the report.
    pub summary: String,
    /// Another command, handed to the entrypoint of the image.
    pub command: Option<Vec<String>>,
    /// Variables of the environment; `None` removes one.
    pub environment: Vec<(String, Option<String>)>,
    /// Another image, which must be on the engine's machine.
    pub image: Option<String>,
    /// How the host sees what is different, beside that the container runs as it was made.
    pub in_force: Option<Probe>,
    /// The same, by a comparison with the value before.
    pub check: Option<Check>,
    /// How long the effect may take to show, and to be gone, where 5 s are not enough.
    pub wait: Option<Duration>,
}

impl Replacement {
    /// Returns a container that is like another. The summary is one line for the log and the report.
    pub fn new(container: &Container, summary: impl Into<String>) -> Self {
        Self {
            container: container.name.clone(),
            summary: summary.into(),
            command: None,
            environment: Vec::new(),
            image: None,
            in_force: None,
            check: None,
            wait: None,
        }
    }

    /// Sets another command.
    #[must_use]
    pub fn command(mut self, command: &[&str]) -> Self {
        self.command = Some(command.iter().map(|&word| word.to_owned()).collect());
        self
    }

    /// Sets a variable of the environment.
    #[must_use]
    pub fn environment(mut self, name: &str, value: impl Into<String>) -> Self {
        self.environment.push((name.to_owned(), Some(value.into())));
        self
    }

    /// Removes a variable from the environment.
    #[must_use]
    pub fn without_environment(mut self, name: &str) -> Self {
        self.environment.push((name.to_owned(), None));
        self
    }

    /// Sets another image.
    #[must_use]
    pub fn image(mut self, image: impl Into<String>) -> Self {
        self.image = Some(image.into());
        self
    }

    /// Sets what shows the host that the change is in force, and how long that may take.
    #[must_use]
    pub fn shown_by(mut self, probe: Probe, within: Duration) -> Self {
        self.in_force = Some(probe);
        self.wait = Some(within);
        self
    }

    pub(crate) fn apply(&self) -> Result<String> {
        let change = deployment::Replacement::new(&self.container, &self.summary);
        if let Some(command) = &self.command {
            change.set_command(command);
        }
        for (name, value) in &self.environment {
            match value {
                Some(value) => change.set_environment(name, value),
                None => change.unset_environment(name),
            }
        }
        if let Some(image) = &self.image {
            change.set_image(image);
        }
        if let Some(probe) = &self.in_force {
            change.check_with(probe);
        }
        if let Some(check) = &self.check {
            change.compare_with(&check.to_host());
        }
        if let Some(wait) = self.wait {
            change.wait_for_effect(milliseconds(wait));
        }
        change.apply()
    }
}

/// Another number of containers of a service until the fault is reverted. The manifest must ask for the action `scale`.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    /// The service in the compose file.
    pub service: String,
    /// One line for the log and the report.
    pub summary: String,
    /// The number of containers.
    pub replicas: u32,
    /// How the host sees what is different, beside the number of containers that run.
    pub in_force: Option<Probe>,
    /// The same, by a comparison with the value before.
    pub check: Option<Check>,
    /// How long the effect may take to show, and to be gone, where 5 s are not enough.
    pub wait: Option<Duration>,
}

impl Scaling {
    /// Returns a number of containers. The summary is one line for the log and the report.
    pub fn new(service: impl Into<String>, replicas: u32, summary: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            summary: summary.into(),
            replicas,
            in_force: None,
            check: None,
            wait: None,
        }
    }

    pub(crate) fn apply(&self) -> Result<String> {
        let change = deployment::Scaling::new(&self.service, &self.summary, self.replicas);
        if let Some(probe) = &self.in_force {
            change.check_with(probe);
        }
        if let Some(check) = &self.check {
            change.compare_with(&check.to_host());
        }
        if let Some(wait) = self.wait {
            change.wait_for_effect(milliseconds(wait));
        }
        change.apply()
    }
}

/// A program that works on a container's volumes while it is stopped. No shell reads its arguments.
#[derive(Debug, Clone, PartialEq)]
pub struct OfflineProgram {
    /// The program and its arguments.
    pub command: Vec<String>,
    /// Its time limit, at most 30 s.
    pub limit: Duration,
    /// Exit codes beside 0 that are no failure.
    pub tolerated: Vec<i32>,
}

impl OfflineProgram {
    /// Returns a program with its arguments.
    pub fn new(command: &[&str], limit: Duration) -> Self {
        Self {
            command: command.iter().map(|&word| word.to_owned()).collect(),
            limit,
            tolerated: Vec::new(),
        }
    }

    /// Adds an exit code that is not a failure, e.g. that of a program with nothing to do. What it may hide, the check sees.
    #[must_use]
    pub fn tolerating(mut self, code: i32) -> Self {
        self.tolerated.push(code);
        self
    }
}

/// Programs that work on a container's volumes while it is stopped. The manifest must ask for the action `run_offline`, and for the
/// programs under `programs: container`.
#[derive(Debug, Clone, PartialEq)]
pub struct OfflinePrograms {
    /// The container that is stopped.
    pub container: String,
    /// One line for the log and the report.
    pub summary: String,
    /// What runs when the change is applied, in order.
    pub run: Vec<OfflineProgram>,
    /// What runs when it is reverted, in order. It must be safe to repeat, and to run when only some of the others did.
    pub run_on_revert: Vec<OfflineProgram>,
    /// How the host sees that the change is in force, once the container runs again. This or `check` is needed.
    pub in_force: Option<Probe>,
    /// The same, by a comparison with the value before.
    pub check: Option<Check>,
    /// How long the effect may take to show, and to be gone, where 5 s are not enough.
    pub wait: Option<Duration>,
}

impl OfflinePrograms {
    pub(crate) fn apply(&self) -> Result<String> {
        let change = deployment::OfflinePrograms::new(&self.container, &self.summary);
        for one in &self.run {
            change.run(&one.command, milliseconds(one.limit), &one.tolerated);
        }
        for one in &self.run_on_revert {
            change.run_on_revert(&one.command, milliseconds(one.limit), &one.tolerated);
        }
        if let Some(probe) = &self.in_force {
            change.check_with(probe);
        }
        if let Some(check) = &self.check {
            change.compare_with(&check.to_host());
        }
        if let Some(wait) = self.wait {
            change.wait_for_effect(milliseconds(wait));
        }
        change.apply()
    }
}
