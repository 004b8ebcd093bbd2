//! `network_partition`: a container and its peers do not hear each other any more, as if a cable had been pulled.
//!
//! Connections on both ends time out; none is refused or reset. A program that sends datagrams is told `Operation not permitted`,
//! wherever on its own way out they are dropped. Only addresses of the trial's own containers are ever named.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::link::{addresses, problems_of};
use super::{facts, tool, undo};
use crate::{
    Action, Change, Container, Error, Fault, Parameters, Probe, Problem, Result, Step, Token,
    containers,
};

/// `iptables -D` exits with this when the rule is not there.
const ABSENT: i32 = 1;

/// For how many seconds a tool waits while another holds the tables.
const LOCK_SECONDS: &str = "5";

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
    /// Services and addresses to be cut off from. None: all peers.
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
        |partition: &NetworkPartition, target, scene| {
            let ips = if partition.to.is_empty() {
                peer_addresses(target, &scene.stack, peers)?
            } else {
                addresses(target, &scene.stack, &partition.to)?
            };
            Ok(cut(&target.name, &ips, partition.direction, Token::fresh()))
        },
    )
    .requires(&["CAP_NET_ADMIN", "tool:iptables", "tool:iptables-save"])
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

/// The addresses of other containers on the networks that a container shares with them.
pub fn shared_addresses<'a>(
    target: &Container,
    others: impl Iterator<Item = &'a Container>,
) -> Result<Vec<IpAddr>> {
    let shared = |network: &str| target.addresses.iter().any(|own| own.network == network);
    others
        .flat_map(|other| &other.addresses)
        .filter(|address| shared(&address.network))
        .map(|address| {
            let parsed = address.ip.parse();
            parsed.map_err(|_| Error::Failed(format!("`{}` is no IP address", address.ip)))
        })
        .collect()
}

/// Cut one container off from some addresses: one change for each IP version among them.
pub fn cut(target: &str, ips: &[IpAddr], direction: Direction, token: Token) -> Step {
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = ips.iter().partition(|ip| ip.is_ipv4());
    let families = [("iptables", v4), ("ip6tables", v6)];
    Step {
        facts: facts! {
            "isolated_container": target,
            "target_ips": ips,
            "direction": direction,
            "mark": mark(token),
        },
        changes: families
            .into_iter()
            .filter(|(_, ips)| !ips.is_empty())
            .map(|(family, ips)| change(target, family, &ips, direction, token))
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
    ips: &[IpAddr],
    direction: Direction,
    token: Token,
) -> Change {
    let texts: Vec<String> = ips.iter().map(ToString::to_string).collect();
    // One rule for each address, in one call and so at one moment.
    let addresses = texts.join(",");
    let incoming = Rule {
        table: "filter",
        chain: "INPUT",
        side: "-s",
        comment: format!("{}:in", mark(token)),
    };
    let outgoing = Rule {
        table: "mangle",
        chain: "POSTROUTING",
        side: "-d",
        comment: format!("{}:out", mark(token)),
    };
    let rules = match direction {
        Direction::Both => vec![incoming, outgoing],
        Direction::In => vec![incoming],
        Direction::Out => vec![outgoing],
    };
    let saved = tool(&[&format!("{family}-save")]);
    Change {
        container: target.into(),
        summary: format!("drop all packets between {target} and {}", texts.join(", ")),
        apply: rules
            .iter()
            .map(|rule| Action::Run(tool(&rule.command(family, "-I", &addresses))))
            .collect(),
        // One by one: a call that names several removes none when one is missing.
        revert: rules
            .iter()
            .flat_map(|rule| texts.iter().map(move |ip| rule.command(family, "-D", ip)))
            .map(|command| undo(&command, ABSENT))
            .collect(),
        in_force: Some(Probe::Output((
            saved,
            rules.iter().map(|rule| rule.comment.clone()).collect(),
        ))),
    }
}

/// A rule that drops packets, found again by its comment.
struct Rule {
    table: &'static str,
    chain: &'static str,
    side: &'static str,
    comment: String,
}

impl Rule {
    fn command<'a>(&'a self, family: &'a str, verb: &'a str, addresses: &'a str) -> [&'a str; 15] {
        [
            family,
            "-w",
            LOCK_SECONDS,
            "-t",
            self.table,
            verb,
            self.chain,
            self.side,
            addresses,
            "-m",
            "comment",
            "--comment",
            &self.comment,
            "-j",
            "DROP",
        ]
    }
}

#[cfg(test)]
#[path = "network_partition_tests.rs"]
mod tests;
