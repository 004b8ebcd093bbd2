//! `container_stop`: a container is asked to end, as an orderly shutdown does; what has not ended after the grace is killed.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts;
use crate::{Action, Change, Fault, Parameters, Step};

/// How it is stopped.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ContainerStop {
    /// How long it may take before it is killed, in seconds.
    #[schemars(range(max = 60))]
    pub grace_seconds: u32,
}

impl Default for ContainerStop {
    fn default() -> Self {
        Self { grace_seconds: 10 }
    }
}

impl Parameters for ContainerStop {}

/// Returns the fault.
pub fn fault() -> Fault {
    Fault::for_each(
        "container_stop",
        "Stop a container in good order; cleanup starts it again.",
        |stop: &ContainerStop, target, _| {
            Ok(Step {
                facts: facts! { "target_container": target.name, "grace_seconds": stop.grace_seconds },
                changes: vec![
                    Change {
                        container: target.name.clone(),
                        summary: format!("stop {}", target.name),
                        apply: vec![Action::Stop(u64::from(stop.grace_seconds) * 1_000)],
                        revert: vec![Action::Start],
                        in_force: None,
                    }
                    .into(),
                ],
            })
        },
    )
}
