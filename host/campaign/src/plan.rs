//! A checked campaign: its combinations, its seed, its name.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Campaign, Defaults};
use duress_model::form::SEED_LIMIT;
use duress_model::{OnTargetRestart, PlannedFault, TrialSpec};

/// One cell of the matrix: a subject and a way to break it, or none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Combination {
    /// What its trials are called by: the fault's name, a label, or `baseline`.
    pub label: String,
    /// The system under test.
    pub subject: String,
    /// In the order of their times; none: a baseline.
    pub faults: Vec<PlannedFault>,
    /// How many trials.
    pub trials: u32,
    /// How long the fault holds, or a baseline is watched.
    pub duration_ms: u64,
    /// How long the subject may take to be healthy again.
    pub recovery_timeout_ms: u64,
    /// How long it may take to come up.
    pub reset_timeout_ms: u64,
    /// What becomes of a fault that ends by itself.
    pub on_target_restart: OnTargetRestart,
}

/// A campaign that may run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// As it was written.
    pub campaign: Campaign,
    /// The campaign's, or a random one.
    pub seed: u64,
    /// Baselines stand before the faults of their subject; at least one.
    pub combinations: Vec<Combination>,
    /// How each trial is measured and judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<duress_experiment::Plan>,
    /// A trial that is run again, in the place of those that the combinations give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeated: Option<TrialSpec>,
}

impl Plan {
    pub(super) fn new(
        campaign: Campaign,
        combinations: Vec<Combination>,
        experiment: Option<duress_experiment::Plan>,
    ) -> Self {
        Self {
            experiment,
            seed: campaign.seed.unwrap_or_else(random_seed),
            campaign,
            combinations,
            repeated: None,
        }
    }

    /// Returns the plan of one trial that is run again.
    pub fn of_trial(spec: TrialSpec, experiment: Option<duress_experiment::Plan>) -> Self {
        let campaign = Campaign {
            name: spec.name.clone(),
            description: None,
            owner: None,
            tags: Vec::new(),
            subjects: vec![spec.subject.clone()],
            chaos_types: Vec::new(),
            trials_per_combination: 1,
            parallel: 1,
            cooldown_seconds: 0.0,
            stop_after_failures: None,
            include_baseline: spec.faults.is_empty(),
            variant: spec.variant.clone(),
            seed: Some(spec.seed),
            defaults: Defaults::default(),
            workload: None,
            experiment: None,
        };
        let combination = Combination {
            label: spec.label.clone(),
            subject: spec.subject.clone(),
            faults: spec.faults.clone(),
            trials: 1,
            duration_ms: spec.duration_ms,
            recovery_timeout_ms: spec.recovery_timeout_ms,
            reset_timeout_ms: spec.reset_timeout_ms,
            on_target_restart: spec.on_target_restart,
        };
        Self {
            campaign,
            seed: spec.seed,
            combinations: vec![combination],
            experiment,
            repeated: Some(spec),
        }
    }

    /// Returns every trial, in the order in which they start: the first of each combination, then the second of each, so that the
    /// results of a campaign that is cut short still cover all.
    pub fn trials(&self) -> Vec<TrialSpec> {
        if let Some(spec) = &self.repeated {
            return vec![spec.clone()];
        }
        let rounds = self.combinations.iter().map(|c| c.trials).max();
        let mut trials = Vec::new();
        for index in 1..=rounds.unwrap_or(0) {
            for combination in &self.combinations {
                if index <= combination.trials {
                    trials.push(self.trial(combination, index));
                }
            }
        }
        trials
    }

    fn trial(&self, combination: &Combination, index: u32) -> TrialSpec {
        let Combination { label, subject, .. } = combination;
        TrialSpec {
            faults: combination.faults.clone(),
            variant: self.campaign.variant.clone(),
            seed: seed(self.seed, subject, label, index),
            duration_ms: combination.duration_ms,
            recovery_timeout_ms: combination.recovery_timeout_ms,
            reset_timeout_ms: combination.reset_timeout_ms,
            on_target_restart: combination.on_target_restart,
            ..TrialSpec::new(subject, label, index)
        }
    }

    /// A new name for a run of this plan, e.g. `campaign-20261120T143000Z-3f9a1c02`; two calls give two names.
    pub fn new_id(&self, now: Timestamp) -> String {
        let mut hash = Sha256::new();
        hash.update(self.campaign.digest());
        hash.update(self.seed.to_be_bytes());
        hash.update(uuid::Uuid::now_v7());
        let time = now.to_zoned(TimeZone::UTC).strftime("%Y%m%dT%H%M%SZ");
        let hash = u32::from_be_bytes(first(&hash.finalize()));
        format!("campaign-{time}-{hash:08x}")
    }
}

/// A trial's seed depends on the campaign's seed and on what the trial is, not on what else the campaign holds: a chaos type that
/// is added changes no other trial, and two variants draw the same.
fn seed(campaign: u64, subject: &str, label: &str, index: u32) -> u64 {
    let hash = Sha256::digest(format!("{campaign}/{subject}/{label}/{index}"));
    u64::from_be_bytes(first(&hash)) & SEED_LIMIT
}

/// A seed that is short enough to be typed again.
fn random_seed() -> u64 {
    u64::from(u32::from_be_bytes(first(&Sha256::digest(
        uuid::Uuid::now_v7(),
    ))))
}

/// Returns the first bytes of a hash.
fn first<const N: usize>(hash: &[u8]) -> [u8; N] {
    std::array::from_fn(|index| hash[index])
}
