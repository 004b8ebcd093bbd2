//! `leader_partition` and `minority_partition`: who is cut off depends on who leads, and on how many there are.

use duress_sdk::faults::network_partition::{Direction, NEEDS};
use duress_sdk::faults::topology::between;
use duress_sdk::schemars::{self, JsonSchema};
use duress_sdk::{Container, Error, Fault, Parameters};
use serde::Deserialize;

use crate::leader;
use crate::settings::Settings;

/// Which packets are lost.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Sides {
    /// Which packets are lost, as those see it who are cut off: those that come `in` from the others, those that go `out`, or `both`.
    direction: Direction,
}

impl Parameters for Sides {}

/// Cuts the member that leads off from the others.
pub(crate) fn of_leader() -> Fault {
    Fault::new(
        "leader_partition",
        "Drop all packets between the member that leads and the others.",
        |sides: Sides, scene| {
            let leader = leader::find(&scene.targets, &Settings::read()?)?;
            let (leaders, others): (Vec<&Container>, Vec<_>) = scene
                .targets
                .iter()
                .partition(|target| target.name == leader);
            between(&leaders, &others, scene, sides.direction)
        },
    )
    .requires(NEEDS)
    .choosing()
}

/// Cuts as many members off as the cluster can do without, together, from the others.
pub(crate) fn of_minority() -> Fault {
    Fault::new(
        "minority_partition",
        "Drop all packets between a minority of the members and the majority.",
        |sides: Sides, scene| {
            let members: Vec<&Container> = scene.targets.iter().collect();
            let minority = members.len().saturating_sub(1) / 2;
            if minority == 0 {
                return Err(Error::Invalid(format!(
                    "{} members have no minority",
                    members.len()
                )));
            }
            let (minority, majority) = members.split_at(minority);
            between(minority, majority, scene, sides.direction)
        },
    )
    .requires(NEEDS)
    .choosing()
}
