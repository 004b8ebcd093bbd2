//! Whether the servers do their work, and their state as a document and as numbers.

use duress_sdk::{HealthReport, Metric, State};
use serde_json::{Value, json};

use crate::server::{Server, Status};

/// Healthy: one server takes writes, and every other follows it and applies what it receives.
pub(crate) fn judge(servers: &[Server]) -> HealthReport {
    match complaint(servers) {
        Some(detail) => HealthReport {
            healthy: false,
            detail,
        },
        None => HealthReport {
            healthy: true,
            detail: format!("1 primary and {} replicas that follow it", servers.len() - 1),
        },
    }
}

fn complaint(servers: &[Server]) -> Option<String> {
    let mut primaries = 0;
    let mut replicas = 0;
    let mut streams = 0;
    for Server { name, said } in servers {
        match said {
            Err(why) => return Some(format!("{name}: {why}")),
            Ok(status) if status.is_primary => {
                primaries += 1;
                streams = status.streams;
            }
            Ok(status) if status.streams == 0 => return Some(format!("{name} receives nothing from its primary")),
            Ok(status) if status.is_replay_paused => return Some(format!("{name} does not apply what it receives")),
            Ok(_) => replicas += 1,
        }
    }
    if primaries != 1 {
        return Some(format!("{primaries} servers take writes"));
    }
    (streams != replicas).then(|| format!("{streams} of {replicas} replicas stream from the primary"))
}

/// Returns the state, as far as the servers say it.
pub(crate) fn state(servers: &[Server]) -> State {
    let said = || servers.iter().filter_map(|server| server.said.as_ref().ok());
    let primaries = || said().filter(|status| status.is_primary);
    let replicas = || said().filter(|status| !status.is_primary);
    let written = primaries().map(|status| status.position).max();
    let behind = |status: &Status| written.map(|written| written.saturating_sub(status.position));
    let lag = replicas().filter_map(behind).max();
    let document: Value = servers.iter().map(describe).collect();
    let mut metrics = vec![
        metric("servers_up", said().count() as u64, "1"),
        metric("primaries", primaries().count() as u64, "1"),
        metric("replicas_streaming", replicas().filter(|status| status.streams > 0).count() as u64, "1"),
        metric("connections", said().map(|status| status.connections).sum(), "1"),
    ];
    metrics.extend(lag.map(|lag| metric("replication_lag_bytes", lag, "By")));
    State {
        document: json!({ "servers": document }).to_string(),
        metrics,
    }
}

fn metric(name: &str, value: u64, unit: &str) -> Metric {
    Metric {
        name: name.into(),
        value: value as f64,
        unit: unit.into(),
    }
}

fn describe(server: &Server) -> Value {
    match &server.said {
        Ok(status) => json!({ "name": server.name, "status": status }),
        Err(why) => json!({ "name": server.name, "error": why }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(name: &str, status: Status) -> Server {
        Server {
            name: name.into(),
            said: Ok(status),
        }
    }

    fn primary(streams: u64) -> Server {
        let status = Status {
            is_primary: true,
            streams,
            position: 100,
            ..Status::default()
        };
        server("primary", status)
    }

    fn replica(streams: u64, is_replay_paused: bool) -> Server {
        let status = Status {
            streams,
            is_replay_paused,
            position: 60,
            ..Status::default()
        };
        server("replica", status)
    }

    #[test]
    fn healthy_is_one_primary_and_replicas_that_follow() {
        assert!(judge(&[primary(1), replica(1, false)]).healthy);
        for (servers, detail) in [
            (vec![primary(0), replica(0, false)], "replica receives nothing from its primary"),
            (vec![primary(1), replica(1, true)], "replica does not apply what it receives"),
            (vec![primary(0), primary(0)], "2 servers take writes"),
            (vec![primary(0), replica(1, false)], "0 of 1 replicas stream from the primary"),
            (vec![replica(1, false)], "0 servers take writes"),
            (vec![], "0 servers take writes"),
        ] {
            let report = judge(&servers);
            assert_eq!((report.healthy, report.detail.as_str()), (false, detail));
        }
        let dead = Server {
            name: "primary".into(),
            said: Err("it does not run".into()),
        };
        assert_eq!(judge(&[dead]).detail, "primary: it does not run");
    }

    #[test]
    fn the_lag_is_what_the_replica_has_not_applied() {
        let state = state(&[primary(1), replica(1, false)]);
        let lag = state.metrics.iter().find(|one| one.name == "replication_lag_bytes");
        assert_eq!(lag.map(|one| one.value), Some(40.0));
    }
}
