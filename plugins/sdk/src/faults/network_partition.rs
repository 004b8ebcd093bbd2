//! `network_partition`: a container and its peers do not hear each other any more, as if a cable had been pulled.
//!
//! Connections on both ends time out; none is refused or reset. A program that sends datagrams is told `Operation not permitted`,
//! wherever on its own way out they are dropped. Only addresses of the trial's own containers are ever named.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::destination::{Destination, destinations, ips, problems_of, shared_addresses};
use super::facts;
use super::rule::{Rule, Side, shown};
use crate::{
    Change, Container, Error, Fault, Parameters, Problem, Result, Scene, Step, Token, containers,
};

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
    /// Services and addresses to be cut off from, each with or without a port (`etcd1:2380`). None: all peers.
    #[schemars(extend("x-duress" = "destinations"))]
    pub to: Vec<String>,
}

impl Parameters for NetworkPartition {
    fn problems(&self) -> Vec<Problem> {
        problems_of(&self.to)
    }
}

/// The fault: cut a container off from the containers of these services, itself excepted.
pub fn fault(peers: &'static [&'static str]) -> Fault {
    Fault::for_each(
        "network_partition",
        "Drop all packets between a container and its peers; to both ends it looks like a pulled cable.",
        move |partition: &NetworkPartition, target, scene| {
            let peers = partition.peers(target, scene, peers)?;
            Ok(cut(&target.name, peers, partition.direction, Token::fresh()))
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
            Ok(sever(
                &target.name,
                peers,
                partition.direction,
                Token::fresh(),
                &RESET,
            ))
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

/// The addresses of a container's peers on the networks that they share.
pub fn peer_addresses(
    target: &Container,
    stack: &[Container],
    peers: &[&str],
) -> Result<Vec<IpAddr>> {
    let others = containers::of_services(stack, peers).filter(|peer| peer.name != target.name);
    let ips = shared_addresses(target, others)?;
    if ips.is_empty() {
        return Err(Error::Unavailable(format!(
            "{} shares no network with a running container of {}, so there is no link to cut",
            target.name,
            peers.join(", ")
        )));
    }
    Ok(ips)
}

/// Cut one container off from some destinations: one change for each IP version among them.
pub fn cut(
    target: &str,
    peers: impl IntoIterator<Item = impl Into<Destination>>,
    direction: Direction,
    token: Token,
) -> Step {
    let mut step = sever(target, peers, direction, token, &DROPPED);
    step.facts
        .insert("isolated_container".into(), target.into());
    step
}

/// How a link is severed.
pub(super) struct Severing {
    /// What happens to the packets, for the summary.
    verb: &'static str,
    /// Where packets to the peers are caught: the table and its chain.
    outgoing: (&'static str, &'static str),
    /// TCP alone, but for the resets themselves: they must arrive.
    tcp: bool,
    /// What the rules do.
    verdict: &'static [&'static str],
}

/// As if a cable had been pulled. Dropped in the filter table's OUTPUT, a packet's sender would be told; after it is routed, it is not.
const DROPPED: Severing = Severing {
    verb: "drop all packets",
    outgoing: ("mangle", "POSTROUTING"),
    tcp: false,
    verdict: &["DROP"],
};

/// As if nobody listened, and nobody knew of the connection.
pub(super) const RESET: Severing = Severing {
    verb: "reset all TCP connections",
    outgoing: ("filter", "OUTPUT"),
    tcp: true,
    verdict: &["REJECT", "--reject-with", "tcp-reset"],
};

/// Sever a container's links to some destinations.
pub(super) fn sever(
    target: &str,
    peers: impl IntoIterator<Item = impl Into<Destination>>,
    direction: Direction,
    token: Token,
    how: &Severing,
) -> Step {
    let peers: Vec<Destination> = peers.into_iter().map(Into::into).collect();
    let (v4, v6): (Vec<_>, Vec<_>) = peers.iter().partition(|peer| peer.ip.is_ipv4());
    let families = [("iptables", v4), ("ip6tables", v6)];
    Step {
        facts: facts! {
            "target_container": target,
            "target_ips": ips(&peers),
            "direction": direction,
            "mark": mark(token),
        },
        changes: families
            .into_iter()
            .filter(|(_, peers)| !peers.is_empty())
            .map(|(family, peers)| change(target, family, &peers, direction, token, how))
            .collect(),
    }
}

/// What the comment of every rule begins with.
fn mark(token: Token) -> String {
    format!("duress:{token}")
}

fn change(
    target: &str,
    family: &str,
    peers: &[Destination],
    direction: Direction,
    token: Token,
    how: &Severing,
) -> Change {
    let owned =
        |words: &[&str]| -> Vec<String> { words.iter().map(|&word| word.to_owned()).collect() };
    let rule = |side, (table, chain), end| Rule {
        table,
        chain,
        side,
        port: None,
        peers: Vec::new(),
        matches: Vec::new(),
        comment: format!("{}:{end}", mark(token)),
        verdict: owned(how.verdict),
    };
    let incoming = rule(Side::From, ("filter", "INPUT"), "in");
    let outgoing = rule(Side::To, how.outgoing, "out");
    let wanted = match direction {
        Direction::Both => vec![incoming, outgoing],
        Direction::In => vec![incoming],
        Direction::Out => vec![outgoing],
    };
    let mut rules: Vec<Rule> = wanted
        .into_iter()
        .flat_map(|rule| rule.each(peers))
        .collect();
    if how.tcp {
        rules.retain(|rule| rule.port.is_none_or(|(protocol, _)| protocol == "tcp"));
        for rule in &mut rules {
            let all = ["-p", "tcp"].as_slice();
            let all = if rule.port.is_none() { all } else { &[] };
            rule.matches = owned(&[all, &["!", "--tcp-flags", "RST", "RST"]].concat());
        }
    }
    let texts: Vec<String> = ips(peers).iter().map(ToString::to_string).collect();
    Change {
        container: target.into(),
        summary: format!("{} between {target} and {}", how.verb, texts.join(", ")),
        apply: rules.iter().map(|rule| rule.insert(family)).collect(),
        revert: rules.iter().flat_map(|rule| rule.delete(family)).collect(),
        in_force: Some(shown(family, &rules)),
    }
}

#[cfg(test)]
#[path = "network_partition_tests.rs"]
mod tests;
