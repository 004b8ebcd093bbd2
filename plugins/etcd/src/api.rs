//! etcd's API over HTTP: `/health`, and the gRPC gateway under `/v3`. The same in 3.4 and 3.5.
//!
//! Only what a member answers by itself is asked: a list of the members needs a quorum, which a broken cluster may not have.

use duress_sdk::{Container, Result, http};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::settings::Settings;

/// One member as it was when it was asked.
#[derive(Debug)]
pub(crate) struct Member {
    /// The container.
    pub(crate) name: String,
    /// Whether it can serve a linearizable read, and if not, why.
    pub(crate) health: Result<(), String>,
    /// Its own status, or why it did not respond.
    pub(crate) status: Result<Status, String>,
}

/// `POST /v3/maintenance/status`. The gateway writes 64-bit numbers as text, and leaves zeros out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Status {
    pub(crate) header: Header,
    pub(crate) version: String,
    #[serde(deserialize_with = "number")]
    pub(crate) db_size: u64,
    #[serde(deserialize_with = "number")]
    pub(crate) db_size_in_use: u64,
    /// A member's id; 0 without a leader.
    #[serde(deserialize_with = "number")]
    pub(crate) leader: u64,
    #[serde(deserialize_with = "number")]
    pub(crate) raft_index: u64,
    #[serde(deserialize_with = "number")]
    pub(crate) raft_term: u64,
    pub(crate) errors: Vec<String>,
}

/// Who answered.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Header {
    #[serde(deserialize_with = "number")]
    pub(crate) member_id: u64,
}

impl Status {
    pub(crate) fn is_leader(&self) -> bool {
        self.leader != 0 && self.leader == self.header.member_id
    }
}

/// An alarm that a member has raised, e.g. `NOSPACE`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct Alarm {
    #[serde(rename(deserialize = "memberID"), deserialize_with = "number")]
    pub(crate) member_id: u64,
    pub(crate) alarm: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Alarms {
    alarms: Vec<Alarm>,
}

/// Text in every version so far.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Health {
    health: String,
    reason: String,
}

/// Asks one member. That it does not answer is what there is to say of it, and no error.
pub(crate) fn ask(member: &Container, settings: &Settings) -> Member {
    let url = |path: &str| url(&member.name, settings, path);
    let health = http::get_json(&url("/health"), settings.request_timeout());
    let status = http::post_json(
        &url("/v3/maintenance/status"),
        &json!({}),
        settings.request_timeout(),
    );
    Member {
        name: member.name.clone(),
        health: health.map_err(|error| error.text()).and_then(read_health),
        status: status.map_err(|error| error.text()),
    }
}

/// Returns the alarms, by the first member that tells them.
pub(crate) fn alarms(members: &[Member], settings: &Settings) -> Option<Vec<Alarm>> {
    members
        .iter()
        .filter(|member| member.status.is_ok())
        .find_map(|member| {
            let url = url(&member.name, settings, "/v3/maintenance/alarm");
            let request = json!({"action": "GET"});
            let answer: Result<Alarms> =
                http::post_json(&url, &request, settings.request_timeout());
            answer.ok().map(|answer| answer.alarms)
        })
}

pub(crate) fn url(member: &str, settings: &Settings, path: &str) -> String {
    format!("http://{member}:{}{path}", settings.client_port)
}

fn read_health(health: Health) -> Result<(), String> {
    if health.health == "true" {
        return Ok(());
    }
    if health.reason.is_empty() {
        return Err("says that it is not healthy".into());
    }
    Err(format!("says that it is not healthy: {}", health.reason))
}

fn number<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn status(id: u64, leader: u64) -> Status {
        Status {
            header: Header { member_id: id },
            leader,
            ..Status::default()
        }
    }

    #[test]
    fn an_answer_of_3_4_is_read() {
        let answer = r#"{"header":{"cluster_id":"9027448290205893217","member_id":"12583503415770767017","revision":"1","raft_term":"2"},"version":"3.4.23","dbSize":"32768","leader":"12583503415770767017","raftIndex":"10","raftTerm":"2","raftAppliedIndex":"10","dbSizeInUse":"16384"}"#;
        let status: Status = serde_json::from_str(answer).expect("a status");
        assert!(status.is_leader());
        assert_eq!(
            (status.db_size, status.raft_index, status.raft_term),
            (32768, 10, 2)
        );
    }

    #[test]
    fn a_member_without_a_leader_leaves_the_field_out() {
        let answer =
            r#"{"header":{"member_id":"7"},"raftTerm":"3","errors":["etcdserver: no leader"]}"#;
        let status: Status = serde_json::from_str(answer).expect("a status");
        assert_eq!((status.leader, status.is_leader()), (0, false));
        assert_eq!(status.errors, ["etcdserver: no leader"]);
    }

    #[test]
    fn health_of_3_5_gives_its_reason() {
        let answer = serde_json::from_str(r#"{"health":"false","reason":"RAFT NO LEADER"}"#);
        let health = read_health(answer.expect("an answer"));
        assert_eq!(
            health,
            Err("says that it is not healthy: RAFT NO LEADER".into())
        );
        let answer = serde_json::from_str(r#"{"health":"true","reason":""}"#);
        assert_eq!(read_health(answer.expect("an answer")), Ok(()));
    }

    #[test]
    fn alarms_are_read() {
        let answer = r#"{"header":{},"alarms":[{"memberID":"5","alarm":"NOSPACE"}]}"#;
        let answer: Alarms = serde_json::from_str(answer).expect("alarms");
        assert_eq!(
            answer.alarms[0],
            Alarm {
                member_id: 5,
                alarm: "NOSPACE".into()
            }
        );
        let none: Alarms = serde_json::from_str("{}").expect("no alarms");
        assert!(none.alarms.is_empty());
    }
}
