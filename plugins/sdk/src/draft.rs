//! Typed changes of a container's network (`effects` in `wit/plugin.wit`), as plain values: a fault plans them, tests compare them, and
//! [`Draft::apply`] hands them to the host, which knows how to make and revert them.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::Result;
pub use crate::bindings::duress::plugin::changes::{Distribution, DnsLie};
use crate::bindings::duress::plugin::effects;
pub use crate::bindings::duress::plugin::effects::Direction;

/// The other end of a connection: an address or a network, all of it or one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    /// Where.
    pub net: IpNet,
    /// Only TCP and UDP packets with this port there; none: every packet.
    pub port: Option<u16>,
}

impl From<IpAddr> for Destination {
    fn from(ip: IpAddr) -> Self {
        Self {
            net: ip.into(),
            port: None,
        }
    }
}

impl Destination {
    /// Returns an address without a prefix length, or a network with it.
    pub fn address(&self) -> String {
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
    /// Which way they go, as the container sees it.
    pub direction: Direction,
    /// From or to any of these; none: every peer.
    pub peers: Vec<Destination>,
    /// `tcp`, `udp` or `icmp`.
    pub protocol: Option<&'static str>,
    /// What passes this network interface.
    pub interface: Option<String>,
    /// Also broadcast and IPv4 multicast packets that the container sends.
    pub with_multicast: bool,
}

impl Packets {
    /// Returns every packet of a direction.
    pub fn new(direction: Direction) -> Self {
        Self {
            direction,
            peers: Vec::new(),
            protocol: None,
            interface: None,
            with_multicast: false,
        }
    }

    fn to_host(&self) -> effects::Packets {
        let packets = effects::Packets::new(self.direction);
        for peer in &self.peers {
            packets.peer(&peer.address(), peer.port);
        }
        if let Some(protocol) = self.protocol {
            packets.protocol(protocol);
        }
        if let Some(interface) = &self.interface {
            packets.network_interface(interface);
        }
        if self.with_multicast {
            packets.with_multicast();
        }
        packets
    }
}

/// How long packets wait.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Delay {
    /// In milliseconds.
    pub mean_ms: f64,
    /// In milliseconds.
    pub jitter_ms: f64,
    /// How much a wait depends on the one before.
    pub correlation_percent: f64,
    /// How waits are spread around their mean.
    pub distribution: Distribution,
}

/// A share of the packets, each by chance.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Share {
    /// How many of them.
    pub percent: f64,
    /// How much a packet's lot depends on the one before.
    pub correlation_percent: f64,
}

/// Loss in bursts (Gilbert-Elliott).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bursts {
    /// How likely the link turns bad at a packet.
    pub enter_percent: f64,
    /// How likely it turns good again.
    pub leave_percent: f64,
    /// How many packets are lost while it is bad.
    pub loss_percent: f64,
}

/// What a bad link does to packets.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Impairment {
    /// They wait.
    pub delay: Option<Delay>,
    /// They are lost.
    pub loss: Option<Share>,
    /// They are lost in bursts.
    pub bursts: Option<Bursts>,
    /// They do not wait while the others do.
    pub reorder: Option<Share>,
    /// A bit of them is flipped.
    pub corrupt: Option<Share>,
    /// They are sent twice.
    pub duplicate: Option<Share>,
}

impl Impairment {
    fn to_host(self) -> effects::Impairment {
        let impairment = effects::Impairment::new();
        if let Some(delay) = self.delay {
            impairment.delay(
                delay.mean_ms,
                delay.jitter_ms,
                delay.correlation_percent,
                delay.distribution,
            );
        }
        if let Some(loss) = self.loss {
            impairment.lose(loss.percent, loss.correlation_percent);
        }
        if let Some(bursts) = self.bursts {
            let Bursts {
                enter_percent,
                leave_percent,
                loss_percent,
            } = bursts;
            impairment.lose_in_bursts(enter_percent, leave_percent, loss_percent);
        }
        if let Some(share) = self.reorder {
            impairment.reorder(share.percent, share.correlation_percent);
        }
        if let Some(share) = self.corrupt {
            impairment.corrupt(share.percent, share.correlation_percent);
        }
        if let Some(share) = self.duplicate {
            impairment.duplicate(share.percent, share.correlation_percent);
        }
        impairment
    }
}

/// One effect of a draft.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Packets are dropped, as if the cable were unplugged.
    Drop(Packets),
    /// Packets are answered with "port unreachable".
    Reject(Packets),
    /// TCP connections are reset, and new ones refused.
    Reset(Packets),
    /// Outgoing packets are led to a port of the container itself.
    Redirect(Packets, u16),
    /// The mark of packets is set.
    Mark(Packets, u32),
    /// A link is bad for outgoing packets of one interface.
    Impair(Packets, Impairment),
    /// A link is slow for outgoing packets of one interface.
    LimitRate {
        /// Which packets.
        packets: Packets,
        /// In kilobits (1000 bits) per second.
        rate_kbit: u32,
        /// In kilobytes (1024 bytes).
        burst_kbyte: u32,
        /// How long a packet may wait before it is dropped, in milliseconds.
        longest_wait_ms: u64,
    },
    /// DNS queries for these names get a lie; no names: all queries.
    AnswerDns {
        /// How.
        lie: DnsLie,
        /// Each with all names below it.
        domains: Vec<String>,
        /// What `wrong-address` returns.
        address: Option<String>,
    },
}

/// One change of one container's network, before it is applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Draft {
    /// The container.
    pub container: String,
    /// One line for the log and the report.
    pub summary: String,
    /// What happens, in order.
    pub effects: Vec<Effect>,
}

impl Draft {
    /// Has the host record the change, apply it and check that it is in force. Returns its id, and how links were impaired.
    pub fn apply(&self) -> Result<(String, Option<String>)> {
        let draft = effects::Draft::new(&self.container, &self.summary);
        for effect in &self.effects {
            match effect {
                Effect::Drop(packets) => draft.drop_packets(&packets.to_host()),
                Effect::Reject(packets) => draft.reject_packets(&packets.to_host()),
                Effect::Reset(packets) => draft.reset_connections(&packets.to_host()),
                Effect::Redirect(packets, port) => {
                    draft.redirect_packets(&packets.to_host(), *port);
                }
                Effect::Mark(packets, mark) => draft.mark_packets(&packets.to_host(), *mark),
                Effect::Impair(packets, impairment) => {
                    draft.impair_link(&packets.to_host(), &impairment.to_host());
                }
                Effect::LimitRate {
                    packets,
                    rate_kbit,
                    burst_kbyte,
                    longest_wait_ms,
                } => {
                    draft.limit_rate(
                        &packets.to_host(),
                        *rate_kbit,
                        *burst_kbyte,
                        *longest_wait_ms,
                    );
                }
                Effect::AnswerDns {
                    lie,
                    domains,
                    address,
                } => {
                    draft.answer_dns(*lie, domains, address.as_deref());
                }
            }
        }
        let id = draft.apply()?;
        let mechanism = draft.mechanism();
        Ok((id, (!mechanism.is_empty()).then_some(mechanism)))
    }
}
