//! `node_kill`: the first process of a container dies without a chance to say goodbye.

use super::facts;
use crate::{Action, Change, Fault, NoParameters, Step};

const SIGNAL: &str = "SIGKILL";

/// Returns the fault.
pub fn fault() -> Fault {
    Fault::for_each(
        "node_kill",
        "Kill a container's first process with SIGKILL; cleanup starts it again.",
        |_: &NoParameters, target, _| Ok(kill(&target.name)),
    )
}

/// Kills one container.
pub fn kill(target: &str) -> Step {
    Step {
        facts: facts! {"target_container": target, "signal": SIGNAL},
        changes: vec![
            Change {
                container: target.into(),
                summary: format!("kill {target} with {SIGNAL}"),
                apply: vec![Action::Signal(SIGNAL.into())],
                revert: vec![Action::Start],
                in_force: None,
            }
            .into(),
        ],
    }
}
