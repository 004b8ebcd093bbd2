//! The interface `chaos`, over a list of faults: for a component that brings faults alone, in its own bindings of the world
//! `chaos-plugin`. A subject has all of it from [`crate::export_subject!`].

use crate::bindings::exports::duress::plugin::chaos::{FaultType, Problem, Request};
use crate::{Fault, Result, inject as making, log};

/// See `chaos.fault-types`.
pub fn fault_types(faults: &[Fault]) -> Vec<FaultType> {
    log::hook_panics();
    faults.iter().map(Fault::describe).collect()
}

/// See `chaos.check-parameters`.
pub fn check_parameters(faults: &[Fault], fault: &str, parameters: &str) -> Vec<Problem> {
    log::hook_panics();
    making::check(faults, fault, parameters)
}

/// See `chaos.inject`.
///
/// # Errors
/// What it could not do; all that it had done is taken back.
pub fn inject(
    faults: &[Fault],
    fault: String,
    parameters: String,
    targets: Vec<String>,
) -> Result<String> {
    log::hook_panics();
    making::inject(
        faults,
        &Request {
            fault,
            parameters,
            targets,
        },
    )
}

/// See `chaos.cleanup`.
///
/// # Errors
/// What could not be taken back.
pub fn cleanup(metadata: &str) -> Result<()> {
    log::hook_panics();
    making::cleanup(metadata)
}
