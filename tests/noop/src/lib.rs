//! A subject that does nothing, and misbehaves when it is asked to: for the host's own tests.
//!
//! It has no containers. That it does nothing is what makes it a measure of the host alone.

mod misbehave;

use duress_sdk::{Fault, HealthReport, NoParameters, Result, State, Step, Subject};

/// The subject.
pub struct Noop;

impl Subject for Noop {
    fn reset() -> Result<()> {
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

/// A step that is no change.
fn unchanged() -> Step {
    Step {
        facts: serde_json::Map::new(),
        changes: Vec::new(),
    }
}

duress_sdk::export_subject!(Noop);
