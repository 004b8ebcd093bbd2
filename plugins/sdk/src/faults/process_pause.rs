//! `process_pause`: all processes of a container freeze. Its connections stay open, and nobody answers.

use super::facts;
use crate::{Action, Change, Fault, NoParameters, Step};

/// The fault.
pub fn fault() -> Fault {
    Fault::for_each(
        "process_pause",
        "Freeze all processes of a container; cleanup lets them go on.",
        |_: &NoParameters, target, _| Ok(pause(&target.name)),
    )
}

/// Freeze one container.
pub fn pause(target: &str) -> Step {
    Step {
        facts: facts! {"target_container": target},
        changes: vec![Change {
            container: target.into(),
            summary: format!("pause {target}"),
            apply: vec![Action::Pause],
            revert: vec![Action::Unpause],
            in_force: None,
        }],
    }
}
