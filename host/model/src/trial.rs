//! One trial, described so fully that it can be run again from this alone.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What one trial does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrialSpec {
    /// `trial-{subject}-{label}-{index}`: unique in its campaign.
    pub name: String,
    /// Which trial of its combination, from 1.
    pub index: u32,
    /// The system under test.
    pub subject: String,
    /// Its combination's label.
    pub label: String,
    /// In the order of their times; none: a baseline.
    pub faults: Vec<PlannedFault>,
    /// Which configuration of whatever is compared it belongs to.
    pub variant: String,
    /// What every choice of the trial is drawn from. Below 2^53.
    pub seed: u64,
    /// How long the fault holds, or a baseline is watched.
    pub duration_ms: u64,
    /// How long the subject may take to be healthy again.
    pub recovery_timeout_ms: u64,
    /// How long it may take to come up.
    pub reset_timeout_ms: u64,
    /// What becomes of a fault that ends by itself.
    pub on_target_restart: OnTargetRestart,
    /// Whether the subject's health counts.
    #[serde(default)]
    pub health: HealthGate,
}

impl TrialSpec {
    /// Returns a baseline of the default variant that takes no time at all; the caller sets what else the trial is to have.
    ///
    /// ```
    /// use duress_model::TrialSpec;
    /// let spec = TrialSpec { duration_ms: 500, ..TrialSpec::new("etcd", "baseline", 1) };
    /// assert_eq!(spec.name, "trial-etcd-baseline-1");
    /// ```
    pub fn new(subject: impl Into<String>, label: impl Into<String>, index: u32) -> Self {
        let (subject, label) = (subject.into(), label.into());
        Self {
            name: format!("trial-{subject}-{label}-{index}"),
            index,
            subject,
            label,
            faults: Vec::new(),
            variant: "default".to_owned(),
            seed: 0,
            duration_ms: 0,
            recovery_timeout_ms: 0,
            reset_timeout_ms: 0,
            on_target_restart: OnTargetRestart::default(),
            health: HealthGate::default(),
        }
    }
}

/// A fault with valid parameters, defaults filled in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlannedFault {
    /// The plugin that brings it.
    pub plugin: String,
    /// Its name there.
    pub name: String,
    /// Valid against its schema.
    pub parameters: Map<String, Value>,
    /// When it is injected, after the first moment of the fault phase.
    pub at_ms: u64,
    /// After how long it is reverted; without it, at the end of the trial's duration.
    pub hold_ms: Option<u64>,
    /// The services that may be hurt; empty: all that the fault allows.
    pub targets: Vec<String>,
    /// How many containers are hurt at once.
    pub target_count: u32,
    /// Instead of that number: what share of the containers that run when it is injected, in percent, rounded down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_percent: Option<f64>,
    /// How many of those that may be hurt must stay healthy.
    #[serde(default)]
    pub keep_healthy: u32,
}

/// What becomes of a fault that ends by itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnTargetRestart {
    /// It is written down.
    #[default]
    Record,
    /// It is written down, and made again.
    Reapply,
}

/// Whether the subject's health counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthGate {
    /// It comes up healthy before the fault, is watched, and must be healthy again.
    #[default]
    Kept,
    /// It is not looked at: the fault is made, seen, and reverted, on whatever is there.
    Open,
}
