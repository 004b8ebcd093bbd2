//! The cluster's state as a document and as numbers. A member that does not answer is part of the state.

use duress_sdk::{Metric, State};
use serde_json::{Value, json};

use crate::api::{Alarm, Member, Status};

/// Puts together what the members said.
pub(crate) fn build(members: &[Member], alarms: Option<Vec<Alarm>>) -> State {
    let statuses = || {
        members
            .iter()
            .filter_map(|member| member.status.as_ref().ok())
    };
    let leader = members
        .iter()
        .find(|member| member.status.as_ref().is_ok_and(Status::is_leader))
        .map(|member| member.name.as_str());
    let healthy = members
        .iter()
        .filter(|member| member.health.is_ok())
        .count();
    let raft_term = most(statuses().map(|status| status.raft_term));
    let raft_index = most(statuses().map(|status| status.raft_index));
    let db_size = most(statuses().map(|status| status.db_size));
    let document = json!({
        "members": members.iter().map(member).collect::<Value>(),
        "leader": leader,
        "raft_term": raft_term,
        "raft_index": raft_index,
        "db_size_bytes": db_size,
        "alarms": alarms,
    });
    let metric = |name: &str, value: u64, unit: &str| Metric {
        name: name.into(),
        value: value as f64,
        unit: unit.into(),
    };
    State {
        document: document.to_string(),
        metrics: vec![
            metric("member_count", members.len() as u64, "1"),
            metric("members_healthy", healthy as u64, "1"),
            metric("leaders", u64::from(leader.is_some()), "1"),
            metric("raft_term", raft_term, "1"),
            metric("raft_index", raft_index, "1"),
            metric("db_size_bytes", db_size, "By"),
            metric(
                "alarms",
                alarms.map_or(0, |alarms| alarms.len() as u64),
                "1",
            ),
        ],
    }
}

fn most(values: impl Iterator<Item = u64>) -> u64 {
    values.max().unwrap_or(0)
}

fn member(member: &Member) -> Value {
    let mut document = json!({"name": member.name, "healthy": member.health.is_ok()});
    match &member.status {
        Ok(status) => {
            // As text: a JSON number would not hold all 64 bits everywhere.
            document["id"] = status.header.member_id.to_string().into();
            document["version"] = status.version.as_str().into();
            document["is_leader"] = status.is_leader().into();
            document["raft_term"] = status.raft_term.into();
            document["raft_index"] = status.raft_index.into();
            document["db_size_bytes"] = status.db_size.into();
            document["db_size_in_use_bytes"] = status.db_size_in_use.into();
            document["errors"] = status.errors.clone().into();
        }
        Err(error) => document["errors"] = json!([error]),
    }
    document
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::tests::status;

    #[test]
    fn a_member_that_does_not_answer_is_part_of_the_state() {
        let mut leads = status(2, 2);
        (leads.raft_term, leads.raft_index, leads.db_size) = (3, 17, 4096);
        let members = [
            Member {
                name: "etcd0".into(),
                health: Err("down".into()),
                status: Err("does not answer".into()),
            },
            Member {
                name: "etcd1".into(),
                health: Ok(()),
                status: Ok(leads),
            },
        ];
        let state = build(&members, Some(Vec::new()));
        let document: Value = serde_json::from_str(&state.document).expect("JSON");
        assert_eq!(document["leader"], "etcd1");
        assert_eq!(document["members"][0]["errors"], json!(["does not answer"]));
        assert_eq!(document["members"][1]["id"], "2");
        let value = |name: &str| {
            let metric = state.metrics.iter().find(|metric| metric.name == name);
            metric.map(|metric| metric.value)
        };
        assert_eq!(value("members_healthy"), Some(1.0));
        assert_eq!(value("raft_index"), Some(17.0));
        assert_eq!(value("db_size_bytes"), Some(4096.0));
    }
}
