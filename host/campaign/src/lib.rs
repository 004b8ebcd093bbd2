//! Campaigns: what a person asks of a system, checked to the last word before anything is touched, and laid out as trials.
//!
//! The way of a campaign: a [`Draft`] from a file or from flags; [`Draft::resolve`] against the [`Catalog`] of what there is;
//! the faults' own checks of their parameters, which the caller runs ([`Resolved::checks`]); [`Resolved::finish`] gives the
//! [`Plan`], and [`Plan::trials`] its trials. Every step collects mistakes, and the last one tells them all. Nothing here knows
//! of containers or components, and nothing here has an effect.

mod catalog;
mod draft;
mod entry;
mod exclusive;
mod format;
mod matrix;
mod plan;
mod resolve;
mod targets;
#[cfg(test)]
mod tests;

pub use catalog::{Catalog, Subject};
pub use draft::Draft;
pub use format::{Campaign, ChaosType, Defaults, Step, json_schema, limits};
pub use plan::{Combination, Plan};
pub use resolve::{ParameterCheck, Resolved};
