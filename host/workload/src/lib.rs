//! Load as clients make it: operations that begin at a fixed rate of arrival, and what became of them by the second and by phase.
//!
//! The generator never waits for an operation before it begins the next one, and latency counts from the moment at which an
//! operation was due. So a system that stalls is shown as its clients see it (no coordinated omission). What finds no place among
//! the operations under way counts as an error of its own kind, [`OVERLOAD`].

mod client;
mod generator;
mod http;
mod latency;
mod measure;
mod mix;
mod report;
mod tally;
#[cfg(test)]
mod tests;

pub use client::{CLIENT_FAILED, Client, Failure, OTHER, OVERLOAD, TIMEOUT};
pub use generator::{FIRST_PHASE, Running, Workload};
pub use http::HttpClient;
pub use latency::Latency;
pub use measure::Measure;
pub use mix::Mix;
pub use report::{ErrorCount, PhaseReport, Report, Second};
