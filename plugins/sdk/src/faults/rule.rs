//! Rules of iptables (iptables(8)): found again by a comment of duress's own, never by their place.

use std::net::IpAddr;

use super::destination::Destination;
use super::{tool, undo};
use crate::{Action, Probe};

/// `iptables -D` exits with this when the rule is not there.
const ABSENT: i32 = 1;
/// For how many seconds a tool waits while another holds the tables.
const LOCK_SECONDS: &str = "5";

/// Which packets are meant, as the container sees them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// Those that come from a peer.
    From,
    /// Those that go to a peer.
    To,
}

/// One rule for each of some peers.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) table: &'static str,
    pub(super) chain: &'static str,
    pub(super) side: Side,
    /// `protocol` and `port` of the peer; none: every packet.
    pub(super) port: Option<(&'static str, u16)>,
    /// Of one IP version; none: every peer.
    pub(super) peers: Vec<IpAddr>,
    /// e.g. `-o eth0`.
    pub(super) matches: Vec<String>,
    /// What it is found by again.
    pub(super) comment: String,
    /// e.g. `DROP`.
    pub(super) verdict: Vec<String>,
}

impl Rule {
    /// The same rule for each port among some destinations of one IP version: for every packet, or for TCP and UDP.
    pub(super) fn each(self, destinations: &[Destination]) -> Vec<Self> {
        let mut ports: Vec<Option<u16>> = destinations.iter().map(|to| to.port).collect();
        ports.sort();
        ports.dedup();
        let mut rules = Vec::new();
        for port in ports {
            let of_port = destinations.iter().filter(|to| to.port == port);
            let peers: Vec<IpAddr> = of_port.map(|to| to.ip).collect();
            let kinds = match port {
                None => vec![None],
                Some(port) => vec![Some(("tcp", port)), Some(("udp", port))],
            };
            rules.extend(kinds.into_iter().map(|port| Self {
                port,
                peers: peers.clone(),
                ..self.clone()
            }));
        }
        rules
    }

    /// Put it before all others. All its peers in one call, and so at one moment.
    pub(super) fn insert(&self, family: &str) -> Action {
        let peers: Vec<String> = self.peers.iter().map(ToString::to_string).collect();
        let peers = (!peers.is_empty()).then(|| peers.join(","));
        Action::Run(tool(&words(&self.command(family, "-I", peers))))
    }

    /// Take it out again. Peer by peer: a call that names several removes none when one is missing.
    pub(super) fn delete(&self, family: &str) -> Vec<Action> {
        let each: Vec<Option<String>> = if self.peers.is_empty() {
            vec![None]
        } else {
            self.peers.iter().map(|ip| Some(ip.to_string())).collect()
        };
        each.into_iter()
            .map(|peer| undo(&words(&self.command(family, "-D", peer)), ABSENT))
            .collect()
    }

    fn command(&self, family: &str, verb: &str, peers: Option<String>) -> Vec<String> {
        let (address, port) = match self.side {
            Side::From => ("-s", "--sport"),
            Side::To => ("-d", "--dport"),
        };
        let owned = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let mut command: Vec<String> = owned(&[
            family,
            "-w",
            LOCK_SECONDS,
            "-t",
            self.table,
            verb,
            self.chain,
        ]);
        if let Some(peers) = peers {
            command.extend([address.to_owned(), peers]);
        }
        if let Some((protocol, number)) = self.port {
            command.extend(["-p", protocol, port].map(str::to_owned));
            command.push(number.to_string());
        }
        command.extend(self.matches.iter().cloned());
        command.extend(["-m", "comment", "--comment", &self.comment, "-j"].map(str::to_owned));
        command.extend(self.verdict.iter().cloned());
        command
    }
}

/// All rules are there while their comments are shown.
pub(super) fn shown(family: &str, rules: &[Rule]) -> Probe {
    let mut comments: Vec<String> = rules.iter().map(|rule| rule.comment.clone()).collect();
    comments.dedup();
    Probe::Output((tool(&[&format!("{family}-save")]), comments))
}

fn words(command: &[String]) -> Vec<&str> {
    command.iter().map(String::as_str).collect()
}
