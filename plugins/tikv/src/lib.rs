//! The subject TiKV: stores and placement drivers, judged by PD's HTTP API, and ways to break the stores.

mod faults;
mod health;
mod pd;
mod settings;
mod size;
mod state;

use std::time::Duration;

use duress_sdk::{
    Error, Fault, HealthReport, Result, State, Subject, faults as standard, stack, wait_until,
};

use crate::settings::{PEERS, STORES, Settings};

/// Between two looks at a cluster that is coming up: it takes tens of seconds.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// The subject.
pub struct Tikv;

impl Subject for Tikv {
    fn reset() -> Result<()> {
        let settings = Settings::read()?;
        stack::down(settings.stack_timeout_ms())?;
        stack::up(settings.stack_timeout_ms())?;
        let limit = Duration::from_secs(settings.healthy_seconds);
        wait_until("waited for a healthy cluster", limit, LOOK_AGAIN, || {
            let report = look(&settings);
            if report.healthy {
                return Ok(());
            }
            Err(Error::Unavailable(report.detail))
        })
    }

    fn health() -> Result<HealthReport> {
        Ok(look(&Settings::read()?))
    }

    fn capture_state() -> Result<State> {
        let settings = Settings::read()?;
        let leader = pd::leader(&settings)?;
        let stores = pd::stores(&settings)?;
        let regions = pd::region_count(&settings)?;
        state::build(&leader, &stores, regions)
    }

    fn faults() -> Vec<Fault> {
        vec![
            standard::node_kill::fault().on(STORES),
            standard::latency::fault().on(STORES),
            standard::disk_pressure::fault().on(STORES),
            standard::network_partition::fault(PEERS).on(STORES),
            standard::netem::packet_loss().on(STORES),
            standard::process::pause().on(STORES),
            faults::asymmetric_partition(),
            faults::pd_leader_kill(),
            faults::leader_concentration(),
        ]
    }
}

/// That PD does not answer is what there is to say of its health, and no error.
fn look(settings: &Settings) -> HealthReport {
    let answers = pd::leader(settings).and_then(|leader| Ok((leader, pd::stores(settings)?)));
    health::judge(answers, settings.stores)
}

duress_sdk::export_subject!(Tikv);
