//! The subject: one primary that takes writes, and replicas that hear from it.

use serde_json::json;

use crate::duress::plugin::types::{Error, Metric};
use crate::duress::plugin::{host, stack};
use crate::exports::duress::plugin::subject::{Guest, HealthReport, State};
use crate::replication::{Replication, Server, ask_all};

/// How long the stack may take to come up or to go, in milliseconds.
const STACK_LIMIT: u64 = 120_000;
/// Between two looks at a stack that comes up, in milliseconds.
const LOOK_AGAIN: u64 = 200;
/// What it takes to say why it did not come up, in milliseconds.
const LAST_WORD: u64 = 1_000;

impl Guest for crate::Plugin {
    fn reset() -> Result<(), Error> {
        stack::down(STACK_LIMIT)?;
        stack::up(STACK_LIMIT)?;
        // A little before the host would end this call without a word.
        let deadline = host::deadline() - LAST_WORD;
        loop {
            let report = judge(&ask_all()?);
            if report.healthy {
                return Ok(());
            }
            if host::now() > deadline {
                return Err(Error::Unavailable(report.detail));
            }
            host::sleep(LOOK_AGAIN);
        }
    }

    fn health() -> Result<HealthReport, Error> {
        Ok(judge(&ask_all()?))
    }

    fn capture_state() -> Result<State, Error> {
        let servers = ask_all()?;
        let said = || servers.iter().filter_map(|server| server.said.as_ref().ok());
        let written = said().filter(|one| one.is_primary).map(|one| one.offset).max();
        let behind = |one: &Replication| written.map(|written| written.saturating_sub(one.offset));
        let replicas = || said().filter(|one| !one.is_primary);
        let lag = replicas().filter_map(behind).max().unwrap_or(0);
        let document: serde_json::Value = servers.iter().map(describe).collect();
        let metric = |name: &str, value: f64, unit: &str| Metric {
            name: name.into(),
            value,
            unit: unit.into(),
        };
        Ok(State {
            document: json!({ "servers": document }).to_string(),
            metrics: vec![
                metric("servers_up", said().count() as f64, "1"),
                metric("primaries", said().filter(|one| one.is_primary).count() as f64, "1"),
                metric("replicas_linked", replicas().filter(|one| one.link_is_up).count() as f64, "1"),
                metric("replication_lag_bytes", lag as f64, "By"),
            ],
        })
    }
}

fn describe(server: &Server) -> serde_json::Value {
    match &server.said {
        Ok(said) => json!({
            "name": server.name, "role": if said.is_primary { "primary" } else { "replica" },
            "linked": said.link_is_up, "replicas": said.replicas, "offset": said.offset,
        }),
        Err(why) => json!({ "name": server.name, "error": why }),
    }
}

/// Well with one primary from which every other server hears.
fn judge(servers: &[Server]) -> HealthReport {
    let ill = |detail: String| HealthReport {
        healthy: false,
        detail,
    };
    let mut primaries = 0;
    let mut linked = 0;
    for server in servers {
        match &server.said {
            Err(why) => return ill(format!("{} does not answer: {why}", server.name)),
            Ok(said) if said.is_primary => primaries += 1,
            Ok(said) if said.link_is_up => linked += 1,
            Ok(_) => return ill(format!("{} does not hear from its primary", server.name)),
        }
    }
    HealthReport {
        healthy: primaries == 1,
        detail: format!("{primaries} of {} servers take writes, {linked} follow", servers.len()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(is_primary: bool, link_is_up: bool) -> Server {
        Server {
            name: "redis".into(),
            said: Ok(Replication {
                is_primary,
                link_is_up,
                ..Replication::default()
            }),
        }
    }

    #[test]
    fn well_is_one_primary_and_its_replicas() {
        let (primary, replica, cut) = (server(true, false), server(false, true), server(false, false));
        assert!(judge(&[primary.clone(), replica.clone()]).healthy);
        assert!(!judge(&[primary.clone(), cut]).healthy);
        assert!(!judge(&[primary.clone(), primary]).healthy, "two take writes");
        assert!(!judge(&[replica]).healthy, "none takes writes");
        assert!(!judge(&[]).healthy, "there is nothing");
    }
}
