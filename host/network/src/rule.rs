//! Rules of iptables (iptables(8)). A rule is found again by a comment of its own, never by its position.

use super::packets::{Direction, Packets, Peer, Protocol};
use duress_journal::change::{Action, Place, PlacedProgram, Probe};

/// `iptables -D` exits with this when the rule is not there.
const ABSENT: i32 = 1;
/// For how many seconds a tool waits while another holds the tables.
const LOCK_SECONDS: &str = "5";
/// For one of the network tools, in milliseconds: they take a few, and seconds on an overloaded machine.
pub(super) const TOOL_TIMEOUT_MS: u64 = 10_000;

/// Which end of a packet is the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// The source: an incoming packet.
    From,
    /// The destination: an outgoing packet.
    To,
}

/// Where rules go, for each direction, and what they do.
#[derive(Debug, Clone)]
pub(super) struct Verdict {
    /// Table and chain for incoming packets.
    pub(super) incoming: (&'static str, &'static str),
    /// Table and chain for outgoing packets.
    pub(super) outgoing: (&'static str, &'static str),
    /// Further matches, e.g. `-m mark ! --mark 1`.
    pub(super) matches: Vec<String>,
    /// What follows `-j`, for IPv4 and IPv6.
    pub(super) target: [Vec<String>; 2],
}

/// One call of iptables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    is_v4: bool,
    table: &'static str,
    chain: &'static str,
    side: Side,
    /// All of one port; one call names them all.
    peers: Vec<Peer>,
    matches: Vec<String>,
    comment: String,
    target: Vec<String>,
}

/// Returns the rules for some packets, of both IP versions and directions.
pub(super) fn rules(
    packets: &Packets,
    verdict: &Verdict,
    container_has_v6: bool,
    comment: &str,
) -> Vec<Rule> {
    let sides: &[Side] = match packets.direction {
        Direction::Incoming => &[Side::From],
        Direction::Outgoing => &[Side::To],
        Direction::Both => &[Side::From, Side::To],
    };
    let mut rules = Vec::new();
    for is_v4 in [true, false] {
        if !packets.has_version(is_v4, container_has_v6) {
            continue;
        }
        for &side in sides {
            rules.extend(of_side(packets, verdict, comment, is_v4, side));
            if side == Side::To && packets.with_multicast && is_v4 {
                rules.extend(multicast(packets, verdict, comment));
            }
        }
    }
    rules
}

fn of_side(
    packets: &Packets,
    verdict: &Verdict,
    comment: &str,
    is_v4: bool,
    side: Side,
) -> Vec<Rule> {
    let (table, chain) = match side {
        Side::From => verdict.incoming,
        Side::To => verdict.outgoing,
    };
    let peers = packets.peers_of(is_v4);
    let mut ports: Vec<Option<u16>> = peers.iter().map(|peer| peer.port).collect();
    if peers.is_empty() {
        ports.push(None);
    }
    ports.sort_unstable();
    ports.dedup();
    let mut rules = Vec::new();
    for port in ports {
        let needs_protocol = port.is_some() || packets.local_port.is_some();
        let protocols = match packets.protocol {
            Some(protocol) => vec![Some(protocol)],
            None if needs_protocol => vec![Some(Protocol::Tcp), Some(Protocol::Udp)],
            None => vec![None],
        };
        for protocol in protocols {
            rules.push(Rule {
                is_v4,
                table,
                chain,
                side,
                peers: peers
                    .iter()
                    .filter(|peer| peer.port == port)
                    .copied()
                    .collect(),
                matches: [
                    matches(packets, protocol, port, is_v4, side),
                    verdict.matches.clone(),
                ]
                .concat(),
                comment: format!("{comment}:{}", if side == Side::To { "out" } else { "in" }),
                target: verdict.target[usize::from(!is_v4)].clone(),
            });
        }
    }
    rules
}

fn matches(
    packets: &Packets,
    protocol: Option<Protocol>,
    port: Option<u16>,
    is_v4: bool,
    side: Side,
) -> Vec<String> {
    let mut words = Vec::new();
    if let Some(protocol) = protocol {
        words.extend(["-p", protocol.name(is_v4)].map(str::to_owned));
    }
    let (of_peer, of_container, device) = match side {
        Side::From => ("--sport", "--dport", "-i"),
        Side::To => ("--dport", "--sport", "-o"),
    };
    for (option, port) in [(of_peer, port), (of_container, packets.local_port)] {
        words.extend(
            port.into_iter()
                .flat_map(|port| [option.to_owned(), port.to_string()]),
        );
    }
    let interface = packets.interface.iter();
    words.extend(interface.flat_map(|name| [device.to_owned(), name.clone()]));
    words
}

/// Returns rules for what the container sends to everybody, which reaches its peers too.
fn multicast(packets: &Packets, verdict: &Verdict, comment: &str) -> Vec<Rule> {
    let (table, chain) = verdict.outgoing;
    ["MULTICAST", "BROADCAST"]
        .map(|kind| {
            let mut matches = matches(packets, packets.protocol, None, true, Side::To);
            matches.extend(["-m", "addrtype", "--dst-type", kind].map(str::to_owned));
            Rule {
                is_v4: true,
                table,
                chain,
                side: Side::To,
                peers: Vec::new(),
                matches,
                comment: format!("{comment}:all"),
                target: verdict.target[0].clone(),
            }
        })
        .to_vec()
}

impl Rule {
    /// A rule of a table and chain for all packets that leave by an interface.
    pub(super) fn outgoing(
        is_v4: bool,
        (table, chain): (&'static str, &'static str),
        matches: Vec<String>,
        comment: String,
        target: Vec<String>,
    ) -> Self {
        Self {
            is_v4,
            table,
            chain,
            side: Side::To,
            peers: Vec::new(),
            matches,
            comment,
            target,
        }
    }

    fn family(&self) -> &'static str {
        if self.is_v4 { "iptables" } else { "ip6tables" }
    }

    /// Puts it before all other rules. All its peers in one call, and so at one moment.
    pub(super) fn insert(&self) -> Action {
        let peers: Vec<String> = self.peers.iter().map(Peer::text).collect();
        let peers = (!peers.is_empty()).then(|| peers.join(","));
        Action::Run(tool(self.command("-I", peers), &[]))
    }

    /// Removes it. Peer by peer: a call that names several removes none when one is missing.
    pub(super) fn delete(&self) -> Vec<Action> {
        let each: Vec<Option<String>> = if self.peers.is_empty() {
            vec![None]
        } else {
            self.peers.iter().map(|peer| Some(peer.text())).collect()
        };
        each.into_iter()
            .map(|peer| Action::Run(tool(self.command("-D", peer), &[ABSENT])))
            .collect()
    }

    fn command(&self, verb: &str, peers: Option<String>) -> Vec<String> {
        let address = match self.side {
            Side::From => "-s",
            Side::To => "-d",
        };
        let start = [
            self.family(),
            "-w",
            LOCK_SECONDS,
            "-t",
            self.table,
            verb,
            self.chain,
        ];
        let mut command = start.map(str::to_owned).to_vec();
        if let Some(peers) = peers {
            command.extend([address.to_owned(), peers]);
        }
        command.extend(self.matches.iter().cloned());
        command.extend(["-m", "comment", "--comment", &self.comment, "-j"].map(str::to_owned));
        command.extend(self.target.iter().cloned());
        command
    }
}

/// Returns the checks that all of some rules are there: one for each IP version among them.
pub(super) fn probes(rules: &[Rule]) -> Vec<Probe> {
    ["iptables", "ip6tables"]
        .into_iter()
        .filter_map(|family| {
            let own = rules.iter().filter(|rule| rule.family() == family);
            let mut texts: Vec<String> = own.map(|rule| rule.comment.clone()).collect();
            texts.sort();
            texts.dedup();
            (!texts.is_empty()).then(|| Probe::Output {
                program: tool(vec![format!("{family}-save")], &[]),
                texts,
            })
        })
        .collect()
}

/// A network tool, run in the container's network namespace.
pub(super) fn tool(command: Vec<String>, tolerated: &[i32]) -> PlacedProgram {
    PlacedProgram {
        place: Place::NetworkOfContainer,
        command,
        timeout_ms: TOOL_TIMEOUT_MS,
        tolerated: tolerated.to_vec(),
    }
}
