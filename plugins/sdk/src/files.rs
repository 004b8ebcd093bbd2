//! Files of a container that are replaced until the fault is reverted.

use crate::bindings::duress::plugin::files;
use crate::check::Check;
use crate::{Action, Probe, Result};

/// A file with new contents. The host keeps the original and restores it. The manifest must ask for the path under
/// `files: replace`.
#[derive(Debug, Clone, PartialEq)]
pub struct FileReplacement {
    /// The container.
    pub container: String,
    /// One line for the log and the report.
    pub summary: String,
    /// Absolute.
    pub path: String,
    /// All of the file.
    pub contents: Vec<u8>,
    /// What makes the program that uses the file read it again, after it was replaced and after it was restored.
    pub notify: Vec<Action>,
    /// How the host sees what the new contents do, beside that they are there.
    pub in_force: Option<Probe>,
    /// The same, by a comparison with the value before.
    pub check: Option<Check>,
}

impl FileReplacement {
    /// New contents for a file that nobody is told of.
    pub fn new(
        container: impl Into<String>,
        summary: impl Into<String>,
        path: impl Into<String>,
        contents: impl Into<Vec<u8>>,
    ) -> Self {
        Self {
            container: container.into(),
            summary: summary.into(),
            path: path.into(),
            contents: contents.into(),
            notify: Vec::new(),
            in_force: None,
            check: None,
        }
    }

    /// Adds an action after which the program uses the file as it is now.
    #[must_use]
    pub fn notify(mut self, action: Action) -> Self {
        self.notify.push(action);
        self
    }

    /// Sets what shows the host that the new contents have their effect.
    #[must_use]
    pub fn shown_by(mut self, probe: Probe) -> Self {
        self.in_force = Some(probe);
        self
    }

    /// Sets a comparison that shows the host that the new contents have their effect.
    #[must_use]
    pub fn compared_by(mut self, check: Check) -> Self {
        self.check = Some(check);
        self
    }

    /// Has the host replace the file. Returns the change's ID.
    pub(crate) fn apply(&self) -> Result<String> {
        let Self {
            container,
            summary,
            path,
            contents,
            ..
        } = self;
        let replacement = files::FileReplacement::new(container, summary, path, contents);
        for action in &self.notify {
            replacement.notify_with(action);
        }
        if let Some(probe) = &self.in_force {
            replacement.check_with(probe);
        }
        if let Some(check) = &self.check {
            replacement.compare_with(&check.to_host());
        }
        replacement.apply()
    }
}

/// Reads a file of a container; none: there is no such file. The manifest must ask for the path under `files: read`.
///
/// # Errors
/// When the host refuses, or the file cannot be read.
pub fn read(container: &str, path: &str) -> Result<Option<Vec<u8>>> {
    files::read(container, path)
}
