//! `dns_failure`: a container gets wrong answers to some of its questions, and right ones to all others.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts;
use crate::draft::{DnsLie, Draft, Effect};
use crate::{Fault, Parameters, Problem, Step};

/// What comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// There is no such name.
    #[default]
    Nxdomain,
    /// The server failed.
    Servfail,
    /// An address where nobody is.
    WrongAddress,
}

/// Which names, and how.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[schemars(extend("x-duress-exclusive" = { "what": "source of wrong DNS answers" }))]
pub struct DnsFailure {
    /// What comes back: `nxdomain`, `servfail`, or a `wrong_address`.
    pub mode: Mode,
    /// The names, each with all beneath it, e.g. `example.com`. None: every name.
    #[schemars(
        length(max = 256),
        inner(regex(pattern = "^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9_.])?$"))
    )]
    pub domains: Vec<String>,
    /// What `wrong_address` gives: by default an address that is kept for documentation (RFC 5737), where nobody is.
    pub address: String,
}

impl Default for DnsFailure {
    fn default() -> Self {
        Self {
            mode: Mode::default(),
            domains: Vec::new(),
            address: "192.0.2.1".into(),
        }
    }
}

impl Parameters for DnsFailure {
    fn problems(&self) -> Vec<Problem> {
        let wrong = self.address.parse::<IpAddr>().is_err();
        let problem = Problem {
            pointer: "/address".into(),
            message: "is not an IP address".into(),
        };
        wrong.then_some(problem).into_iter().collect()
    }
}

/// Returns the fault.
pub fn fault() -> Fault {
    Fault::for_each(
        "dns_failure",
        "Answer a container's DNS questions about some names wrongly.",
        |failure: &DnsFailure, target, _| Ok(plan(failure, &target.name)),
    )
    .requires(&[
        "CAP_NET_ADMIN",
        "tool:iptables",
        "tool:iptables-save",
        "helper",
    ])
}

fn plan(failure: &DnsFailure, target: &str) -> Step {
    let DnsFailure {
        mode,
        domains,
        address,
    } = failure;
    let which = if domains.is_empty() {
        "every name".to_owned()
    } else {
        domains.join(", ")
    };
    let draft = Draft {
        container: target.into(),
        summary: format!("answer {target}'s DNS queries about {which} wrongly"),
        effects: vec![Effect::AnswerDns {
            lie: match mode {
                Mode::Nxdomain => DnsLie::Nxdomain,
                Mode::Servfail => DnsLie::Servfail,
                Mode::WrongAddress => DnsLie::WrongAddress,
            },
            domains: domains.clone(),
            address: Some(address.clone()),
        }],
    };
    Step {
        facts: facts! {
            "target_container": target,
            "mode": mode,
            "domains": domains,
            "address": address,
        },
        changes: vec![draft.into()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_none_is_pointed_at() {
        let problems = fault().check(&serde_json::json!({ "address": "nowhere" }));
        assert_eq!(problems[0].pointer, "/address");
    }
}
