//! The subject PostgreSQL: a primary and streaming replicas, judged by what they answer over their own protocol, and ways to break
//! them.

mod access;
mod faults;
mod health;
mod server;
mod settings;
mod wire;

use std::time::Duration;

use duress_sdk::{Error, Fault, HealthReport, Result, State, Subject, stack, wait_until};

use crate::settings::Settings;

/// Pause between two looks at servers that are starting: they take seconds.
const LOOK_AGAIN: Duration = Duration::from_millis(200);

/// The subject.
pub struct Postgres;

impl Subject for Postgres {
    fn reset() -> Result<()> {
        let settings = Settings::read()?;
        stack::down(settings.stack_timeout_ms())?;
        stack::up(settings.stack_timeout_ms())?;
        let limit = Duration::from_secs(settings.healthy_seconds);
        wait_until("waited for the servers", limit, LOOK_AGAIN, || {
            let report = health::judge(&server::ask_all(&settings)?);
            match report.healthy {
                true => Ok(()),
                false => Err(Error::Unavailable(report.detail)),
            }
        })
    }

    fn health() -> Result<HealthReport> {
        Ok(health::judge(&server::ask_all(&Settings::read()?)?))
    }

    fn capture_state() -> Result<State> {
        Ok(health::state(&server::ask_all(&Settings::read()?)?))
    }

    fn faults() -> Vec<Fault> {
        faults::all()
    }
}

duress_sdk::export_subject!(Postgres);
