//! A subject that does nothing, and misbehaves when it is asked to: for the host's own tests.
//!
//! That it does nothing is what makes it a measure of the host alone. It has no containers, but where its settings say so.

mod conduct;
mod misbehave;
mod reach;
mod rebuild;
mod workload;

use duress_sdk::{
    Fault, HealthReport, NoParameters, Result, State, Step, Subject, settings, stack,
};
use serde::Deserialize;

/// How long a stack may take to come up or go, in milliseconds.
const STACK_LIMIT: u64 = 60_000;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Settings {
    /// There is a stack to bring up; nothing is known of what it does.
    stack: bool,
    /// The export that panics.
    panic_in: String,
    /// Which operations it says that it brings, if not its own: `many`, `twice`, or one of this name.
    operations: String,
    /// Where the operation `request` sends its request.
    url: String,
    /// The container that the operation `connect` connects to, and the port.
    connect_to: String,
    port: u16,
}

/// The subject.
pub struct Noop;

impl Subject for Noop {
    fn reset() -> Result<()> {
        if settings::<Settings>()?.stack {
            stack::down(STACK_LIMIT)?;
            stack::up(STACK_LIMIT)?;
        }
        Ok(())
    }

    fn health() -> Result<HealthReport> {
        Ok(HealthReport {
            healthy: true,
            detail: "there is nothing that could be ill".into(),
        })
    }

    fn capture_state() -> Result<State> {
        Ok(State {
            document: "{}".into(),
            metrics: Vec::new(),
        })
    }

    fn faults() -> Vec<Fault> {
        vec![
            Fault::new(
                "nothing",
                "Change nothing, and say that it was done.",
                |_: NoParameters, _| Ok(vec![unchanged()]),
            ),
            misbehave::fault(),
        ]
    }
}

/// A step that is not a change.
fn unchanged() -> Step {
    Step {
        facts: serde_json::Map::new(),
        changes: Vec::new(),
    }
}

// Natively no host imports the exports, and their names would not link.
#[cfg(target_arch = "wasm32")]
mod panicking;

duress_sdk::export_workload!(workload::operations);
