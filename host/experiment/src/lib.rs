//! Experiments: which load a system gets, what is measured, what is expected of it, and when a trial is ended for safety.
//!
//! A campaign's keys `workload` and `experiment` are read and checked here ([`check`]), and become a [`Plan`]. What is measured arrives
//! as [`Sample`]s; nothing in this crate asks for one.

mod check;
mod condition;
mod format;
mod judge;
pub mod limits;
mod load;
mod plan;
mod promql;
mod quantity;
mod sample;
mod source;
mod summary;
#[cfg(test)]
mod tests;

pub use check::{Known, check};
pub use condition::Operator;
pub use format::{
    Abort, AbortEntry, Expect, ExpectEntry, Experiment, HttpWorkload, Lag, Method, MetricEntry,
    UnitName, Workload, WorkloadMeasure,
};
pub use judge::{
    AbortDecision, AbortLook, BaselineCheck, BaselineCondition, ConditionVerdict, Counts, Event,
    Judge, Judgement, Part, Recovery, Times, Verdict,
};
pub use load::{Load, LoadClient, Operation};
pub use plan::{
    AbortBound, AbortNoData, AbortRule, Allowance, BoundTerm, Condition, ExpectNoData, Expectation,
    OnAbort, Plan, Threshold,
};
pub use sample::{NoData, Sample};
pub use source::{ContainerMeasure, Metric, Parse, Reading, Source, Unit};
pub use summary::{MetricSummary, Summary};
