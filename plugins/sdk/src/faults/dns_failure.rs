//! `dns_failure`: a container gets wrong answers to some of its questions, and right ones to all others.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts;
use super::rule::{Rule, Side, shown};
use crate::bindings::duress::plugin::changes::{DnsLie, DnsServer, Task, Work};
use crate::{Action, Change, Fault, Parameters, Problem, Step, Token};

/// The mark on what duress's own server asks (see `dns-server` in `wit/plugin.wit`).
const MARK: &str = "0xd00d53";
/// Below the ports that the kernel gives to whoever asks for any (ip(7)), and above most that are given by name.
const PORTS: (u16, u16) = (20_000, 30_000);

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
            message: "is no IP address".into(),
        };
        wrong.then_some(problem).into_iter().collect()
    }
}

/// The fault.
pub fn fault() -> Fault {
    Fault::for_each(
        "dns_failure",
        "Answer a container's DNS questions about some names wrongly.",
        |failure: &DnsFailure, target, _| Ok(plan(failure, &target.name, Token::fresh())),
    )
    .requires(&[
        "CAP_NET_ADMIN",
        "tool:iptables",
        "tool:iptables-save",
        "helper",
    ])
}

fn plan(failure: &DnsFailure, target: &str, token: Token) -> Step {
    let DnsFailure {
        mode,
        domains,
        address,
    } = failure;
    let port = PORTS.0 + (token.0 % u64::from(PORTS.1 - PORTS.0)) as u16;
    let task = Task {
        id: format!("dns-{token}"),
        work: Work::AnswerDns(DnsServer {
            port,
            lie: match mode {
                Mode::Nxdomain => DnsLie::Nxdomain,
                Mode::Servfail => DnsLie::Servfail,
                Mode::WrongAddress => DnsLie::WrongAddress,
            },
            domains: domains.clone(),
            address: address.clone(),
        }),
    };
    let rules = ["udp", "tcp"].map(|protocol| Rule {
        table: "nat",
        chain: "OUTPUT",
        side: Side::To,
        port: Some((protocol, 53)),
        peers: Vec::new(),
        matches: ["-m", "mark", "!", "--mark", MARK]
            .map(str::to_owned)
            .to_vec(),
        comment: format!("duress:{token}:dns"),
        verdict: ["REDIRECT", "--to-ports", &port.to_string()]
            .map(str::to_owned)
            .to_vec(),
    });
    let which = if domains.is_empty() {
        "every name".to_owned()
    } else {
        domains.join(", ")
    };
    let stop = Action::StopTask(task.id.clone());
    let start = Action::StartTask(task);
    let inserts = rules.iter().map(|rule| rule.insert("iptables"));
    let deletes = rules.iter().flat_map(|rule| rule.delete("iptables"));
    Step {
        facts: facts! {
            "target_container": target,
            "mode": mode,
            "domains": domains,
            "address": address,
            "port": port,
        },
        changes: vec![Change {
            container: target.into(),
            summary: format!("answer {target}'s DNS questions about {which} wrongly"),
            apply: std::iter::once(start).chain(inserts).collect(),
            revert: deletes.chain([stop]).collect(),
            in_force: Some(shown("iptables", &rules)),
        }],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_led_to_the_server_only_while_it_answers() {
        let step = plan(&DnsFailure::default(), "etcd0", Token(5));
        let change = &step.changes[0];
        assert!(
            matches!(&change.apply[0], Action::StartTask(task) if task.id == "dns-0000000000000005")
        );
        let Action::Run(rule) = &change.apply[1] else {
            panic!("a rule leads questions there");
        };
        assert_eq!(
            rule.command.join(" "),
            "iptables -w 5 -t nat -I OUTPUT -p udp --dport 53 -m mark ! --mark 0xd00d53 -m comment --comment \
             duress:0000000000000005:dns -j REDIRECT --to-ports 20005"
        );
        assert!(matches!(change.revert.last(), Some(Action::StopTask(_))));
    }

    #[test]
    fn an_address_that_is_none_is_pointed_at() {
        let problems = fault().check(&serde_json::json!({ "address": "nowhere" }));
        assert_eq!(problems[0].pointer, "/address");
    }
}
