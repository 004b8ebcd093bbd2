//! What happens to packets on their way, by netem (tc-netem(8)): they are lost, one by one or in bursts, damaged, doubled, or overtake
//! each other.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts;
use super::link::{Link, percent, problems_of};
use crate::{Fault, Parameters, Problem, Token};

/// Packets that wait at most. netem's own 1000 would drop packets of a busy link, and loss is a fault of its own.
const QUEUE: [&str; 3] = ["netem", "limit", "100000"];
const NEEDS: &[&str] = &["CAP_NET_ADMIN", "tool:tc", "kernel:sch_netem"];

/// netem with these words.
pub(super) fn netem<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> Vec<String> {
    let words = words.into_iter().map(|word| word.as_ref().to_owned());
    QUEUE
        .iter()
        .map(|&word| word.to_owned())
        .chain(words)
        .collect()
}

fn eth0() -> String {
    "eth0".into()
}

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
    /// The network interface in the container that carries the traffic.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$"))]
    pub interface: String,
    /// Services and addresses: only what is sent to these. None: all that is sent.
    pub to: Vec<String>,
}

impl Default for BurstLoss {
    fn default() -> Self {
        Self {
            enter_percent: 1.0,
            leave_percent: 10.0,
            loss_percent: 100.0,
            interface: eth0(),
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
        "Lose packets in bursts (Gilbert-Elliott), with tc netem.",
        |loss: &BurstLoss, target, scene| {
            let BurstLoss { enter_percent, leave_percent, loss_percent, interface, to } = loss;
            let words = [
                "loss".to_owned(),
                "gemodel".to_owned(),
                percent(*enter_percent),
                percent(*leave_percent),
                percent(*loss_percent),
                percent(0.0),
            ];
            Link { interface, to }.shape(
                target,
                scene,
                &netem(words),
                "lose packets in bursts",
                facts! { "enter_percent": enter_percent, "leave_percent": leave_percent, "loss_percent": loss_percent },
                Token::fresh(),
            )
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
    /// The network interface in the container that carries the traffic.
    #[serde(default = "eth0")]
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$"))]
    pub interface: String,
    /// Services and addresses: only what is sent to these. None: all that is sent.
    #[serde(default)]
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
        "loss",
        "lose",
        "Lose a share of the packets that a container sends, with tc netem.",
    )
}

/// `corruption`.
pub fn corruption() -> Fault {
    share(
        "corruption",
        "corrupt",
        "damage",
        "Flip a bit in a share of the packets that a container sends, with tc netem.",
    )
}

/// `duplication`.
pub fn duplication() -> Fault {
    share(
        "duplication",
        "duplicate",
        "send twice",
        "Send a share of a container's packets twice, with tc netem.",
    )
}

fn share(
    name: &'static str,
    word: &'static str,
    verb: &'static str,
    summary: &'static str,
) -> Fault {
    Fault::for_each(name, summary, move |share: &Share, target, scene| {
        let Share {
            percent: part,
            correlation_percent,
            interface,
            to,
        } = share;
        let words = [
            word.to_owned(),
            percent(*part),
            percent(*correlation_percent),
        ];
        Link { interface, to }.shape(
            target,
            scene,
            &netem(words),
            &format!("{verb} {part} % of the packets"),
            facts! { "percent": part, "correlation_percent": correlation_percent },
            Token::fresh(),
        )
    })
    .requires(NEEDS)
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
    /// The network interface in the container that carries the traffic.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$"))]
    pub interface: String,
    /// Services and addresses: only what is sent to these. None: all that is sent.
    pub to: Vec<String>,
}

impl Default for Reordering {
    fn default() -> Self {
        Self {
            percent: 25.0,
            correlation_percent: 50.0,
            delay_ms: 50,
            interface: eth0(),
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
        "Let a share of a container's packets overtake the others, with tc netem.",
        |reordering: &Reordering, target, scene| {
            let Reordering { percent: share, correlation_percent, delay_ms, interface, to } = reordering;
            let words = [
                "delay".to_owned(),
                format!("{delay_ms}ms"),
                "reorder".to_owned(),
                percent(*share),
                percent(*correlation_percent),
            ];
            Link { interface, to }.shape(
                target,
                scene,
                &netem(words),
                &format!("let {share} % of the packets overtake the others by {delay_ms} ms"),
                facts! { "percent": share, "correlation_percent": correlation_percent, "delay_ms": delay_ms },
                Token::fresh(),
            )
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
        for fault in [
            packet_loss(),
            burst_loss(),
            corruption(),
            duplication(),
            reordering(),
        ] {
            assert_eq!(fault.describe().requires, NEEDS);
        }
    }
}
