//! Experiments: which load a system gets, what is measured, what is expected of it, and when a trial is ended for safety.
//!
//! A campaign's keys `workload` and `experiment` are read and checked here, and become the [`Load`] and the metrics that a trial is
//! run with. What is measured arrives as [`Sample`]s; nothing in this crate asks for one.

mod load;
mod sample;
mod source;

pub use load::{Load, LoadClient, Operation};
pub use sample::{NoData, Sample};
pub use source::{ContainerMeasure, Metric, Parse, Reading, Source, Unit};
