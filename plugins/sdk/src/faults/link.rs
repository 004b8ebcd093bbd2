//! What the faults of a network link have in common: a queueing discipline of our own at a container's interface, for all that it
//! sends or for what it sends to some addresses alone (tc(8), tc-htb(8), tc-u32(8)).
//!
//! Every discipline has a handle of its own: another's root discipline is never replaced (`tc` refuses) and never removed (the
//! handle does not match).

use serde_json::{Map, Value};

use super::destination::{Destination, destinations, ips};
use super::{facts, tool, undo};
use crate::{Action, Change, Container, Error, Probe, Result, Scene, Step, Token, containers};

/// `tc` exits with this for whatever the kernel refuses, e.g. to delete a discipline that is not there.
const REFUSED: i32 = 2;

/// Where a fault of the network lies.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// The interface in the container; none: whichever carries the traffic.
    pub interface: Option<&'a str>,
    /// Services and addresses; none: everywhere.
    pub to: &'a [String],
}

/// One interface, and what lies behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) interface: String,
    /// None: everything.
    pub(super) to: Vec<Destination>,
}

impl Link<'_> {
    /// The interfaces that it lies at; at least one.
    pub(super) fn lines(&self, target: &Container, scene: &Scene) -> Result<Vec<Line>> {
        let to = destinations(target, &scene.stack, self.to)?;
        if let Some(interface) = self.interface {
            let interface = interface.to_owned();
            return Ok(vec![Line { interface, to }]);
        }
        let mut lines: Vec<Line> = Vec::new();
        if to.is_empty() {
            for interface in containers::interfaces(&target.name)? {
                let to = Vec::new();
                lines.push(Line { interface, to });
            }
        }
        for destination in to {
            let interface = containers::interface_to(&target.name, destination.ip)?;
            match lines.iter_mut().find(|line| line.interface == interface) {
                Some(line) => line.to.push(destination),
                None => lines.push(Line {
                    interface,
                    to: vec![destination],
                }),
            }
        }
        if lines.is_empty() {
            return Err(Error::Unavailable(format!(
                "{} has no network",
                target.name
            )));
        }
        Ok(lines)
    }

    /// Put a discipline, e.g. `netem delay 100ms`, at what the target sends over this link.
    pub fn shape(
        &self,
        target: &Container,
        scene: &Scene,
        discipline: &[String],
        what: &str,
        own_facts: Map<String, Value>,
        token: Token,
    ) -> Result<Step> {
        let lines = self.lines(target, scene)?;
        let mut facts = self.facts(target, &lines);
        facts.extend(own_facts);
        // Majors from 8000 on are the kernel's to give.
        let major = 0x7000 | (token.0 & 0xffe);
        facts.insert("handle".into(), format!("{major:x}:").into());
        let summary = |line: &Line| format!("{what}{}", self.whither(target, &line.interface));
        let change = |line| shaped(target, line, discipline, summary(line), major);
        Ok(Step {
            facts,
            changes: lines.iter().map(change).collect(),
        })
    }

    /// Where it lies, for a summary.
    pub(super) fn whither(&self, target: &Container, interface: &str) -> String {
        let to = match self.to {
            [] => String::new(),
            to => format!(" to {}", to.join(", ")),
        };
        format!(" on {interface} of {}{to}", target.name)
    }

    /// Where it lies, for the metadata.
    pub(super) fn facts(&self, target: &Container, lines: &[Line]) -> Map<String, Value> {
        let interfaces: Vec<&str> = lines.iter().map(|line| line.interface.as_str()).collect();
        let mut facts = facts! {
            "target_container": target.name,
            "interface": interfaces.first(),
            "interfaces": interfaces,
        };
        let to: Vec<Destination> = lines.iter().flat_map(|line| line.to.clone()).collect();
        if !to.is_empty() {
            let ips = ips(&to).iter().map(ToString::to_string).collect();
            facts.insert("target_ips".into(), ips);
        }
        facts
    }
}

/// A discipline at one interface.
fn shaped(
    target: &Container,
    line: &Line,
    discipline: &[String],
    summary: String,
    major: u64,
) -> Change {
    let Line { interface, to } = line;
    let (handle, inner) = (format!("{major:x}:"), format!("{:x}:", major + 1));
    let device = ["dev", interface];
    let words = |parts: &[&[&str]]| -> Vec<String> {
        parts.concat().iter().map(|&word| word.to_owned()).collect()
    };
    let mut apply = Vec::new();
    let mut shows = Vec::new();
    let kind = discipline.first().map_or("", String::as_str);
    if to.is_empty() {
        let add = words(&[
            &["tc", "qdisc", "add"],
            &device,
            &["root", "handle", &handle],
        ]);
        apply.push([add, discipline.to_vec()].concat());
        shows.push(format!("qdisc {kind} {handle} root"));
    } else {
        // What no filter picks out passes by the classes, untouched; a class without a limit holds what the filters pick.
        let class = format!("{handle}4");
        apply.push(words(&[
            &["tc", "qdisc", "add"],
            &device,
            &["root", "handle", &handle, "htb"],
        ]));
        apply.push(words(&[
            &["tc", "class", "add"],
            &device,
            &["parent", &handle, "classid", &class, "htb"],
            &["rate", "100gbit", "quantum", "200000"],
        ]));
        let add = words(&[
            &["tc", "qdisc", "add"],
            &device,
            &["parent", &class, "handle", &inner],
        ]);
        apply.push([add, discipline.to_vec()].concat());
        for Destination { ip, port } in to {
            let (protocol, preference, field, length) = if ip.is_ipv4() {
                ("ip", "1", "ip", 32)
            } else {
                ("ipv6", "2", "ip6", 128)
            };
            let prefix = format!("{ip}/{length}");
            let mut filter = words(&[
                &["tc", "filter", "add"],
                &device,
                &["parent", &handle, "protocol", protocol, "prio", preference],
                &["u32", "match", field, "dst", &prefix],
            ]);
            if let Some(port) = port {
                let port = port.to_string();
                filter.extend(words(&[&["match", field, "dport", &port, "0xffff"]]));
            }
            filter.extend(words(&[&["flowid", &class]]));
            apply.push(filter);
        }
        shows.push(format!("qdisc htb {handle} root"));
        shows.push(format!("qdisc {kind} {inner} parent {class}"));
    }
    let run = |command: &Vec<String>| {
        let words: Vec<_> = command.iter().map(String::as_str).collect();
        Action::Run(tool(&words))
    };
    let delete = [
        "tc", "qdisc", "del", "dev", interface, "root", "handle", &handle,
    ];
    Change {
        container: target.name.clone(),
        summary,
        apply: apply.iter().map(run).collect(),
        revert: vec![undo(&delete, REFUSED)],
        in_force: Some(Probe::Output((
            tool(&["tc", "qdisc", "show", "dev", interface]),
            shows,
        ))),
    }
}

/// A share of packets as tc writes it, e.g. `12.5%`.
pub(super) fn percent(share: f64) -> String {
    format!("{share}%")
}

#[cfg(test)]
#[path = "link_tests.rs"]
mod tests;
