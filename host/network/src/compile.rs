//! From a draft to programs, the way to revert them, and the check that they are in force.

use std::collections::{BTreeMap, BTreeSet};

use super::impairment::Mechanism;
use super::packets::{Direction, Packets, Protocol};
use super::rule::{Rule, Verdict};
use super::shape::shape;
use super::{Draft, DraftError, Effect, Impairment, rule};
use duress_engine::{PacketQueue, Work};
use duress_journal::change::{Action, Probe};

/// The mark on what duress's own DNS server asks (`dns-server` in `wit/plugin.wit`): the redirection leaves these packets out.
const DNS_MARK: &str = "0xd00d53";
/// Ports for the DNS server: below those that the kernel hands out by itself (ip(7)), above most that are assigned.
const DNS_PORTS: (u16, u16) = (20_000, 30_000);
/// The largest rate that tbf is asked for, in kilobits per second.
const RATE_LIMIT: u32 = 100_000_000;

/// What is known of a container's network at this moment.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// It has an IPv6 address.
    pub has_v6: bool,
    /// Its interfaces that are up.
    pub interfaces: Vec<String>,
    /// What `tc qdisc show` prints, for each interface that a draft names.
    pub disciplines: BTreeMap<String, String>,
    /// What `iptables-save` and `ip6tables-save` print.
    pub rules: String,
    /// The kernel has `sch_netem`.
    pub netem: bool,
    /// The helper and the kernel can queue packets.
    pub packet_queue: bool,
}

/// A draft, ready to be journaled.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    /// What makes it.
    pub apply: Vec<Action>,
    /// What reverts it.
    pub revert: Vec<Action>,
    /// What shows it.
    pub in_force: Probe,
    /// How links are impaired; `None` where none is.
    pub mechanism: Option<Mechanism>,
}

/// Turns a draft into programs. The token tells its rules and disciplines from all others.
///
/// # Errors
/// What is wrong with the draft, or what the container lacks.
pub fn compile(
    draft: &Draft,
    surroundings: &Surroundings,
    token: u64,
) -> Result<Compiled, DraftError> {
    let mut compiler = Compiler {
        container: &draft.container,
        surroundings,
        token,
        shaped: BTreeSet::new(),
        taken: BTreeSet::new(),
        apply: Vec::new(),
        revert: Vec::new(),
        probes: Vec::new(),
        mechanism: None,
    };
    if let Some(mistake) = draft.mistakes.first() {
        return Err(DraftError::Invalid(format!("the change {mistake}")));
    }
    if draft.effects.is_empty() {
        return Err(DraftError::Invalid("the change has no effect".into()));
    }
    for (number, effect) in draft.effects.iter().enumerate() {
        compiler.add(number, effect)?;
    }
    Ok(compiler.finish())
}

struct Compiler<'a> {
    container: &'a str,
    surroundings: &'a Surroundings,
    token: u64,
    /// Interfaces to which this draft gives a discipline.
    shaped: BTreeSet<String>,
    /// Places of packet queues that this draft takes.
    taken: BTreeSet<String>,
    apply: Vec<Action>,
    /// For each effect, in the order in which they were added.
    revert: Vec<Vec<Action>>,
    probes: Vec<Probe>,
    mechanism: Option<Mechanism>,
}

impl Compiler<'_> {
    fn add(&mut self, number: usize, effect: &Effect) -> Result<(), DraftError> {
        if let Some(packets) = packets_of(effect) {
            self.check(packets)?;
        }
        let comment = format!("duress:{:016x}:e{number}", self.token);
        match effect {
            Effect::Drop(packets) => self.add_rules(packets, &drop_verdict(), &comment),
            Effect::Reject(packets) => self.add_rules(packets, &reject_verdict(), &comment),
            Effect::Reset(packets) => {
                let tcp = Packets {
                    protocol: Some(Protocol::Tcp),
                    ..packets.clone()
                };
                if packets.protocol.is_some_and(|other| other != Protocol::Tcp) {
                    return Err(invalid("resets connections of a protocol other than TCP"));
                }
                self.add_rules(&tcp, &reset_verdict(), &comment);
            }
            Effect::Redirect(packets, port) => {
                self.redirect(packets, *port, Vec::new(), &comment)?;
            }
            Effect::Mark(packets, mark) => {
                let target = ["MARK".to_owned(), "--set-mark".to_owned(), mark.to_string()];
                let verdict = Verdict {
                    incoming: ("mangle", "PREROUTING"),
                    outgoing: ("mangle", "OUTPUT"),
                    matches: Vec::new(),
                    target: [target.to_vec(), target.to_vec()],
                };
                self.add_rules(packets, &verdict, &comment);
            }
            Effect::Impair(packets, impairment) => self.impair(number, packets, impairment)?,
            Effect::LimitRate {
                packets,
                rate_kbit,
                burst_kbyte,
                longest_wait_ms,
            } => {
                let interface = one_link(packets)?;
                if !(1..=RATE_LIMIT).contains(rate_kbit) || *burst_kbyte == 0 {
                    return Err(invalid(
                        "limits a rate to 0, or to more than 100 Gbit/s, or has no burst",
                    ));
                }
                if let Some(other) = self.discipline_at(interface) {
                    return Err(DraftError::Unavailable(format!(
                        "{interface} of {} already has a queueing discipline ({other}), so its rate cannot be limited without \
                         replacing it; end the other fault first, or name another interface",
                        self.container
                    )));
                }
                let words = [
                    "tbf".to_owned(),
                    "rate".to_owned(),
                    format!("{rate_kbit}kbit"),
                    "burst".to_owned(),
                    format!("{burst_kbyte}kb"),
                    "latency".to_owned(),
                    format!("{longest_wait_ms}ms"),
                ];
                self.shape(number, packets, interface, &words);
            }
            Effect::AnswerDns {
                lie,
                domains,
                address,
            } => self.answer_dns(number, *lie, domains, *address, &comment)?,
        }
        Ok(())
    }

    fn finish(self) -> Compiled {
        let revert = self.revert.into_iter().rev().flatten().collect();
        Compiled {
            apply: self.apply,
            revert,
            in_force: Probe::All(self.probes),
            mechanism: self.mechanism,
        }
    }

    /// What a plugin said of packets must be right, and name an interface that the container has.
    fn check(&self, packets: &Packets) -> Result<(), DraftError> {
        if let Some(mistake) = packets.mistakes.first() {
            return Err(invalid(mistake));
        }
        let ports = packets.local_port.is_some() || packets.peers.iter().any(|p| p.port.is_some());
        if ports && packets.protocol == Some(Protocol::Icmp) {
            return Err(invalid("names a port of ICMP, which has none"));
        }
        let existing = &self.surroundings.interfaces;
        match &packets.interface {
            Some(name) if !existing.contains(name) => Err(DraftError::Invalid(format!(
                "{} has no network interface `{name}` that is up; it has: {}",
                self.container,
                if existing.is_empty() {
                    "none".to_owned()
                } else {
                    existing.join(", ")
                }
            ))),
            _ => Ok(()),
        }
    }

    fn add_rules(&mut self, packets: &Packets, verdict: &Verdict, comment: &str) {
        let rules = rule::rules(packets, verdict, self.surroundings.has_v6, comment);
        self.put(&rules, None);
    }

    /// Inserts rules, after the task that serves them was started; it is stopped after they are gone.
    fn put(&mut self, rules: &[Rule], task: Option<(String, Work)>) {
        let mut revert: Vec<Action> = rules.iter().flat_map(Rule::delete).collect();
        if let Some((id, work)) = task {
            self.apply.push(Action::StartTask {
                id: id.clone(),
                work,
            });
            revert.push(Action::StopTask { id });
        }
        self.apply.extend(rules.iter().map(Rule::insert));
        self.revert.push(revert);
        self.probes.extend(rule::probes(rules));
    }

    fn redirect(
        &mut self,
        packets: &Packets,
        port: u16,
        matches: Vec<String>,
        comment: &str,
    ) -> Result<(), DraftError> {
        let verdict = redirect_verdict(port, matches);
        if packets.direction != Direction::Outgoing || port == 0 {
            return Err(invalid(
                "redirects packets that are not outgoing, or to port 0",
            ));
        }
        let protocols = match packets.protocol {
            Some(Protocol::Icmp) => return Err(invalid("redirects ICMP, which has no ports")),
            Some(protocol) => vec![protocol],
            None => vec![Protocol::Tcp, Protocol::Udp],
        };
        let rules: Vec<Rule> = protocols
            .into_iter()
            .flat_map(|protocol| {
                let packets = Packets {
                    protocol: Some(protocol),
                    ..packets.clone()
                };
                rule::rules(&packets, &verdict, self.surroundings.has_v6, comment)
            })
            .collect();
        self.put(&rules, None);
        Ok(())
    }

    fn impair(
        &mut self,
        number: usize,
        packets: &Packets,
        impairment: &Impairment,
    ) -> Result<(), DraftError> {
        let interface = one_link(packets)?;
        impairment.check().map_err(|why| invalid(&why))?;
        let occupied = self.discipline_at(interface);
        if self.surroundings.netem && occupied.is_none() {
            self.mechanism = Some(Mechanism::Netem);
            self.shape(number, packets, interface, &impairment.netem());
            return Ok(());
        }
        let why = match occupied {
            Some(other) if self.surroundings.netem => format!(
                "{interface} of {} already has a queueing discipline ({other})",
                self.container
            ),
            _ => "the kernel has no sch_netem".to_owned(),
        };
        if impairment.duplicate_percent > 0.0 {
            return Err(DraftError::Unavailable(format!(
                "{why}, and only netem can send packets twice"
            )));
        }
        if !self.surroundings.packet_queue {
            return Err(DraftError::Unavailable(format!(
                "{why}, and a packet queue needs nfnetlink_queue in the kernel and duress's helper in the toolbox image"
            )));
        }
        let is_free = |place: &(&str, &str)| {
            let mark = place_mark(*place);
            !self.surroundings.rules.contains(&mark) && !self.taken.contains(&mark)
        };
        let Some(place) = impairment.places().into_iter().find(is_free) else {
            return Err(DraftError::Unavailable(format!(
                "{why}, and four packet queues, which are as many as fit, already impair {}",
                self.container
            )));
        };
        self.queue(number, packets, interface, impairment, place);
        Ok(())
    }

    fn queue(
        &mut self,
        number: usize,
        packets: &Packets,
        interface: &str,
        impairment: &Impairment,
        place: (&'static str, &'static str),
    ) {
        let mark = place_mark(place);
        self.taken.insert(mark.clone());
        self.mechanism = Some(Mechanism::PacketQueue);
        let queue_number = (self.token as u16).wrapping_add(number as u16);
        let target = [
            "NFQUEUE",
            "--queue-num",
            &queue_number.to_string(),
            // When the helper ends, packets pass.
            "--queue-bypass",
        ]
        .map(str::to_owned)
        .to_vec();
        let verdict = Verdict {
            incoming: place,
            outgoing: place,
            matches: Vec::new(),
            target: [target.clone(), target],
        };
        let comment = format!("duress:{:016x}:e{number}{mark}", self.token);
        let mut rules = rule::rules(packets, &verdict, self.surroundings.has_v6, &comment);
        // Echo requests begin one tracked connection several times: delayed in this place, all but the first would be lost.
        if impairment.queue.delay_ms > 0.0 && place.0 != "raw" {
            for is_v4 in [true, false] {
                if !packets.has_version(is_v4, self.surroundings.has_v6) {
                    continue;
                }
                let protocol = Protocol::Icmp.name(is_v4);
                let matches = ["-p", protocol, "-o", interface]
                    .map(str::to_owned)
                    .to_vec();
                rules.push(Rule::outgoing(
                    is_v4,
                    ("raw", "OUTPUT"),
                    matches,
                    format!("{comment}:echo"),
                    ["CT", "--notrack"].map(str::to_owned).to_vec(),
                ));
            }
        }
        let task = format!("queue-{:016x}-{number}", self.token);
        let work = Work::QueuePackets(PacketQueue {
            number: queue_number,
            ..impairment.queue.clone()
        });
        self.put(&rules, Some((task, work)));
    }

    fn shape(&mut self, number: usize, packets: &Packets, interface: &str, discipline: &[String]) {
        // Handles are even, with room for the one within.
        let token = self.token.wrapping_add(2 * number as u64);
        let shaped = shape(
            packets,
            interface,
            discipline,
            token,
            self.surroundings.has_v6,
        );
        self.shaped.insert(interface.to_owned());
        self.apply.extend(shaped.apply);
        self.revert.push(vec![shaped.revert]);
        self.probes.push(shaped.probe);
    }

    fn answer_dns(
        &mut self,
        number: usize,
        lie: duress_engine::DnsLie,
        domains: &[String],
        address: std::net::IpAddr,
        comment: &str,
    ) -> Result<(), DraftError> {
        // The first of two servers would be asked everything, and the second nothing.
        if self.surroundings.rules.contains(":dns") {
            return Err(DraftError::Unavailable(format!(
                "another fault already answers DNS queries of {}; one at a time can",
                self.container
            )));
        }
        let port = DNS_PORTS.0 + (self.token % u64::from(DNS_PORTS.1 - DNS_PORTS.0)) as u16;
        let work = Work::AnswerDns {
            port,
            lie,
            domains: domains.to_vec(),
            address,
        };
        work.check().map_err(|why| invalid(&why))?;
        let matches = ["-m", "mark", "!", "--mark", DNS_MARK].map(str::to_owned);
        let verdict = redirect_verdict(port, matches.to_vec());
        let mut packets = Packets::new(Direction::Outgoing);
        // IPv4: the engine's own resolver is at 127.0.0.11, and so is the helper's server. Any peer, at the port of DNS.
        packets.add_peer("0.0.0.0/0", Some(53));
        let mut rules = Vec::new();
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            packets.protocol = Some(protocol);
            rules.extend(rule::rules(
                &packets,
                &verdict,
                false,
                &format!("{comment}:dns"),
            ));
        }
        self.put(
            &rules,
            Some((format!("dns-{:016x}-{number}", self.token), work)),
        );
        Ok(())
    }

    /// Returns the root discipline that somebody gave an interface; those with the handle 0 are the kernel's own.
    fn discipline_at(&self, interface: &str) -> Option<String> {
        if self.shaped.contains(interface) {
            return Some("of the same change".into());
        }
        let shown = self.surroundings.disciplines.get(interface)?;
        shown.lines().find_map(|line| {
            let mut words = line.split_whitespace();
            let (_, kind, handle, place) =
                (words.next()?, words.next()?, words.next()?, words.next()?);
            (place == "root" && handle != "0:").then(|| format!("{kind} {handle}"))
        })
    }
}

fn invalid(why: &str) -> DraftError {
    DraftError::Invalid(format!("the change {why}"))
}

fn packets_of(effect: &Effect) -> Option<&Packets> {
    match effect {
        Effect::Drop(packets)
        | Effect::Reject(packets)
        | Effect::Reset(packets)
        | Effect::Redirect(packets, _)
        | Effect::Mark(packets, _)
        | Effect::Impair(packets, _)
        | Effect::LimitRate { packets, .. } => Some(packets),
        Effect::AnswerDns { .. } => None,
    }
}

/// Returns the interface of a link: a queue stands at one, for what leaves by it.
fn one_link(packets: &Packets) -> Result<&str, DraftError> {
    if packets.direction != Direction::Outgoing {
        return Err(invalid("changes a link for packets that are not outgoing"));
    }
    packets
        .interface
        .as_deref()
        .ok_or_else(|| invalid("changes a link and names no network interface"))
}

/// Returns what the comment of a packet queue's rules holds, so that a later queue takes another place.
fn place_mark((table, chain): (&str, &str)) -> String {
    format!(":q-{table}-{chain}")
}

fn target(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// As if the cable were unplugged. In the filter table's OUTPUT the sender would be told; after routing it is not.
fn drop_verdict() -> Verdict {
    Verdict {
        incoming: ("filter", "INPUT"),
        outgoing: ("mangle", "POSTROUTING"),
        matches: Vec::new(),
        target: [target(&["DROP"]), target(&["DROP"])],
    }
}

fn reject_verdict() -> Verdict {
    Verdict {
        incoming: ("filter", "INPUT"),
        outgoing: ("filter", "OUTPUT"),
        matches: Vec::new(),
        target: [
            target(&["REJECT", "--reject-with", "icmp-port-unreachable"]),
            target(&["REJECT", "--reject-with", "icmp6-port-unreachable"]),
        ],
    }
}

/// As if nothing listened and the connection were unknown. The resets themselves must pass.
fn reset_verdict() -> Verdict {
    let reset = target(&["REJECT", "--reject-with", "tcp-reset"]);
    Verdict {
        incoming: ("filter", "INPUT"),
        outgoing: ("filter", "OUTPUT"),
        matches: target(&["!", "--tcp-flags", "RST", "RST"]),
        target: [reset.clone(), reset],
    }
}

fn redirect_verdict(port: u16, matches: Vec<String>) -> Verdict {
    let to = target(&["REDIRECT", "--to-ports", &port.to_string()]);
    Verdict {
        incoming: ("nat", "PREROUTING"),
        outgoing: ("nat", "OUTPUT"),
        matches,
        target: [to.clone(), to],
    }
}
