//! One trial, described so fully that it can be run again from this alone.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::plan::first;
use super::{Combination, OnTargetRestart, Plan, PlannedFault, limits};

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
}

impl TrialSpec {
    pub(super) fn new(plan: &Plan, combination: &Combination, index: u32) -> Self {
        let Combination { label, subject, .. } = combination.clone();
        Self {
            name: format!("trial-{subject}-{label}-{index}"),
            index,
            seed: seed(plan.seed, &subject, &label, index),
            subject,
            label,
            faults: combination.faults.clone(),
            variant: plan.campaign.variant.clone(),
            duration_ms: combination.duration_ms,
            recovery_timeout_ms: combination.recovery_timeout_ms,
            reset_timeout_ms: combination.reset_timeout_ms,
            on_target_restart: combination.on_target_restart,
        }
    }
}

/// A trial's seed depends on the campaign's seed and on what the trial is, not on what else the campaign holds: a chaos type that
/// is added changes no other trial, and two variants draw the same.
fn seed(campaign: u64, subject: &str, label: &str, index: u32) -> u64 {
    let hash = Sha256::digest(format!("{campaign}/{subject}/{label}/{index}"));
    u64::from_be_bytes(first(&hash)) & limits::SEED
}
