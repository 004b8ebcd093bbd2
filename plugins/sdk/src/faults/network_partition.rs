//! `network_partition`: a container and its peers do not hear each other any more, as if a cable had been pulled.
//!
//! Connections on both ends time out; none is refused or reset. A program that sends datagrams is told `Operation not permitted`,
//! wherever on its own way out they are dropped. Without `to`, broadcast and IPv4 multicast packets of the container are dropped too; IPv6
//! multicast and link-local packets, which the IPv6 protocol itself needs, are not.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::destination::{addresses, destinations, problems_of, shared_addresses};
use super::facts;
use crate::draft::{self, Destination, Draft, Effect, Packets};
use crate::{Container, Error, Fault, Parameters, Problem, Result, Scene, Step, containers};

/// What the faults that are made of rules need.
pub const NEEDS: &[&str] = &["CAP_NET_ADMIN", "tool:iptables", "tool:iptables-save"];

/// Which packets are lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Those from the peers and those to them.
    #[default]
    Both,
    /// Those from the peers alone.
    In,
    /// Those to the peers alone.
    Out,
}

/// How the partition lies.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NetworkPartition {
    /// Which packets are lost, as the target sees it: those that come `in` from its peers, those that go `out` to them, or `both`.
    pub direction: Direction,
    /// Services, addresses and networks to be cut off from, each with or without a port (`etcd1:2380`, `10.0.0.0/8`). None: all peers, and
    /// whatever the container sends by broadcast or IPv4 multicast.
    #[schemars(extend("x-duress" = "destinations"))]
    pub to: Vec<String>,
}

impl Parameters for NetworkPartition {
    fn problems(&self) -> Vec<Problem> {
        problems_of(&self.to)
    }
}

/// Returns the fault: cut a container off from the containers of these services, itself excepted.
pub fn fault(peers: &'static [&'static str]) -> Fault {
    Fault::for_each(
        "network_partition",
        "Drop all packets between a container and its peers; to both ends it looks like a pulled cable.",
        move |partition: &NetworkPartition, target, scene| {
            let peers = partition.peers(target, scene, peers)?;
            // Cut off from all peers, it is not heard by what it sends to everybody either.
            let everybody = partition.to.is_empty();
            Ok(sever(&target.name, peers, partition.direction, How::Drop { everybody }))
        },
    )
    .requires(NEEDS)
}

/// `tcp_reset`: connections with the containers of these services are reset, and no new one is made.
pub fn tcp_reset(peers: &'static [&'static str]) -> Fault {
    Fault::for_each(
        "tcp_reset",
        "Reset every TCP connection between a container and its peers, and refuse new ones.",
        move |partition: &NetworkPartition, target, scene| {
            let peers = partition.peers(target, scene, peers)?;
            Ok(sever(&target.name, peers, partition.direction, How::Reset))
        },
    )
    .requires(NEEDS)
}

impl NetworkPartition {
    fn peers(
        &self,
        target: &Container,
        scene: &Scene,
        services: &[&str],
    ) -> Result<Vec<Destination>> {
        if self.to.is_empty() {
            let ips = peer_addresses(target, &scene.stack, services)?;
            Ok(ips.into_iter().map(Into::into).collect())
        } else {
            destinations(target, &scene.stack, &self.to)
        }
    }
}

/// Returns the addresses of a container's peers on the networks that they share.
pub fn peer_addresses(
    target: &Container,
    stack: &[Container],
    peers: &[&str],
) -> Result<Vec<IpAddr>> {
    let others = containers::of_services(stack, peers).filter(|peer| peer.name != target.name);
    let ips = shared_addresses(target, others)?;
    if ips.is_empty() {
        return Err(Error::Unavailable(format!(
            "{} shares no network with a running container of {}, so no link can be cut",
            target.name,
            peers.join(", ")
        )));
    }
    Ok(ips)
}

/// Cuts one container off from some destinations.
pub fn cut(
    target: &str,
    peers: impl IntoIterator<Item = impl Into<Destination>>,
    direction: Direction,
) -> Step {
    sever(target, peers, direction, How::Drop { everybody: false })
}

/// How a link is severed.
#[derive(Debug, Clone, Copy)]
enum How {
    /// As if the cable were unplugged; also for what the container sends to everybody.
    Drop { everybody: bool },
    /// As if nothing listened, and the connections were unknown.
    Reset,
}

fn sever(
    target: &str,
    peers: impl IntoIterator<Item = impl Into<Destination>>,
    direction: Direction,
    how: How,
) -> Step {
    let peers: Vec<Destination> = peers.into_iter().map(Into::into).collect();
    let addresses = addresses(&peers);
    let packets = Packets {
        peers,
        with_multicast: matches!(how, How::Drop { everybody: true }),
        ..Packets::new(match direction {
            Direction::Both => draft::Direction::Both,
            Direction::In => draft::Direction::Incoming,
            Direction::Out => draft::Direction::Outgoing,
        })
    };
    let mut facts = facts! {
        "target_container": target,
        "target_ips": addresses,
        "direction": direction,
    };
    let (verb, effect) = match how {
        How::Drop { .. } => {
            facts.insert("isolated_container".into(), target.into());
            ("drop all packets", Effect::Drop(packets))
        }
        How::Reset => ("reset all TCP connections", Effect::Reset(packets)),
    };
    let draft = Draft {
        container: target.into(),
        summary: format!("{verb} between {target} and {}", addresses.join(", ")),
        effects: vec![effect],
    };
    Step {
        facts,
        changes: vec![draft.into()],
    }
}

#[cfg(test)]
#[path = "network_partition_tests.rs"]
mod tests;
