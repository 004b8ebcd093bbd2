//! From the contract's export `chaos` to a list of faults, for both export macros.

use std::marker::PhantomData;

use crate::bindings::exports::duress::plugin::chaos;
use crate::{Fault, Problem, Result, inject, log};

/// Where the faults come from: the export macros implement it.
pub trait Faults {
    /// Returns every fault; the same list at each call.
    fn faults() -> Vec<Fault>;
}

/// The export `chaos`, over a list of faults.
pub struct Exports<F>(PhantomData<F>);

impl<F: Faults> chaos::Guest for Exports<F> {
    fn fault_types() -> Vec<chaos::FaultType> {
        log::hook_panics();
        F::faults().iter().map(Fault::describe).collect()
    }

    fn check_parameters(fault: String, parameters: String) -> Vec<Problem> {
        log::hook_panics();
        inject::check(&F::faults(), &fault, &parameters)
    }

    fn inject(request: chaos::Request) -> Result<String> {
        log::hook_panics();
        inject::inject(&F::faults(), &request)
    }

    fn cleanup(metadata: String) -> Result<()> {
        log::hook_panics();
        inject::cleanup(&metadata)
    }
}
