//! What a bad link does to packets: they come late, are lost, damaged, doubled, or overtake each other.
//!
//! There are two ways to the same effect: netem in the kernel (tc-netem(8)), and, where the kernel has no netem, a queue of packets from
//! which duress's helper lets them go. The parameters are the same for both, and so are their words.

use serde_json::{Map, Value};

use super::link::{Line, Link, percent};
use super::rule::{Rule, Side, shown};
use crate::bindings::duress::plugin::changes::{Distribution, PacketQueue, Task, Work};
use crate::{Action, Change, Container, Result, Scene, Step, Token, host};

/// What a fault needs that can be made in both ways.
pub const NEEDS: &[&str] = &[
    "CAP_NET_ADMIN",
    "tool:ip",
    "kernel:sch_netem|kernel:nfnetlink_queue",
];
/// What a fault needs that only netem can make.
pub const NEEDS_NETEM: &[&str] = &["CAP_NET_ADMIN", "tool:ip", "tool:tc", "kernel:sch_netem"];

/// Packets that wait at most. netem's own 1000 would drop packets of a busy link, and loss is a fault of its own.
const LIMIT: &str = "100000";

/// By what a link is made bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mechanism {
    /// The kernel's queueing discipline.
    Netem,
    /// A netfilter queue, caught in this table and chain: faults of two kinds must not catch at the same place, for what one has
    /// let go the next rule there never sees. What waits is best caught in `raw`, before connections are tracked: of several packets
    /// that begin one connection, the kernel drops all but the one that is let go first.
    Queue(&'static str, &'static str),
}

impl Mechanism {
    /// netem where it is there, else the queue, caught at this place.
    pub fn available(table: &'static str, chain: &'static str) -> Self {
        if host::has("kernel:sch_netem") {
            Self::Netem
        } else {
            Self::Queue(table, chain)
        }
    }
}

/// What happens to packets. Shares are in percent, times in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Impairment {
    /// All that the queue can do too; its number is filled in later.
    pub packets: PacketQueue,
    /// How many are sent twice.
    pub duplicate_percent: f64,
    /// How much that depends on the one before.
    pub duplicate_correlation_percent: f64,
}

/// What does nothing.
pub const NONE: Impairment = Impairment {
    packets: PacketQueue {
        number: 0,
        delay_ms: 0.0,
        jitter_ms: 0.0,
        delay_correlation_percent: 0.0,
        distribution: Distribution::Uniform,
        loss_percent: 0.0,
        loss_correlation_percent: 0.0,
        enter_percent: 0.0,
        leave_percent: 100.0,
        burst_loss_percent: 100.0,
        reorder_percent: 0.0,
        reorder_correlation_percent: 0.0,
        corrupt_percent: 0.0,
        corrupt_correlation_percent: 0.0,
    },
    duplicate_percent: 0.0,
    duplicate_correlation_percent: 0.0,
};

/// What is done, in words.
pub struct Told {
    /// For the summary, e.g. `lose 10 % of the packets`.
    pub what: String,
    /// For the metadata.
    pub facts: Map<String, Value>,
}

impl Impairment {
    /// Make a link bad.
    pub fn put(
        &self,
        link: Link<'_>,
        target: &Container,
        scene: &Scene,
        told: Told,
        token: Token,
        mechanism: Mechanism,
    ) -> Result<Step> {
        let Told { what, mut facts } = told;
        match mechanism {
            Mechanism::Netem => {
                facts.insert("mechanism".into(), "netem".into());
                link.shape(target, scene, &self.netem(), &what, facts, token)
            }
            Mechanism::Queue(table, chain) => {
                facts.insert("mechanism".into(), "packet_queue".into());
                let queue = Queue {
                    table,
                    chain,
                    token,
                };
                queue.put(self, link, target, scene, Told { what, facts })
            }
        }
    }

    /// As netem is told it.
    fn netem(&self) -> Vec<String> {
        let packets = &self.packets;
        let mut words = ["netem", "limit", LIMIT].map(str::to_owned).to_vec();
        let us = |ms: f64| format!("{}us", (ms * 1000.0).round());
        if packets.delay_ms > 0.0 || packets.jitter_ms > 0.0 {
            words.extend(["delay".to_owned(), us(packets.delay_ms)]);
            if packets.jitter_ms > 0.0 {
                words.push(us(packets.jitter_ms));
                words.extend(correlation(packets.delay_correlation_percent));
                let name = match packets.distribution {
                    Distribution::Uniform => None,
                    Distribution::Normal => Some("normal"),
                    Distribution::Pareto => Some("pareto"),
                };
                words.extend(
                    name.into_iter()
                        .flat_map(|name| ["distribution".to_owned(), name.to_owned()]),
                );
            }
        }
        if packets.enter_percent > 0.0 {
            words.extend(["loss", "gemodel"].map(str::to_owned));
            let shares = [
                packets.enter_percent,
                packets.leave_percent,
                packets.burst_loss_percent,
                0.0,
            ];
            words.extend(shares.map(percent));
        }
        for (word, share, depends) in [
            (
                "loss",
                packets.loss_percent,
                packets.loss_correlation_percent,
            ),
            (
                "corrupt",
                packets.corrupt_percent,
                packets.corrupt_correlation_percent,
            ),
            (
                "duplicate",
                self.duplicate_percent,
                self.duplicate_correlation_percent,
            ),
            (
                "reorder",
                packets.reorder_percent,
                packets.reorder_correlation_percent,
            ),
        ] {
            if share > 0.0 {
                words.extend([word.to_owned(), percent(share)]);
                words.extend(correlation(depends));
            }
        }
        words
    }
}

fn correlation(share: f64) -> Option<String> {
    (share > 0.0).then(|| percent(share))
}

/// A queue of packets, and the rules that fill it.
struct Queue {
    table: &'static str,
    chain: &'static str,
    token: Token,
}

impl Queue {
    fn put(
        &self,
        impairment: &Impairment,
        link: Link<'_>,
        target: &Container,
        scene: &Scene,
        told: Told,
    ) -> Result<Step> {
        let Self {
            table,
            chain,
            token,
        } = self;
        let lines = link.lines(target, scene)?;
        let number = (token.0 & 0xffff) as u16;
        let rule = |interface: &str| Rule {
            table,
            chain,
            side: Side::To,
            port: None,
            peers: Vec::new(),
            matches: ["-o", interface].map(str::to_owned).to_vec(),
            comment: format!("duress:{token}:queue"),
            // When the helper ends, packets pass.
            verdict: [
                "NFQUEUE",
                "--queue-num",
                &number.to_string(),
                "--queue-bypass",
            ]
            .map(str::to_owned)
            .to_vec(),
        };
        let task = Task {
            id: format!("queue-{token}"),
            work: Work::QueuePackets(PacketQueue {
                number,
                ..impairment.packets
            }),
        };
        let mut facts = link.facts(target, &lines);
        facts.insert("queue".into(), number.into());
        facts.extend(told.facts);
        let interfaces: Vec<&str> = lines.iter().map(|line| line.interface.as_str()).collect();
        let has_v6 = target
            .addresses
            .iter()
            .any(|address| address.ip.contains(':'));
        let waits = impairment.packets.delay_ms > 0.0;
        let mut start = Some(Action::StartTask(task.clone()));
        let mut stop = Some(Action::StopTask(task.id));
        let mut changes = Vec::new();
        for (family, is_v4) in [("iptables", true), ("ip6tables", false)] {
            let of_line = |line: &Line| {
                let peers: Vec<_> = line
                    .to
                    .iter()
                    .copied()
                    .filter(|peer| peer.ip.is_ipv4() == is_v4)
                    .collect();
                let rule = rule(&line.interface);
                let mut rules = match (line.to.is_empty(), peers.is_empty()) {
                    (true, _) if is_v4 || has_v6 => vec![rule.clone()],
                    (false, false) => rule.clone().each(&peers),
                    _ => Vec::new(),
                };
                if waits && *table != "raw" && !rules.is_empty() {
                    rules.push(untracked(&rule, is_v4));
                }
                rules
            };
            let rules: Vec<Rule> = lines.iter().flat_map(of_line).collect();
            if rules.is_empty() {
                continue;
            }
            let whither = link.whither(target, &interfaces.join(", "));
            let inserts = rules.iter().map(|rule| rule.insert(family));
            // The first of them serves the queue for both.
            changes.push(Change {
                container: target.name.clone(),
                summary: format!("{}{whither} (packet queue)", told.what),
                apply: start.take().into_iter().chain(inserts).collect(),
                revert: rules
                    .iter()
                    .flat_map(|rule| rule.delete(family))
                    .chain(stop.take())
                    .collect(),
                in_force: Some(shown(family, &rules)),
            });
        }
        Ok(Step { facts, changes })
    }
}

/// A rule that leaves echoes out of what is tracked: they are the packets that begin one connection several times.
fn untracked(rule: &Rule, is_v4: bool) -> Rule {
    let protocol = if is_v4 { "icmp" } else { "ipv6-icmp" };
    Rule {
        table: "raw",
        chain: "OUTPUT",
        matches: [
            &["-p".to_owned(), protocol.to_owned()],
            rule.matches.as_slice(),
        ]
        .concat(),
        verdict: ["CT", "--notrack"].map(str::to_owned).to_vec(),
        ..rule.clone()
    }
}

#[cfg(test)]
#[path = "impairment_tests.rs"]
mod tests;
