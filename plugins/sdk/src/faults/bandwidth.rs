//! `bandwidth`: a container sends no faster than a rate, by a token bucket (tc-tbf(8)).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::destination::problems_of;
use super::facts;
use super::link::Link;
use crate::draft::Effect;
use crate::{Fault, Parameters, Problem};

/// How fast, and where.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("x-duress-exclusive" = { "what": "limit of the rate of a link", "per": "interface" }))]
pub struct Bandwidth {
    /// The rate, in kilobits (1000 bits) per second.
    #[schemars(range(min = 8, max = 100_000_000))]
    pub rate_kbit: u32,
    /// How much may be sent at once, in kilobytes (1024 bytes).
    #[serde(default = "burst")]
    #[schemars(range(min = 2, max = 1_048_576))]
    pub burst_kb: u32,
    /// How long a packet may wait before it is dropped, in milliseconds.
    #[serde(default = "wait")]
    #[schemars(range(min = 1, max = 60_000))]
    pub latency_ms: u32,
    /// The network interface in the container. None: whichever carries the traffic; with several networks, each of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$"))]
    pub interface: Option<String>,
    /// Services, addresses and networks (`10.0.0.0/8`), each with or without a port: only what is sent to these. None: all that is sent.
    #[serde(default)]
    #[schemars(extend("x-duress" = "destinations"))]
    pub to: Vec<String>,
}

fn burst() -> u32 {
    32
}

fn wait() -> u32 {
    1_000
}

impl Parameters for Bandwidth {
    fn problems(&self) -> Vec<Problem> {
        problems_of(&self.to)
    }
}

/// Returns the fault.
pub fn fault() -> Fault {
    Fault::for_each(
        "bandwidth",
        "Limit how fast a container sends, with tc tbf.",
        |bandwidth: &Bandwidth, target, scene| {
            let Bandwidth {
                rate_kbit,
                burst_kb,
                latency_ms,
                interface,
                to,
            } = bandwidth;
            let link = Link {
                interface: interface.as_deref(),
                to,
            };
            link.change(
                target,
                scene,
                &format!("limit what is sent to {rate_kbit} kbit/s"),
                facts! { "rate_kbit": rate_kbit, "burst_kb": burst_kb, "latency_ms": latency_ms },
                |packets| Effect::LimitRate {
                    packets,
                    rate_kbit: *rate_kbit,
                    burst_kbyte: *burst_kb,
                    longest_wait_ms: (*latency_ms).into(),
                },
            )
        },
    )
    .requires(&["CAP_NET_ADMIN", "tool:ip", "tool:tc", "kernel:sch_tbf"])
}
