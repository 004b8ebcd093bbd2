//! Whom a fault of the network is about: what its parameter `to` stands for.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::draft::Destination;
use crate::{Container, Error, Problem, Result, containers};

/// Splits what is written in `to`: a service, an address or a network, and a port behind a colon (`etcd1:2380`, `10.0.0.0/8`,
/// `[fd00::3]:2380`).
fn parts(text: &str) -> Option<(&str, Option<u16>)> {
    if network(text).is_some() {
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
    let is_service =
        !name.is_empty() && !name.contains([':', '/']) && !name.contains(char::is_whitespace);
    (network(name).is_some() || is_service).then_some((name, port))
}

/// Returns an address or a network (CIDR).
fn network(text: &str) -> Option<IpNet> {
    match text.parse::<IpAddr>() {
        Ok(ip) => Some(ip.into()),
        Err(_) => text.parse::<IpNet>().ok().map(|net| net.trunc()),
    }
}

/// Returns what services, addresses and ports stand for, as a container reaches them; none for none.
pub fn destinations(
    target: &Container,
    stack: &[Container],
    to: &[String],
) -> Result<Vec<Destination>> {
    let mut found: Vec<Destination> = Vec::new();
    for text in to {
        let (name, port) = parts(text).ok_or_else(|| {
            Error::Invalid(format!("`to` names `{text}`, which is not a destination"))
        })?;
        if let Some(net) = network(name) {
            found.push(Destination { net, port });
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
        found.extend(reached.into_iter().map(|ip| Destination {
            net: ip.into(),
            port,
        }));
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// The addresses of other containers on the networks that a container shares with them, without its own: containers in one network
/// namespace have the same, and no link between them.
pub fn shared_addresses<'a>(
    target: &Container,
    others: impl Iterator<Item = &'a Container>,
) -> Result<Vec<IpAddr>> {
    let shared = |network: &str| target.addresses.iter().any(|own| own.network == network);
    others
        .flat_map(|other| &other.addresses)
        .filter(|address| shared(&address.network))
        .filter(|address| !target.addresses.iter().any(|own| own.ip == address.ip))
        .map(|address| {
            let parsed = address.ip.parse();
            parsed.map_err(|_| Error::Failed(format!("`{}` is not an IP address", address.ip)))
        })
        .collect()
}

/// Returns the addresses and networks alone, each once, as facts.
pub(super) fn addresses(destinations: &[Destination]) -> Vec<String> {
    let mut addresses: Vec<_> = destinations.iter().map(Destination::address).collect();
    addresses.dedup();
    addresses
}

/// Returns what no schema can say of `to`: whatever is written there must be able to name something.
pub(super) fn problems_of(to: &[String]) -> Vec<Problem> {
    let bad = |(index, text): (usize, &String)| {
        parts(text).is_none().then(|| Problem {
            pointer: format!("/to/{index}"),
            message: "is neither a service nor an address nor a network, with or without a port (`etcd1`, `etcd1:2380`, `10.0.0.0/8`, `[fd00::3]:2380`)".into(),
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
        assert_eq!(parts("10.0.0.0/8"), Some(("10.0.0.0/8", None)));
        assert_eq!(parts("10.0.0.0/8:80"), Some(("10.0.0.0/8", Some(80))));
        assert_eq!(parts("[fd00::/8]:80"), Some(("fd00::/8", Some(80))));
        for wrong in [
            "10.0.0.0/40",
            "etcd1/24",
            "",
            " ",
            "etcd1:",
            "etcd1:0",
            "etcd1:70000",
            ":80",
            "a:b:c",
        ] {
            assert_eq!(parts(wrong), None, "{wrong}");
        }
    }
}
