//! What happens to packets on their way: they are lost, one by one or in bursts, damaged, doubled, or overtake each other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::destination::problems_of;
use super::facts;
use super::impairment::{Description, NEEDS, NEEDS_NETEM, impair};
use super::link::Link;
use crate::draft::{self, Bursts, Delay, Distribution, Impairment};
use crate::{Fault, Parameters, Problem};

/// Packets are lost in bursts: a link that is sometimes bad.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct BurstLoss {
    /// How likely the link turns bad at a packet, in percent (Gilbert-Elliott's p).
    #[schemars(range(min = 0.01, max = 100.0))]
    pub enter_percent: f64,
    /// How likely it turns good again at a packet, in percent (r). Bursts are 100 / r packets long on average.
    #[schemars(range(min = 0.01, max = 100.0))]
    pub leave_percent: f64,
    /// How many of the packets are lost while it is bad, in percent (1 - h).
    #[schemars(range(min = 0.01, max = 100.0))]
    pub loss_percent: f64,
    /// The network interface in the container. None: whichever carries the traffic; with several networks, each of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$"))]
    pub interface: Option<String>,
    /// Services, addresses and networks (`10.0.0.0/8`), each with or without a port: only what is sent to these. None: all that is sent.
    #[schemars(extend("x-duress" = "destinations"))]
    pub to: Vec<String>,
}

impl Default for BurstLoss {
    fn default() -> Self {
        Self {
            enter_percent: 1.0,
            leave_percent: 10.0,
            loss_percent: 100.0,
            interface: None,
            to: Vec::new(),
        }
    }
}

impl Parameters for BurstLoss {
    fn problems(&self) -> Vec<Problem> {
        problems_of(&self.to)
    }
}

/// `burst_loss`.
pub fn burst_loss() -> Fault {
    Fault::for_each(
        "burst_loss",
        "Lose packets in bursts (Gilbert-Elliott): by tc netem, or a packet queue where the kernel has no netem.",
        |loss: &BurstLoss, target, scene| {
            let BurstLoss { enter_percent, leave_percent, loss_percent, interface, to } = loss;
            let bursts = Bursts {
                enter_percent: *enter_percent,
                leave_percent: *leave_percent,
                loss_percent: *loss_percent,
            };
            let impairment = Impairment {
                bursts: Some(bursts),
                ..Impairment::default()
            };
            let description = Description {
                what: "lose packets in bursts".into(),
                facts: facts! { "enter_percent": enter_percent, "leave_percent": leave_percent, "loss_percent": loss_percent },
            };
            let link = Link { interface: interface.as_deref(), to };
            impair(impairment, link, target, scene, description)
        },
    )
    .requires(NEEDS)
}

/// A share of the packets, each by chance.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// How many of the packets, in percent.
    #[schemars(range(min = 0.01, max = 100.0))]
    pub percent: f64,
    /// How much a packet's fate depends on that of the one before, in percent.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = 100.0))]
    pub correlation_percent: f64,
    /// The network interface in the container. None: whichever carries the traffic; with several networks, each of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$"))]
    pub interface: Option<String>,
    /// Services, addresses and networks (`10.0.0.0/8`), each with or without a port: only what is sent to these. None: all that is sent.
    #[serde(default)]
    #[schemars(extend("x-duress" = "destinations"))]
    pub to: Vec<String>,
}

impl Parameters for Share {
    fn problems(&self) -> Vec<Problem> {
        problems_of(&self.to)
    }
}

/// `packet_loss`.
pub fn packet_loss() -> Fault {
    share(
        "packet_loss",
        "lose",
        "Lose a share of the packets that a container sends: by tc netem, or a packet queue where the kernel has no netem.",
        NEEDS,
        |loss| Impairment {
            loss: Some(loss),
            ..Impairment::default()
        },
    )
}

/// `corruption`.
pub fn corruption() -> Fault {
    share(
        "corruption",
        "damage",
        "Flip a bit in a share of the packets that a container sends: by tc netem, or a packet queue where the kernel has no netem.",
        NEEDS,
        |corrupt| Impairment {
            corrupt: Some(corrupt),
            ..Impairment::default()
        },
    )
}

/// `duplication`.
pub fn duplication() -> Fault {
    share(
        "duplication",
        "send twice",
        "Send a share of a container's packets twice, by tc netem.",
        NEEDS_NETEM,
        |duplicate| Impairment {
            duplicate: Some(duplicate),
            ..Impairment::default()
        },
    )
}

fn share(
    name: &'static str,
    verb: &'static str,
    summary: &'static str,
    needs: &'static [&'static str],
    impairment: fn(draft::Share) -> Impairment,
) -> Fault {
    Fault::for_each(name, summary, move |share: &Share, target, scene| {
        let packets = draft::Share {
            percent: share.percent,
            correlation_percent: share.correlation_percent,
        };
        let description = share.describe(verb);
        impair(
            impairment(packets),
            share.link(),
            target,
            scene,
            description,
        )
    })
    .requires(needs)
}

impl Share {
    fn link(&self) -> Link<'_> {
        Link {
            interface: self.interface.as_deref(),
            to: &self.to,
        }
    }

    fn describe(&self, verb: &str) -> Description {
        let Self {
            percent,
            correlation_percent,
            ..
        } = self;
        Description {
            what: format!("{verb} {percent} % of the packets"),
            facts: facts! { "percent": percent, "correlation_percent": correlation_percent },
        }
    }
}

/// Some packets overtake the others.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Reordering {
    /// How many of the packets are sent at once, in percent; the others wait.
    #[schemars(range(min = 0.01, max = 100.0))]
    pub percent: f64,
    /// How much a packet's fate depends on that of the one before, in percent.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub correlation_percent: f64,
    /// How long the others wait, in milliseconds.
    #[schemars(range(min = 1, max = 60_000))]
    pub delay_ms: u32,
    /// The network interface in the container. None: whichever carries the traffic; with several networks, each of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$"))]
    pub interface: Option<String>,
    /// Services, addresses and networks (`10.0.0.0/8`), each with or without a port: only what is sent to these. None: all that is sent.
    #[schemars(extend("x-duress" = "destinations"))]
    pub to: Vec<String>,
}

impl Default for Reordering {
    fn default() -> Self {
        Self {
            percent: 25.0,
            correlation_percent: 50.0,
            delay_ms: 50,
            interface: None,
            to: Vec::new(),
        }
    }
}

impl Parameters for Reordering {
    fn problems(&self) -> Vec<Problem> {
        problems_of(&self.to)
    }
}

/// `reordering`.
pub fn reordering() -> Fault {
    Fault::for_each(
        "reordering",
        "Let a share of a container's packets overtake the others: by tc netem, or a packet queue where the kernel has no netem.",
        |reordering: &Reordering, target, scene| {
            let Reordering { percent: share, correlation_percent, delay_ms, interface, to } = reordering;
            let impairment = Impairment {
                delay: Some(Delay {
                    mean_ms: f64::from(*delay_ms),
                    jitter_ms: 0.0,
                    correlation_percent: 0.0,
                    distribution: Distribution::Uniform,
                }),
                reorder: Some(draft::Share {
                    percent: *share,
                    correlation_percent: *correlation_percent,
                }),
                ..Impairment::default()
            };
            let description = Description {
                what: format!("let {share} % of the packets overtake the others by {delay_ms} ms"),
                facts: facts! { "percent": share, "correlation_percent": correlation_percent, "delay_ms": delay_ms },
            };
            let link = Link { interface: interface.as_deref(), to };
            impair(impairment, link, target, scene, description)
        },
    )
    .requires(NEEDS)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_share_outside_its_range_and_an_empty_destination_are_told() {
        let schema: serde_json::Value =
            serde_json::from_str(&packet_loss().describe().parameters).expect("JSON");
        assert_eq!(schema["properties"]["percent"]["maximum"], 100.0);
        assert_eq!(schema["required"], json!(["percent"]));
        let problems = packet_loss().check(&json!({ "percent": 1, "to": ["etcd1", " "] }));
        assert_eq!(problems[0].pointer, "/to/1");
    }

    #[test]
    fn every_fault_of_a_link_says_what_it_needs() {
        for fault in [packet_loss(), burst_loss(), corruption(), reordering()] {
            assert_eq!(fault.describe().requires, NEEDS);
        }
        assert_eq!(duplication().describe().requires, NEEDS_NETEM);
    }
}
