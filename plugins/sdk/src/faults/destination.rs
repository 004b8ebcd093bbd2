//! Whom a fault of the network is about: what its parameter `to` stands for.

use std::net::IpAddr;

use crate::{Container, Error, Problem, Result, containers};

/// One address, all of it or one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    /// Where.
    pub ip: IpAddr,
    /// TCP and UDP alone, at this port; none: every packet.
    pub port: Option<u16>,
}

impl From<IpAddr> for Destination {
    fn from(ip: IpAddr) -> Self {
        Self { ip, port: None }
    }
}

/// What is written in `to`: a service or an address, and a port behind a colon (`etcd1:2380`, `[fd00::3]:2380`).
fn parts(text: &str) -> Option<(&str, Option<u16>)> {
    if text.parse::<IpAddr>().is_ok() {
        return Some((text, None));
    }
    let (name, port) = match text.rsplit_once(':') {
        Some((name, port)) => (name, Some(port.parse().ok().filter(|port| *port > 0)?)),
        None => (text, None),
    };
    let name = name
        .strip_prefix('[')
        .and_then(|name| name.strip_suffix(']'))
        .unwrap_or(name);
    let is_address = name.parse::<IpAddr>().is_ok();
    let is_service = !name.is_empty() && !name.contains(':') && name.trim() == name;
    (is_address || is_service).then_some((name, port))
}

/// What services, addresses and ports stand for, as a container reaches them; none for none.
pub fn destinations(
    target: &Container,
    stack: &[Container],
    to: &[String],
) -> Result<Vec<Destination>> {
    let mut found: Vec<Destination> = Vec::new();
    for text in to {
        let (name, port) = parts(text).ok_or_else(|| {
            Error::Invalid(format!("`to` names `{text}`, which is no destination"))
        })?;
        if let Ok(ip) = name.parse() {
            found.push(Destination { ip, port });
            continue;
        }
        let name = name.to_owned();
        let of = containers::of_services(stack, std::slice::from_ref(&name));
        let peers: Vec<_> = of.filter(|peer| peer.name != target.name).collect();
        let reached = shared_addresses(target, peers.into_iter())?;
        if reached.is_empty() {
            return Err(Error::Invalid(format!(
                "`to` names `{name}`, and {} shares no network with a running container of that service",
                target.name
            )));
        }
        found.extend(reached.into_iter().map(|ip| Destination { ip, port }));
    }
    found.sort();
    found.dedup();
    Ok(found)
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

/// The addresses alone, each once, as facts.
pub(super) fn ips(destinations: &[Destination]) -> Vec<IpAddr> {
    let mut ips: Vec<_> = destinations.iter().map(|to| to.ip).collect();
    ips.dedup();
    ips
}

/// What no schema can say of `to`: whatever is written there must be able to name something.
pub(super) fn problems_of(to: &[String]) -> Vec<Problem> {
    let bad = |(index, text): (usize, &String)| {
        parts(text).is_none().then(|| Problem {
            pointer: format!("/to/{index}"),
            message: "is no service and no address, with or without a port (`etcd1`, `etcd1:2380`, `[fd00::3]:2380`)".into(),
        })
    };
    to.iter().enumerate().filter_map(bad).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_addresses_and_ports_are_told_apart() {
        assert_eq!(parts("etcd1"), Some(("etcd1", None)));
        assert_eq!(parts("etcd1:2380"), Some(("etcd1", Some(2380))));
        assert_eq!(parts("10.0.0.1:80"), Some(("10.0.0.1", Some(80))));
        assert_eq!(parts("fd00::3"), Some(("fd00::3", None)));
        assert_eq!(parts("[fd00::3]:80"), Some(("fd00::3", Some(80))));
        for wrong in ["", " ", "etcd1:", "etcd1:0", "etcd1:70000", ":80", "a:b:c"] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }
}
