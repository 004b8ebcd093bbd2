//! What a bad link does to packets: they come late, are lost, damaged, doubled, or overtake each other.
//!
//! The host picks one of two ways to the same effect: netem in the kernel (tc-netem(8)), or a packet queue of its own where the kernel has
//! no netem or the interface already has a queueing discipline. The parameters are the same for both.

use serde_json::{Map, Value};

use super::link::Link;
use crate::draft::{Effect, Impairment};
use crate::{Container, Result, Scene, Step};

/// What a fault needs that can be made in both ways.
pub const NEEDS: &[&str] = &[
    "CAP_NET_ADMIN",
    "tool:ip",
    "kernel:sch_netem|kernel:nfnetlink_queue",
];
/// What a fault needs that only netem can make.
pub const NEEDS_NETEM: &[&str] = &["CAP_NET_ADMIN", "tool:ip", "tool:tc", "kernel:sch_netem"];

/// How an impairment is described.
pub struct Description {
    /// For the summary, e.g. `lose 10 % of the packets`.
    pub what: String,
    /// For the metadata.
    pub facts: Map<String, Value>,
}

/// Makes a container's link bad.
pub fn impair(
    impairment: Impairment,
    link: Link<'_>,
    target: &Container,
    scene: &Scene,
    description: Description,
) -> Result<Step> {
    let Description { what, facts } = description;
    link.change(target, scene, &what, facts, |packets| {
        Effect::Impair(packets, impairment)
    })
}
