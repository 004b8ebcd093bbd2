//! What this machine has and lacks: for `duress doctor`, and before a run for the faults that it names.
//!
//! Looking changes nothing: the kernel's features are tried in a network namespace that ends with the program that tried.

mod faults;
mod machine;

use serde::Serialize;

pub use faults::{FaultFinding, check_faults, examine_fault};
pub use machine::examine;

/// One thing that was looked for.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// e.g. `container engine`.
    pub name: String,
    /// What cannot be done without it.
    pub needed_for: String,
    /// Whether it was found.
    pub found: bool,
    /// Its version or place; or why it does not count as there.
    pub detail: String,
    /// The command or the step that provides it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    fn found(name: &str, needed_for: &str, detail: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            needed_for: needed_for.to_owned(),
            found: true,
            detail: detail.into(),
            remedy: None,
        }
    }

    fn missing(
        name: &str,
        needed_for: &str,
        detail: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            found: false,
            remedy: Some(remedy.into()),
            ..Self::found(name, needed_for, detail)
        }
    }
}
