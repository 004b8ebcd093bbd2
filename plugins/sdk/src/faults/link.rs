//! What the faults of a network link have in common: at which interfaces of a container they are, and for which packets.

use serde_json::{Map, Value};

use super::destination::{addresses, destinations};
use super::facts;
use crate::draft::{Destination, Direction, Draft, Effect, Packets};
use crate::{Container, Error, Result, Scene, Step, containers};

/// Where a fault of the network is.
#[derive(Debug, Clone, Copy)]
pub struct Link<'a> {
    /// The interface in the container; none: whichever carries the traffic.
    pub interface: Option<&'a str>,
    /// Services, addresses and networks; none: everywhere.
    pub to: &'a [String],
}

/// One interface, and what is reached by it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    interface: String,
    /// None: everything.
    to: Vec<Destination>,
}

impl Link<'_> {
    /// Change what leaves by this link: one change for each interface.
    pub fn change(
        &self,
        target: &Container,
        scene: &Scene,
        what: &str,
        own_facts: Map<String, Value>,
        effect: impl Fn(Packets) -> Effect,
    ) -> Result<Step> {
        let lines = self.lines(target, scene)?;
        let mut facts = self.facts(target, &lines);
        facts.extend(own_facts);
        let to = match self.to {
            [] => String::new(),
            to => format!(" to {}", to.join(", ")),
        };
        let draft = |line: &Line| Draft {
            container: target.name.clone(),
            summary: format!("{what} on {} of {}{to}", line.interface, target.name),
            effects: vec![effect(Packets {
                peers: line.to.clone(),
                interface: Some(line.interface.clone()),
                ..Packets::new(Direction::Outgoing)
            })],
        };
        Ok(Step {
            facts,
            changes: lines.iter().map(|line| draft(line).into()).collect(),
        })
    }

    /// Returns the interfaces that it is at; at least one.
    fn lines(&self, target: &Container, scene: &Scene) -> Result<Vec<Line>> {
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
            let interface = containers::interface_to(&target.name, destination.net.addr())?;
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

    /// Returns where it is, for the metadata.
    fn facts(&self, target: &Container, lines: &[Line]) -> Map<String, Value> {
        let interfaces: Vec<&str> = lines.iter().map(|line| line.interface.as_str()).collect();
        let mut facts = facts! {
            "target_container": target.name,
            "interface": interfaces.first(),
            "interfaces": interfaces,
        };
        let to: Vec<Destination> = lines.iter().flat_map(|line| line.to.clone()).collect();
        if !to.is_empty() {
            facts.insert("target_ips".into(), addresses(&to).into());
        }
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::container;

    fn plan(to: &[&str]) -> Result<Vec<Packets>> {
        let target = container("etcd0", &[("default", "10.0.0.2")]);
        let peer = container("etcd1", &[("default", "10.0.0.3"), ("other", "10.9.0.3")]);
        let scene = Scene {
            targets: vec![target.clone()],
            stack: vec![target.clone(), peer],
        };
        let to: Vec<_> = to.iter().map(|&name| name.to_owned()).collect();
        let link = Link {
            interface: Some("eth0"),
            to: &to,
        };
        let step = link.change(&target, &scene, "drop", Map::new(), Effect::Drop)?;
        let packets = |effect: &Effect| match effect {
            Effect::Drop(packets) => packets.clone(),
            other => panic!("{other:?}"),
        };
        let drafts = step.changes.iter().map(|change| change.draft());
        Ok(drafts
            .flat_map(|draft| draft.effects.iter().map(packets))
            .collect())
    }

    #[test]
    fn a_link_without_destinations_is_everything_that_leaves_the_interface() {
        let packets = plan(&[]).expect("a plan");
        assert_eq!(packets.len(), 1);
        assert_eq!(packets[0].interface.as_deref(), Some("eth0"));
        assert_eq!(packets[0].peers, []);
    }

    #[test]
    fn a_service_means_its_containers_on_shared_networks_alone() {
        let packets = plan(&["etcd1", "192.0.2.7:80", "198.51.100.0/24"]).expect("a plan");
        let peers: Vec<_> = packets[0]
            .peers
            .iter()
            .map(|peer| (peer.address(), peer.port))
            .collect();
        let expected = [
            ("10.0.0.3", None),
            ("192.0.2.7", Some(80)),
            ("198.51.100.0/24", None),
        ];
        assert_eq!(peers, expected.map(|(text, port)| (text.to_owned(), port)));
    }

    #[test]
    fn a_service_without_containers_is_refused() {
        let error = plan(&["pd0"]).expect_err("no such service");
        assert!(error.text().contains("`pd0`"), "{}", error.text());
    }
}
