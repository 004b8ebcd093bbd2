//! What clients of etcd do: writes and reads of a small set of keys, by the gRPC gateway of one member after the other.
//!
//! A client stays with its member, as one without a list of further endpoints does: while a member is down, its share of the operations fails.

use std::time::Duration;

use duress_sdk::bindings::duress::plugin::http as raw;
use duress_sdk::{Container, Error, Failure, Input, Operation, containers, http};
use serde_json::{Value, json};

use crate::api;
use crate::settings::{MEMBERS, Settings};

/// How many keys are written and read: few enough that reads find what writes have left.
const KEYS: u64 = 1_000;
/// Written with each put, in base64: `duress`.
const VALUE: &str = "ZHVyZXNz";
/// The beginning of a server's message that a failure shows, in bytes.
const SHOWN: usize = 200;
/// Time limit for one answer. The workload's own comes first where it is shorter.
const OPERATION_LIMIT: Duration = Duration::from_secs(60);

/// Returns every operation.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation {
            name: "put",
            description: "Write a key; done when a majority has it.",
            make: |input| send(input, "put", json!({ "key": key(input), "value": VALUE })),
        },
        Operation {
            name: "get",
            description: "Read a key as it is after every write that is done (linearizable).",
            make: |input| send(input, "range", json!({ "key": key(input) })),
        },
        Operation {
            name: "get_serializable",
            description: "Read a key as the member itself has it, which may be old.",
            make: |input| {
                send(
                    input,
                    "range",
                    json!({ "key": key(input), "serializable": true }),
                )
            },
        },
    ]
}

/// The key of an operation, in base64: 9 bytes, which need no padding.
fn key(input: Input) -> String {
    base64(format!("duress{:03}", input.random % KEYS).as_bytes())
}

/// Base64 of whole groups of three bytes (RFC 4648).
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let group = |three: &[u8]| {
        three
            .iter()
            .fold(0_u32, |group, byte| group << 8 | u32::from(*byte))
    };
    let digits =
        |group: u32| [18, 12, 6, 0].map(|shift| char::from(DIGITS[(group >> shift & 63) as usize]));
    bytes
        .chunks_exact(3)
        .flat_map(|three| digits(group(three)))
        .collect()
}

fn send(input: Input, what: &str, body: Value) -> Result<(), Failure> {
    let settings = Settings::read()?;
    let stack = containers::list()?;
    let members: Vec<&Container> = containers::of_services(&stack, MEMBERS).collect();
    let Some(member) = input.in_turn(&members) else {
        return Err(Failure::new("no_member", "the stack has no member of etcd"));
    };
    let url = api::url(&member.name, &settings, &format!("/v3/kv/{what}"));
    let request = http::request("POST", &url, Some(&body), OPERATION_LIMIT);
    let response = raw::send(&request).map_err(|error| match error {
        Error::Timeout(_) => Failure::new("timeout", format!("{} did not answer", member.name)),
        other => other.into(),
    })?;
    judge(&member.name, response.status, &response.body)
}

/// What the gateway answers: another status than 2xx comes with a gRPC code and a message.
fn judge(member: &str, status: u16, body: &[u8]) -> Result<(), Failure> {
    if (200..300).contains(&status) {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]);
    let kind = match &*text {
        text if text.contains("no leader") => "no_leader",
        text if text.contains("leader changed") => "leader_changed",
        text if text.contains("timed out") => "request_timed_out",
        text if text.contains("no space") || text.contains("space exceeded") => "no_space",
        text if text.contains("too many requests") => "too_many_requests",
        _ => "refused_by_etcd",
    };
    Err(Failure::new(
        kind,
        format!("{member}: status {status}: {}", text.trim()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_base64_without_padding() {
        assert_eq!(base64(b"duress"), VALUE);
        assert_eq!(base64(b"duress007"), "ZHVyZXNzMDA3");
        let key = |random| key(Input { number: 0, random });
        assert_eq!(key(1_007), "ZHVyZXNzMDA3");
    }

    #[test]
    fn failures_are_told_apart_by_what_etcd_says() {
        assert_eq!(judge("etcd0", 200, b"{}"), Ok(()));
        let kind = |body: &str| {
            judge("etcd0", 503, body.as_bytes())
                .expect_err("a failure")
                .kind
        };
        assert_eq!(
            kind(r#"{"error":"etcdserver: no leader","code":14}"#),
            "no_leader"
        );
        assert_eq!(
            kind(r#"{"error":"etcdserver: request timed out","code":14}"#),
            "request_timed_out"
        );
        assert_eq!(
            kind(r#"{"error":"etcdserver: mvcc: database space exceeded"}"#),
            "no_space"
        );
        assert_eq!(kind("<html>"), "refused_by_etcd");
    }
}
