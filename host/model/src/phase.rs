//! The phases of a trial, in order.

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, IntoStaticStr};

/// What a trial does, one after the other. An abort is possible in each; the rollback and the report always run.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    Display,
    EnumString,
    IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Phase {
    /// A fresh stack comes up.
    Init,
    /// The subject is healthy, and its state is captured.
    BaselineCheck,
    /// The fault is injected and seen to be in force.
    FaultInjection,
    /// The fault holds; health is watched.
    Monitoring,
    /// Every change is reverted and seen to be gone.
    Rollback,
    /// The subject becomes healthy again, and its state is captured.
    PostValidation,
    /// The stack is removed and the result is stored.
    Report,
}

impl Phase {
    /// Returns its name as people and the store see it.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
