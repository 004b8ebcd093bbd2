//! The subject: one primary that takes writes, and replicas that hear from it.

use std::time::Duration;

use duress_sdk::{Error, Fault, HealthReport, Metric, Result, State, Subject, stack, wait_until};

use serde_json::json;

use crate::replication::{Replication, Server, ask_all};

/// How long the stack may take to come up or to go, in milliseconds.
const STACK_LIMIT: u64 = 120_000;
/// Time limit for it to be healthy once it is up.
const HEALTHY_LIMIT: Duration = Duration::from_secs(60);
/// Pause between two looks at a stack that comes up.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The subject.
pub struct Redis;

impl Subject for Redis {
    fn reset() -> Result<()> {
        stack::down(STACK_LIMIT)?;
        stack::up(STACK_LIMIT)?;
        wait_until("waited for a healthy replication", HEALTHY_LIMIT, POLL_INTERVAL, || {
            let report = judge(&ask_all()?);
            match report.healthy {
                true => Ok(()),
                false => Err(Error::Unavailable(report.detail)),
            }
        })
    }

    fn health() -> Result<HealthReport> {
        Ok(judge(&ask_all()?))
    }

    fn capture_state() -> Result<State> {
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

    fn faults() -> Vec<Fault> {
        crate::fault::all()
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
