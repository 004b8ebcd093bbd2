//! `latency`: what a container sends leaves later, by netem.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts;
use super::link::{Link, problems_of};
use super::netem::netem;
use crate::{Container, Fault, Parameters, Problem, Result, Scene, Step, Token};

/// How late, and where.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Latency {
    /// The shortest delay of a packet, in milliseconds.
    #[schemars(range(max = 60_000))]
    pub min_ms: u32,
    /// The longest delay of a packet, in milliseconds; not below `min_ms`.
    #[schemars(range(min = 1, max = 60_000))]
    pub max_ms: u32,
    /// The network interface in the container that carries the traffic.
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$"))]
    pub interface: String,
    /// Services and addresses: only what is sent to these. None: all that is sent.
    pub to: Vec<String>,
}

impl Default for Latency {
    fn default() -> Self {
        Self {
            min_ms: 50,
            max_ms: 150,
            interface: "eth0".into(),
            to: Vec::new(),
        }
    }
}

impl Parameters for Latency {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = problems_of(&self.to);
        if self.min_ms > self.max_ms {
            problems.push(Problem {
                pointer: "/min_ms".into(),
                message: format!("is {}, above max_ms ({})", self.min_ms, self.max_ms),
            });
        }
        problems
    }
}

impl Latency {
    /// The mean and half the range, in microseconds.
    fn delay_and_jitter(&self) -> (u64, u64) {
        let (min, max) = (u64::from(self.min_ms), u64::from(self.max_ms));
        ((min + max) * 1000 / 2, (max - min) * 1000 / 2)
    }
}

/// The fault.
pub fn fault() -> Fault {
    Fault::for_each(
        "latency",
        "Delay every packet that a container sends, with tc netem.",
        |latency: &Latency, target, scene| delay(latency, target, scene, Token::fresh()),
    )
    .requires(&["CAP_NET_ADMIN", "tool:tc", "kernel:sch_netem"])
}

/// Delay what one container sends.
pub fn delay(latency: &Latency, target: &Container, scene: &Scene, token: Token) -> Result<Step> {
    let Latency {
        min_ms,
        max_ms,
        interface,
        to,
    } = latency;
    let (mean, jitter) = latency.delay_and_jitter();
    let mut words = vec!["delay".to_owned(), format!("{mean}us")];
    if jitter > 0 {
        words.push(format!("{jitter}us"));
    }
    Link { interface, to }.shape(
        target,
        scene,
        &netem(words),
        &format!("delay packets by {min_ms} to {max_ms} ms"),
        facts! { "min_ms": min_ms, "max_ms": max_ms },
        token,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::container;
    use crate::{Action, Change, Probe};

    fn plan(min_ms: u32, max_ms: u32) -> Change {
        let latency = Latency {
            min_ms,
            max_ms,
            ..Latency::default()
        };
        let target = container("etcd1", &[]);
        let scene = Scene {
            targets: vec![target.clone()],
            stack: vec![target.clone()],
        };
        let mut step = delay(&latency, &target, &scene, Token(0xabcdef)).expect("a plan");
        step.changes.remove(0)
    }

    fn words(action: &Action) -> String {
        match action {
            Action::Run(program) => program.command.join(" "),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn the_delay_is_the_mean_and_the_jitter_half_the_range() {
        let change = plan(50, 151);
        assert_eq!(
            words(&change.apply[0]),
            "tc qdisc add dev eth0 root handle 7dee: netem limit 100000 delay 100500us 50500us"
        );
    }

    #[test]
    fn one_value_has_no_jitter() {
        assert!(words(&plan(20, 20).apply[0]).ends_with("delay 20000us"));
    }

    #[test]
    fn only_its_own_handle_is_removed_and_one_that_is_gone_is_no_failure() {
        let change = plan(50, 150);
        assert_eq!(
            words(&change.revert[0]),
            "tc qdisc del dev eth0 root handle 7dee:"
        );
        let Action::Run(program) = &change.revert[0] else {
            panic!("a program takes it back");
        };
        assert_eq!(program.tolerated, [2]);
        let Some(Probe::Output((_, texts))) = &change.in_force else {
            panic!("a program shows it");
        };
        assert_eq!(texts, &["qdisc netem 7dee: root"]);
    }

    #[test]
    fn a_minimum_above_the_maximum_is_pointed_at() {
        let parameters = serde_json::json!({"min_ms": 80, "max_ms": 50});
        let problems = fault().check(&parameters);
        assert_eq!(problems[0].pointer, "/min_ms");
        assert_eq!(problems[0].message, "is 80, above max_ms (50)");
        assert!(
            fault()
                .check(&serde_json::json!({"min_ms": 50, "max_ms": 50}))
                .is_empty()
        );
    }

    #[test]
    fn the_schema_carries_defaults_ranges_and_a_sentence() {
        let schema = fault().describe().parameters;
        let schema: serde_json::Value = serde_json::from_str(&schema).expect("JSON");
        let min = &schema["properties"]["min_ms"];
        assert_eq!(
            (&min["default"], &min["maximum"]),
            (&50.into(), &60_000.into())
        );
        assert!(
            min["description"]
                .as_str()
                .is_some_and(|text| text.ends_with('.')),
            "{min}"
        );
        assert_eq!(schema["additionalProperties"], false);
    }
}
