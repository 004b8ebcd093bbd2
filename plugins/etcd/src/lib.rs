//! The subject etcd: a cluster of members, judged by its own API, and ways to break it.

mod api;
mod disk;
mod health;
mod leader;
mod partition;
mod settings;
mod state;
mod workload;

use std::time::Duration;

use duress_sdk::{
    Container, Error, Fault, HealthReport, Result, State, Subject, containers, faults, stack,
    wait_until,
};

use crate::settings::{MEMBERS, Settings};

/// Between two looks at a cluster that is coming up: it takes seconds.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// The subject.
pub struct Etcd;

impl Subject for Etcd {
    fn reset() -> Result<()> {
        let settings = Settings::read()?;
        stack::down(settings.stack_timeout_ms())?;
        stack::up(settings.stack_timeout_ms())?;
        let limit = Duration::from_secs(settings.healthy_seconds);
        wait_until("waited for a healthy cluster", limit, LOOK_AGAIN, || {
            let report = health::judge(&look(&settings)?);
            if report.healthy {
                return Ok(());
            }
            Err(Error::Unavailable(report.detail))
        })
    }

    fn health() -> Result<HealthReport> {
        Ok(health::judge(&look(&Settings::read()?)?))
    }

    fn capture_state() -> Result<State> {
        let settings = Settings::read()?;
        let members = look(&settings)?;
        let alarms = api::alarms(&members, &settings);
        Ok(state::build(&members, alarms))
    }

    fn faults() -> Vec<Fault> {
        vec![
            faults::node_kill::fault().on(MEMBERS),
            leader::kill().on(MEMBERS),
            faults::process::pause().on(MEMBERS),
            faults::network_partition::fault(MEMBERS).on(MEMBERS),
            partition::of_leader().on(MEMBERS),
            partition::of_minority().on(MEMBERS),
            faults::latency::fault().on(MEMBERS),
            faults::netem::packet_loss().on(MEMBERS),
            disk::pressure().on(MEMBERS),
        ]
    }
}

/// Returns what each member of the stack says of itself.
fn look(settings: &Settings) -> Result<Vec<api::Member>> {
    let stack = containers::list()?;
    let members: Vec<&Container> = containers::of_services(&stack, MEMBERS).collect();
    Ok(members
        .into_iter()
        .map(|member| api::ask(member, settings))
        .collect())
}

duress_sdk::export_subject!(Etcd);
duress_sdk::export_workload!(workload::operations);
