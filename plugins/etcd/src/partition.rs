//! `leader_partition` and `minority_partition`: who is cut off depends on who leads, and on how many there are.

use duress_sdk::faults::network_partition::{Direction, NetworkPartition, cut, shared_addresses};
use duress_sdk::{Container, Error, Fault, Result, Scene, Step, Token};

use crate::leader;
use crate::settings::Settings;

const NEEDS: &[&str] = &["CAP_NET_ADMIN", "tool:iptables", "tool:iptables-save"];

/// Cut the member that leads off from the others.
pub(crate) fn of_leader() -> Fault {
    Fault::new(
        "leader_partition",
        "Drop all packets between the member that leads and the others.",
        |partition: NetworkPartition, scene| {
            let leader = leader::find(&scene.targets, &Settings::read()?)?;
            let side = |container: &&Container| container.name == leader;
            between(scene, side, partition.direction)
        },
    )
    .requires(NEEDS)
    .choosing()
}

/// Cut as many members off as the cluster can do without, together, from the others.
pub(crate) fn of_minority() -> Fault {
    Fault::new(
        "minority_partition",
        "Drop all packets between a minority of the members and the majority.",
        |partition: NetworkPartition, scene| {
            let names: Vec<_> = scene
                .targets
                .iter()
                .map(|target| target.name.clone())
                .collect();
            let minority = (names.len().saturating_sub(1)) / 2;
            if minority == 0 {
                return Err(Error::Invalid(format!(
                    "{} members have no minority",
                    names.len()
                )));
            }
            let side = |container: &&Container| names[..minority].contains(&container.name);
            between(scene, side, partition.direction)
        },
    )
    .requires(NEEDS)
    .choosing()
}

/// Cut each member of one side off from each of the other.
fn between(
    scene: &Scene,
    side: impl Fn(&&Container) -> bool,
    direction: Direction,
) -> Result<Vec<Step>> {
    let (cut_off, others): (Vec<_>, Vec<_>) = scene.targets.iter().partition(side);
    cut_off
        .into_iter()
        .map(|target| {
            let ips = shared_addresses(target, others.iter().copied())?;
            if ips.is_empty() {
                return Err(Error::Unavailable(format!(
                    "{} shares no network with the others",
                    target.name
                )));
            }
            Ok(cut(&target.name, &ips, direction, Token::fresh()))
        })
        .collect()
}
