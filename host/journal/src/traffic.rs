//! How many packets a change of the network met, as the kernel counts them: a rule that no packet meets shows nothing.

use std::net::SocketAddr;

use super::act::Executor;
use super::change::{Action, Change, Place, PlacedProgram, Probe};
use duress_engine::Transport;

/// The discard protocol's (RFC 863): nothing listens there, and nothing minds.
const DISCARD: u16 = 9;
/// The most packets that the host sends itself for one change.
const OWN_PACKETS: usize = 256;

impl Executor {
    /// How many packets the rules and disciplines of a change met since it was applied. Where nobody else sent any, the host sends some
    /// itself, to the other containers of the stack. `None` where nothing counts them, or they can be neither counted nor sent now.
    pub(super) async fn packets(&self, change: &Change) -> Option<u64> {
        let counted = self.count(change).await?;
        if counted > 0 {
            return Some(counted);
        }
        let places = self.places(change).await?;
        match self.engine.send_packets(&change.container, &places).await {
            Ok(true) => self.count(change).await,
            Ok(false) | Err(_) => None,
        }
    }

    /// Returns where a packet that the change means may go: the other containers of its stack, at the ports that it names.
    async fn places(&self, change: &Change) -> Option<Vec<(SocketAddr, Transport)>> {
        let containers = self.engine.containers(&change.project).await.ok()?;
        let others = containers
            .iter()
            .filter(|other| other.id != change.container);
        let addresses: Vec<_> = others.flat_map(|other| &other.addresses).collect();
        let mut ports: Vec<u16> = change.apply.iter().flat_map(ports).collect();
        ports.push(DISCARD);
        ports.sort_unstable();
        ports.dedup();
        let mut places = Vec::new();
        // UDP first: it never waits for an answer.
        for transport in [Transport::Udp, Transport::Tcp] {
            for (_, address) in &addresses {
                let of_port = |port: &u16| (SocketAddr::new(*address, *port), transport);
                places.extend(ports.iter().map(of_port));
            }
        }
        places.truncate(OWN_PACKETS);
        Some(places)
    }

    /// Returns what the kernel counted.
    async fn count(&self, change: &Change) -> Option<u64> {
        let mut total = None;
        let mut probes: Vec<&Probe> = change.in_force.iter().collect();
        while let Some(probe) = probes.pop() {
            match probe {
                Probe::All(several) => probes.extend(several),
                Probe::Output { program, texts } => {
                    let Some(counter) = Counter::of(program) else {
                        continue;
                    };
                    let output = self.run(change, &counter.program).await.ok()?;
                    let stdout = String::from_utf8_lossy(&output.stdout);
                    let counted = (counter.read)(&stdout, texts)?;
                    total = Some(total.unwrap_or(0) + counted);
                }
                Probe::Run(_) | Probe::Answer { .. } | Probe::Compare(_) => {}
            }
        }
        total
    }
}

/// Returns the peer's ports that a rule or a filter names.
fn ports(action: &Action) -> Vec<u16> {
    let Action::Run(program) = action else {
        return Vec::new();
    };
    let words = program.command.windows(2);
    let named = words.filter(|pair| matches!(pair[0].as_str(), "--dport" | "dport"));
    named.filter_map(|pair| pair[1].parse().ok()).collect()
}

/// A program that shows the same as a probe's, with counters.
struct Counter {
    program: PlacedProgram,
    read: Reader,
}

/// Reads from what a program prints how many packets met what the texts name; `None` where there are no counters.
type Reader = fn(&str, &[String]) -> Option<u64>;

impl Counter {
    fn of(program: &PlacedProgram) -> Option<Self> {
        if program.place != Place::NetworkOfContainer {
            return None;
        }
        let words: Vec<&str> = program.command.iter().map(String::as_str).collect();
        let (option, read): (_, Reader) = match words[..] {
            ["iptables-save" | "ip6tables-save"] => ("-c", of_rules),
            ["tc", "qdisc", "show", "dev", _] => ("-s", of_disciplines),
            _ => return None,
        };
        let mut command = program.command.clone();
        command.insert(1, option.to_owned());
        Some(Self {
            program: PlacedProgram {
                command,
                ..program.clone()
            },
            read,
        })
    }
}

/// `iptables-save -c` puts `[packets:bytes]` before each rule.
fn of_rules(shown: &str, texts: &[String]) -> Option<u64> {
    let own = shown
        .lines()
        .filter(|line| texts.iter().any(|text| line.contains(text.as_str())));
    let mut total = None;
    for line in own {
        let packets = line.strip_prefix('[')?.split(':').next()?;
        total = Some(total.unwrap_or(0) + packets.parse::<u64>().ok()?);
    }
    total
}

/// `tc -s` puts `Sent … bytes … pkt` below each discipline. The last text names the innermost, which alone has what the filters pick.
fn of_disciplines(shown: &str, texts: &[String]) -> Option<u64> {
    let innermost = texts.last()?;
    let mut below = shown
        .lines()
        .skip_while(|line| !line.contains(innermost.as_str()))
        .skip(1)
        .take_while(|line| !line.starts_with("qdisc "));
    let sent = below.find(|line| line.trim_start().starts_with("Sent "))?;
    let mut words = sent.split_whitespace();
    let packets = words.by_ref().skip_while(|word| *word != "bytes").nth(1)?;
    let dropped = sent
        .split("dropped ")
        .nth(1)
        .and_then(|rest| rest.split(',').next()?.parse::<u64>().ok());
    Some(packets.parse::<u64>().ok()? + dropped.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_read_from_what_the_tools_print() {
        let rules = "*filter\n:INPUT ACCEPT [9:900]\n[3:252] -A INPUT -m comment --comment \"duress:1:e0:in\" -j DROP\n\
                     [4:336] -A INPUT -m comment --comment other -j DROP\nCOMMIT\n";
        assert_eq!(of_rules(rules, &["duress:1:e0:in".into()]), Some(3));
        assert_eq!(of_rules(rules, &["duress:2".into()]), None);
        let without = rules.replace("[3:252] ", "");
        assert_eq!(of_rules(&without, &["duress:1:e0:in".into()]), None);

        let disciplines = "qdisc htb 7dee: root refcnt 2 r2q 10\n Sent 900 bytes 10 pkt (dropped 0, overlimits 0 requeues 0)\n \
                           backlog 0b 0p requeues 0\nqdisc netem 7def: parent 7dee:4 limit 100000 loss 50%\n \
                           Sent 252 bytes 3 pkt (dropped 2, overlimits 0 requeues 0)\n";
        let texts = ["qdisc htb 7dee: root", "qdisc netem 7def: parent 7dee:4"].map(str::to_owned);
        assert_eq!(of_disciplines(disciplines, &texts), Some(5));
        assert_eq!(of_disciplines(disciplines, &texts[..1]), Some(10));
        assert_eq!(of_disciplines("qdisc htb 7dee: root\n", &texts[..1]), None);
    }
}
