//! How trials and campaigns end.

use serde::Serialize;
use strum::{Display, EnumString, IntoStaticStr};

/// How a trial ended. Its text form, e.g. `timed_out`, is what is stored and printed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Display, EnumString, IntoStaticStr,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Outcome {
    /// The fault took effect, was reverted, and the subject recovered.
    #[default]
    Passed,
    /// The injection, the rollback or the validation failed.
    Failed,
    /// The subject was not healthy again in time.
    TimedOut,
    /// The fault's effect could not be shown, so the trial proves nothing.
    Invalid,
    /// The stack or the engine failed, before any fault or without one.
    Environment,
    /// Something that was not the trial's doing changed what it was about, so it proves nothing.
    Disturbed,
    /// The host ended it for safety.
    Aborted,
    /// The user ended it, or its host was killed.
    Cancelled,
}

impl Outcome {
    /// Returns its text form.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// How a campaign ended. Its text form, e.g. `completed`, is what is stored and printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Display, EnumString, IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum CampaignOutcome {
    /// Every trial has ended.
    Completed,
    /// The user stopped it.
    Interrupted,
    /// The host could not go on.
    Failed,
}

impl CampaignOutcome {
    /// Returns its text form.
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}
