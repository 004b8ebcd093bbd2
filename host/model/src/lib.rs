//! What all of duress speaks of: trials, faults, outcomes, phases, events, errors.
//!
//! This crate must never do I/O, and must never know of containers, databases or components. Whatever several crates need to name, and
//! none of them owns, belongs here.

mod circumstances;
mod error;
mod event;
mod fault;
pub mod form;
mod nearest;
mod outcome;
mod parameters;
mod phase;
mod random;
mod request;
mod services;
pub mod text;
mod trial;

pub use circumstances::{Circumstances, Pressure};
pub use error::{Error, Kind, Result, innermost};
pub use event::{Event, Timed};
pub use fault::{Choice, FaultType, ParameterProblem};
pub use nearest::nearest;
pub use outcome::{CampaignOutcome, Outcome};
pub use parameters::{strict, with_defaults};
pub use phase::Phase;
pub use random::SeededRandom;
pub use request::HttpRequest;
pub use services::Services;
pub use trial::{HealthGate, OnTargetRestart, PlannedFault, TrialSpec};
