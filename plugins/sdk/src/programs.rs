//! Programs that go on in a container until they are reverted.

use crate::bindings::duress::plugin::programs;
use crate::check::Check;
use crate::{Probe, Result};

/// A program that goes on, e.g. one that holds a lock. The host ends it, with all that it has started, when the fault is reverted.
/// The manifest must ask for the action `run_program`, and for the program under `programs: container`.
#[derive(Debug, Clone, PartialEq)]
pub struct LastingProgram {
    /// The container that it runs in, as the container's own user.
    pub container: String,
    /// One line for the log and the report.
    pub summary: String,
    /// An argument vector: no shell reads it.
    pub command: Vec<String>,
    /// How the host sees what it does, beside that it runs.
    pub in_force: Option<Probe>,
    /// The same, by a comparison with the value before.
    pub check: Option<Check>,
}

impl LastingProgram {
    /// Has the host start it and see that it is in force. Returns the change's ID.
    pub(crate) fn start(&self) -> Result<String> {
        let Self {
            container,
            summary,
            command,
            in_force,
            check,
        } = self;
        let program = programs::LastingProgram::new(container, summary, command);
        if let Some(probe) = in_force {
            program.check_with(probe);
        }
        if let Some(check) = check {
            program.compare_with(&check.to_host());
        }
        program.start()
    }
}
