//! `container_restart`: a container is stopped and started at once, as a deployment or a reboot does.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts;
use crate::{Action, Change, Fault, Parameters, Step};

/// How it is restarted.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ContainerRestart {
    /// How long it may take to stop before it is killed, in seconds.
    #[schemars(range(max = 60))]
    pub grace_seconds: u32,
}

impl Default for ContainerRestart {
    fn default() -> Self {
        Self { grace_seconds: 10 }
    }
}

impl Parameters for ContainerRestart {}

/// Returns the fault.
pub fn fault() -> Fault {
    Fault::for_each(
        "container_restart",
        "Stop a container in good order and start it again at once.",
        |restart: &ContainerRestart, target, _| {
            let ContainerRestart { grace_seconds } = restart;
            Ok(Step {
                facts: facts! { "target_container": target.name, "grace_seconds": grace_seconds },
                changes: vec![
                    Change {
                        container: target.name.clone(),
                        summary: format!("restart {}", target.name),
                        apply: vec![Action::Restart(u64::from(*grace_seconds) * 1_000)],
                        revert: vec![Action::Start],
                        in_force: None,
                    }
                    .into(),
                ],
            })
        },
    )
}
