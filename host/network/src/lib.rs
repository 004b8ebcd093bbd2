//! Typed changes to a container's network: which packets are meant, and what happens to them.
//!
//! A component never writes an argument vector for a program that changes a network: `iptables` and `tc` can read and write files.
//! It fills a [`Draft`]; [`compile`] turns that into programs, the way to revert them, and the check that they are in force. Nothing
//! here runs a program or looks at a container.

mod compile;
mod impairment;
mod packets;
mod rule;
mod shape;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

pub use compile::{Compiled, Surroundings, compile};
pub use impairment::{Impairment, Mechanism};
pub use packets::{Direction, Packets, Peer, Protocol};

use duress_engine::DnsLie;

/// The most effects of one draft: more than any fault needs, and few enough to be reverted in seconds.
const EFFECT_LIMIT: usize = 32;
/// The most addresses and networks of one [`Packets`]: a rule for each of a hundred containers, and some.
const PEER_LIMIT: usize = 256;

/// Why a draft cannot become a change. Nothing was done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DraftError {
    /// The plugin's mistake.
    #[error("{0}")]
    Invalid(String),
    /// The container or the machine cannot do it.
    #[error("{0}")]
    Unavailable(String),
}

/// One effect on packets.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// As if the cable were unplugged.
    Drop(Packets),
    /// "Port unreachable" for the sender.
    Reject(Packets),
    /// A TCP reset for the sender.
    Reset(Packets),
    /// To a port of the container itself.
    Redirect(Packets, u16),
    /// Set the packet's mark.
    Mark(Packets, u32),
    /// A bad link.
    Impair(Packets, Impairment),
    /// A slow link.
    LimitRate {
        /// Which packets.
        packets: Packets,
        /// In kilobits (1000 bits) per second.
        rate_kbit: u32,
        /// In kilobytes (1024 bytes).
        burst_kbyte: u32,
        /// How long a packet may wait before it is dropped.
        longest_wait_ms: u64,
    },
    /// Lies about names.
    AnswerDns {
        /// How.
        lie: DnsLie,
        /// Which names, each with all names below it; none: all.
        domains: Vec<String>,
        /// What [`DnsLie::WrongAddress`] returns.
        address: IpAddr,
    },
}

/// One change of one container's network, before it is applied.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Draft {
    /// The container, by the plugin's name for it.
    pub container: String,
    /// One line for the log and the report.
    pub summary: String,
    /// What happens, in order.
    pub effects: Vec<Effect>,
    /// What was wrong with a call that has no way to say so; told by `apply`.
    pub mistakes: Vec<String>,
    /// How long the effect may take to show, in milliseconds.
    pub wait_ms: Option<u64>,
    /// It was applied, and how links were impaired.
    pub applied: Option<&'static str>,
}

impl Draft {
    /// Adds an effect.
    pub fn add(&mut self, effect: Effect) {
        if self.effects.len() >= EFFECT_LIMIT {
            self.note(format!("has more than {EFFECT_LIMIT} effects"));
        } else {
            self.effects.push(effect);
        }
    }

    /// Notes a mistake, to be told by `apply`. Only the first few are kept.
    pub fn note(&mut self, mistake: String) {
        if self.mistakes.len() < 8 {
            self.mistakes.push(mistake);
        }
    }
}
