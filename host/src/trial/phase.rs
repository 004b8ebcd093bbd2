//! The phases of a trial, in order.

use serde::{Deserialize, Serialize};

/// What a trial does, one after the other. An abort is possible in each; the rollback and the report always run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
        match self {
            Self::Init => "init",
            Self::BaselineCheck => "baseline_check",
            Self::FaultInjection => "fault_injection",
            Self::Monitoring => "monitoring",
            Self::Rollback => "rollback",
            Self::PostValidation => "post_validation",
            Self::Report => "report",
        }
    }
}

impl std::fmt::Display for Phase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}
