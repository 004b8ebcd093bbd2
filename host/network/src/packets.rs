//! Which packets are meant.

use std::net::IpAddr;

use ipnet::IpNet;

use super::PEER_LIMIT;

/// The longest name of a network interface (`IFNAMSIZ` in linux/if.h, without the final zero).
const INTERFACE_NAME_LIMIT: usize = 15;

/// Which way packets go, as the container sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Packets that the container receives.
    Incoming,
    /// Packets that the container sends.
    Outgoing,
    /// Both.
    Both,
}

/// What is carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP, or ICMPv6.
    Icmp,
}

impl Protocol {
    /// As `iptables -p` takes it.
    pub(super) fn name(self, is_v4: bool) -> &'static str {
        match (self, is_v4) {
            (Self::Tcp, _) => "tcp",
            (Self::Udp, _) => "udp",
            (Self::Icmp, true) => "icmp",
            (Self::Icmp, false) => "ipv6-icmp",
        }
    }

    /// Returns the number in the IP header (IANA's protocol numbers).
    pub(super) fn number(self, is_v4: bool) -> u8 {
        match (self, is_v4) {
            (Self::Tcp, _) => 6,
            (Self::Udp, _) => 17,
            (Self::Icmp, true) => 1,
            (Self::Icmp, false) => 58,
        }
    }
}

/// The other end of a connection: an address or a network, all of it or one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peer {
    /// Where.
    pub net: IpNet,
    /// Only TCP and UDP packets with this port at the peer's end.
    pub port: Option<u16>,
}

impl Peer {
    /// From an address (`10.0.0.3`) or a network (`10.0.0.0/8`).
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn parse(address: &str, port: Option<u16>) -> Result<Self, String> {
        let wrong = || {
            let shown: String = address.chars().take(64).collect();
            format!(
                "names the peer `{}`, which is neither an IP address nor a network such as 10.0.0.0/8",
                shown.escape_debug()
            )
        };
        let net = match address.parse::<IpAddr>() {
            Ok(ip) => IpNet::from(ip),
            Err(_) => address.parse::<IpNet>().map_err(|_| wrong())?.trunc(),
        };
        if port == Some(0) {
            return Err("names port 0 of a peer: ports are 1 to 65535".into());
        }
        Ok(Self { net, port })
    }

    pub(super) fn is_v4(&self) -> bool {
        matches!(self.net, IpNet::V4(_))
    }

    /// As the tools print it: a single address without a prefix length.
    pub(super) fn text(&self) -> String {
        if self.net.prefix_len() == self.net.max_prefix_len() {
            self.net.addr().to_string()
        } else {
            self.net.to_string()
        }
    }
}

/// Which packets are meant: those of a direction, narrowed by everything else.
#[derive(Debug, Clone, PartialEq)]
pub struct Packets {
    /// Which way they go.
    pub direction: Direction,
    /// Any of these; none: every peer.
    pub peers: Vec<Peer>,
    /// Only this protocol.
    pub protocol: Option<Protocol>,
    /// Only this TCP or UDP port of the container.
    pub local_port: Option<u16>,
    /// Only what passes this interface.
    pub interface: Option<String>,
    /// Also broadcast and IPv4 multicast packets that the container sends.
    pub with_multicast: bool,
    /// What was wrong with a call; told when they are used.
    pub mistakes: Vec<String>,
}

impl Packets {
    /// Returns every packet of a direction.
    pub fn new(direction: Direction) -> Self {
        Self {
            direction,
            peers: Vec::new(),
            protocol: None,
            local_port: None,
            interface: None,
            with_multicast: false,
            mistakes: Vec::new(),
        }
    }

    /// Narrows to a peer, beside those that were named before.
    pub fn add_peer(&mut self, address: &str, port: Option<u16>) {
        if self.peers.len() >= PEER_LIMIT {
            self.note(format!("names more than {PEER_LIMIT} peers"));
            return;
        }
        match Peer::parse(address, port) {
            Ok(peer) if self.peers.contains(&peer) => {}
            Ok(peer) => self.peers.push(peer),
            Err(mistake) => self.note(mistake),
        }
    }

    /// Narrows to a protocol, by its name.
    pub fn set_protocol(&mut self, name: &str) {
        match name {
            "tcp" => self.protocol = Some(Protocol::Tcp),
            "udp" => self.protocol = Some(Protocol::Udp),
            "icmp" => self.protocol = Some(Protocol::Icmp),
            other => {
                let shown: String = other.chars().take(32).collect();
                let shown = shown.escape_debug();
                self.note(format!(
                    "names the protocol `{shown}`: it is tcp, udp or icmp"
                ));
            }
        }
    }

    /// Narrows to a port of the container.
    pub fn set_local_port(&mut self, port: u16) {
        if port == 0 {
            self.note("names port 0 of the container: ports are 1 to 65535".into());
        }
        self.local_port = Some(port);
    }

    /// Narrows to a network interface.
    pub fn set_interface(&mut self, name: &str) {
        if is_interface_name(name) {
            self.interface = Some(name.to_owned());
        } else {
            let shown: String = name.chars().take(32).collect();
            let shown = shown.escape_debug();
            self.note(format!(
                "names `{shown}`, which cannot be a network interface"
            ));
        }
    }

    fn note(&mut self, mistake: String) {
        if self.mistakes.len() < 8 {
            self.mistakes.push(mistake);
        }
    }

    /// Returns the peers of one IP version, by port.
    pub(super) fn peers_of(&self, is_v4: bool) -> Vec<Peer> {
        let of_version = self.peers.iter().filter(|peer| peer.is_v4() == is_v4);
        of_version.copied().collect()
    }

    /// Returns whether any packet of an IP version can be meant.
    pub(super) fn has_version(&self, is_v4: bool, container_has_v6: bool) -> bool {
        if self.peers.is_empty() {
            is_v4 || container_has_v6
        } else {
            self.peers.iter().any(|peer| peer.is_v4() == is_v4)
        }
    }
}

/// A name that no tool can read as anything else: no hyphen in front, no white space, no slash, no wildcard (`+` in iptables).
fn is_interface_name(name: &str) -> bool {
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    (1..=INTERFACE_NAME_LIMIT).contains(&name.len())
        && name.chars().all(fit)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}
