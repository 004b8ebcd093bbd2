//! `disk_pressure`: a member's disk fills up, and etcd says so by its NOSPACE alarm: until it is disarmed, the cluster takes no writes.
//!
//! etcd raises the alarm itself when its database reaches its quota, not when the disk is full. So the fault raises it, by etcd's own API
//! (<https://etcd.io/docs/v3.5/op-guide/maintenance/#space-quota>), and cleanup disarms it.

use duress_sdk::faults::disk_pressure::{DiskPressure, fill};
use duress_sdk::schemars::{self, JsonSchema};
use duress_sdk::{
    Action, Change, Container, Error, Fault, Parameters, Probe, Problem, Request, Result, Scene,
    Token, containers, http,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api;
use crate::settings::Settings;

/// How much, where, and whether etcd says so.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Pressure {
    /// How much of the space that is available now is taken up, in percent. Without either: 90.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    fill_percent: Option<u8>,
    /// Instead: how much is taken up, in bytes; no more than is available.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    fill_bytes: Option<u64>,
    /// A directory on the file system to fill, as the container sees it.
    #[schemars(regex(pattern = "^/"))]
    path: String,
    /// The path may lie on the container's root file system, or on a disk of the machine: all that is there fills up too.
    allow_root_filesystem: bool,
    /// Raise etcd's NOSPACE alarm for the member too, after which the cluster takes no writes until it is disarmed.
    nospace_alarm: bool,
}

impl Default for Pressure {
    fn default() -> Self {
        Self {
            fill_percent: None,
            fill_bytes: None,
            path: "/data".into(),
            allow_root_filesystem: false,
            nospace_alarm: true,
        }
    }
}

impl Pressure {
    fn of_disk(&self) -> DiskPressure {
        DiskPressure {
            fill_percent: self.fill_percent,
            fill_bytes: self.fill_bytes,
            path: self.path.clone(),
            allow_root_filesystem: self.allow_root_filesystem,
        }
    }
}

impl Parameters for Pressure {
    fn problems(&self) -> Vec<Problem> {
        self.of_disk().problems()
    }
}

/// The fault.
pub(crate) fn pressure() -> Fault {
    Fault::for_each(
        "disk_pressure",
        "Take up a part of the space that a member's disk has left, and raise etcd's NOSPACE alarm; cleanup disarms it.",
        |pressure: &Pressure, target, scene| {
            let file_system = containers::file_system(&target.name, &pressure.path)?;
            let mut step = fill(
                &pressure.of_disk(),
                &target.name,
                &file_system,
                Token::fresh(),
            )?;
            if pressure.nospace_alarm {
                let settings = Settings::read()?;
                let member = member_id(target, &settings)?;
                step.facts.insert("alarm".into(), "NOSPACE".into());
                step.facts
                    .insert("member_id".into(), member.to_string().into());
                step.changes.push(alarm(target, member, scene, &settings));
            }
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

/// Raise the alarm. Taken back by whichever member answers: any can disarm another's.
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
