//! `disk_pressure`: a member's disk fills up, and etcd says so by its NOSPACE alarm: until it is disarmed, the cluster takes no writes.
//!
//! etcd raises the alarm itself when its database reaches its quota, not when the disk is full. So the fault raises it, by etcd's own API
//! (<https://etcd.io/docs/v3.5/op-guide/maintenance/#space-quota>), and cleanup disarms it.

use duress_sdk::faults::disk_pressure;
use duress_sdk::{
    Action, Change, Container, Error, Fault, Probe, Request, Result, Scene, containers, http,
};
use serde_json::{Value, json};

use crate::api;
use crate::settings::Settings;

/// Returns the fault. A full disk without the alarm is `faults:disk_pressure`.
pub(crate) fn pressure() -> Fault {
    disk_pressure::and_then(
        "Take up a part of the space that a member's disk has left, and raise etcd's NOSPACE alarm; cleanup disarms it.",
        |mut step, target, scene| {
            let settings = Settings::read()?;
            let member = member_id(target, &settings)?;
            step.facts.insert("alarm".into(), "NOSPACE".into());
            step.facts
                .insert("member_id".into(), member.to_string().into());
            step.changes
                .push(alarm(target, member, scene, &settings).into());
            Ok(step)
        },
    )
}

fn member_id(target: &Container, settings: &Settings) -> Result<u64> {
    let status = api::ask(target, settings).status;
    let status = status.map_err(|why| {
        Error::Unavailable(format!("{} does not tell its id: {why}", target.name))
    })?;
    Ok(status.header.member_id)
}

/// Raises the alarm. Any member that responds can disarm it for another.
fn alarm(target: &Container, member: u64, scene: &Scene, settings: &Settings) -> Change {
    let ask = |through: &Container, action: &str| -> Request {
        let url = api::url(&through.name, settings, "/v3/maintenance/alarm");
        let mut body = json!({ "action": action });
        if action != "GET" {
            body["memberID"] = Value::from(member.to_string());
            body["alarm"] = "NOSPACE".into();
        }
        http::request("POST", &url, Some(&body), settings.request_timeout())
    };
    let members = || containers::of_services(&scene.stack, crate::settings::MEMBERS);
    let other = members().find(|other| other.name != target.name);
    Change {
        container: target.name.clone(),
        summary: format!("raise etcd's NOSPACE alarm for {}", target.name),
        apply: vec![Action::Ask(ask(target, "ACTIVATE"))],
        revert: members()
            .map(|through| Action::Ask(ask(through, "DEACTIVATE")))
            .collect(),
        in_force: Some(Probe::Answer((
            ask(other.unwrap_or(target), "GET"),
            format!("\"memberID\":\"{member}\",\"alarm\":\"NOSPACE\""),
        ))),
    }
}
