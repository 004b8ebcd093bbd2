//! `latency`: what a container sends leaves later.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::destination::problems_of;
use super::facts;
use super::impairment::{Description, NEEDS, impair};
use super::link::Link;
use crate::draft::{self, Delay, Impairment};
use crate::{Container, Fault, Parameters, Problem, Result, Scene, Step};

/// The range when nothing is said, in milliseconds.
const USUAL: (u32, u32) = (50, 150);

/// How waits are spread around their mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Each as likely.
    #[default]
    Uniform,
    /// As a bell.
    Normal,
    /// Few very long ones.
    Pareto,
}

/// How late, and where: a range, or a mean and its jitter.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Latency {
    /// The shortest delay of a packet, in milliseconds; alone, it is the longest too. Without any of the four: 50 to 150.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 60_000))]
    pub min_ms: Option<u32>,
    /// The longest delay of a packet, in milliseconds; not below `min_ms`. Alone, it is the shortest too: every packet waits as long.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60_000))]
    pub max_ms: Option<u32>,
    /// Instead of a range: the mean delay, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 60_000))]
    pub delay_ms: Option<u32>,
    /// How far a delay may lie from the mean, in milliseconds; not above `delay_ms`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 60_000))]
    pub jitter_ms: Option<u32>,
    /// How much a packet's delay depends on that of the one before, in percent.
    #[schemars(range(min = 0.0, max = 100.0))]
    pub correlation_percent: f64,
    /// How the delays are spread.
    pub distribution: Distribution,
    /// The network interface in the container. None: whichever carries the traffic; with several networks, each of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$"))]
    pub interface: Option<String>,
    /// Services, addresses and networks (`10.0.0.0/8`), each with or without a port: only what is sent to these. None: all that is sent.
    #[schemars(extend("x-duress" = "destinations"))]
    pub to: Vec<String>,
}

impl Parameters for Latency {
    fn problems(&self) -> Vec<Problem> {
        let mut problems = problems_of(&self.to);
        let mut wrong = |pointer: &str, message: String| {
            problems.push(Problem {
                pointer: pointer.into(),
                message,
            });
        };
        let range = self.min_ms.or(self.max_ms).is_some();
        match (self.delay_ms, self.jitter_ms) {
            (Some(_), _) if range => wrong(
                "/delay_ms",
                "stands beside min_ms or max_ms: it is one or the other".into(),
            ),
            (None, Some(_)) => wrong("/jitter_ms", "needs delay_ms".into()),
            (Some(delay), Some(jitter)) if jitter > delay => {
                wrong(
                    "/jitter_ms",
                    format!("is {jitter}, above delay_ms ({delay})"),
                );
            }
            _ => {}
        }
        let (min, max) = self.range();
        if range && min > max {
            wrong("/min_ms", format!("is {min}, above max_ms ({max})"));
        }
        problems
    }
}

impl Latency {
    /// Returns the shortest and the longest delay, in milliseconds. One end alone is both.
    fn range(&self) -> (u32, u32) {
        match (self.delay_ms, self.min_ms, self.max_ms) {
            (Some(delay), _, _) => {
                let jitter = self.jitter_ms.unwrap_or(0);
                (delay.saturating_sub(jitter), delay + jitter)
            }
            (None, None, None) => USUAL,
            (None, min, max) => {
                let both = min.or(max).unwrap_or(0);
                (min.unwrap_or(both), max.unwrap_or(both))
            }
        }
    }
}

/// Returns the fault.
pub fn fault() -> Fault {
    Fault::for_each(
        "latency",
        "Delay every packet that a container sends: by tc netem, or a packet queue where the kernel has no netem.",
        |latency: &Latency, target, scene| delay(latency, target, scene),
    )
    .requires(NEEDS)
}

/// Delays what one container sends.
pub fn delay(latency: &Latency, target: &Container, scene: &Scene) -> Result<Step> {
    let (min_ms, max_ms) = latency.range();
    let (min, max) = (f64::from(min_ms), f64::from(max_ms));
    let (delay_ms, jitter_ms) = ((min + max) / 2.0, (max - min) / 2.0);
    let impairment = Impairment {
        delay: Some(Delay {
            mean_ms: delay_ms,
            jitter_ms,
            correlation_percent: latency.correlation_percent,
            distribution: match latency.distribution {
                Distribution::Uniform => draft::Distribution::Uniform,
                Distribution::Normal => draft::Distribution::Normal,
                Distribution::Pareto => draft::Distribution::Pareto,
            },
        }),
        ..Impairment::default()
    };
    let link = Link {
        interface: latency.interface.as_deref(),
        to: &latency.to,
    };
    let description = Description {
        what: format!("delay packets by {min_ms} to {max_ms} ms"),
        facts: facts! {
            "min_ms": min_ms,
            "max_ms": max_ms,
            "delay_ms": delay_ms,
            "jitter_ms": jitter_ms,
            "correlation_percent": latency.correlation_percent,
            "distribution": latency.distribution,
        },
    };
    impair(impairment, link, target, scene, description)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::draft::Effect;
    use crate::faults::container;

    fn plan(parameters: serde_json::Value) -> Delay {
        let mut latency: Latency = serde_json::from_value(parameters).expect("parameters");
        latency.interface = Some("eth0".into());
        let target = container("etcd1", &[]);
        let scene = Scene {
            targets: vec![target.clone()],
            stack: vec![target.clone()],
        };
        let step = delay(&latency, &target, &scene).expect("a plan");
        match step.changes[0].draft().effects[..] {
            [
                Effect::Impair(
                    _,
                    Impairment {
                        delay: Some(delay), ..
                    },
                ),
            ] => delay,
            ref other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_delay_is_the_mean_and_the_jitter_half_the_range() {
        let delay = plan(json!({ "min_ms": 50, "max_ms": 151 }));
        assert_eq!((delay.mean_ms, delay.jitter_ms), (100.5, 50.5));
    }

    #[test]
    fn a_mean_and_a_jitter_say_the_same() {
        let one = plan(json!({ "delay_ms": 100, "jitter_ms": 20 }));
        let other = plan(json!({ "min_ms": 80, "max_ms": 120 }));
        assert_eq!(one, other);
    }

    #[test]
    fn one_value_has_no_jitter() {
        for parameters in [
            json!({ "min_ms": 20 }),
            json!({ "max_ms": 20 }),
            json!({ "delay_ms": 20 }),
        ] {
            let delay = plan(parameters);
            assert_eq!((delay.mean_ms, delay.jitter_ms), (20.0, 0.0));
        }
    }

    #[test]
    fn what_contradicts_itself_is_pointed_at() {
        for (parameters, pointer) in [
            (json!({"min_ms": 80, "max_ms": 50}), "/min_ms"),
            (json!({"delay_ms": 80, "max_ms": 90}), "/delay_ms"),
            (json!({"jitter_ms": 10}), "/jitter_ms"),
            (json!({"delay_ms": 10, "jitter_ms": 20}), "/jitter_ms"),
        ] {
            let problems = fault().check(&parameters);
            assert_eq!(problems[0].pointer, pointer, "{parameters}");
        }
        assert!(
            fault()
                .check(&json!({"min_ms": 50, "max_ms": 50}))
                .is_empty()
        );
        assert!(fault().check(&json!({})).is_empty());
    }

    #[test]
    fn the_schema_carries_defaults_ranges_and_a_sentence() {
        let schema = fault().describe().parameters;
        let schema: serde_json::Value = serde_json::from_str(&schema).expect("JSON");
        let correlation = &schema["properties"]["correlation_percent"];
        assert_eq!(correlation["default"], 0.0);
        let min = &schema["properties"]["min_ms"];
        assert_eq!(min["maximum"], 60_000);
        assert!(
            min["description"]
                .as_str()
                .is_some_and(|text| text.ends_with('.')),
            "{min}"
        );
        assert_eq!(schema["additionalProperties"], false);
    }
}
