//! What a subject's author writes, and the way from the contract's exports to it.

use std::marker::PhantomData;

use serde::de::DeserializeOwned;

use crate::subject_bindings::exports::duress::plugin::subject;
use crate::{Error, Fault, HealthReport, Result, State, host, log};

/// A system under test, with the faults that it offers.
///
/// No state is kept between two calls: each has an instance of its own.
pub trait Subject {
    /// Brings a fresh stack up and waits until it is healthy.
    fn reset() -> Result<()>;
    /// Is it healthy, by its own word? An error means that nothing could be learnt.
    fn health() -> Result<HealthReport>;
    /// Asks it for its state.
    fn capture_state() -> Result<State>;
    /// Returns every fault; the same list at each call.
    fn faults() -> Vec<Fault>;
}

/// Returns the subject's settings, read as a type whose fields say what is allowed.
pub fn settings<T: DeserializeOwned>() -> Result<T> {
    serde_json::from_str(&host::settings())
        .map_err(|error| Error::Invalid(format!("the subject's settings: {error}")))
}

/// The export `subject`, for [`crate::export_subject!`].
pub struct Exports<S>(PhantomData<S>);

impl<S: Subject> subject::Guest for Exports<S> {
    fn reset() -> Result<()> {
        log::hook_panics();
        S::reset()
    }

    fn health() -> Result<HealthReport> {
        log::hook_panics();
        S::health()
    }

    fn capture_state() -> Result<State> {
        log::hook_panics();
        S::capture_state()
    }
}
