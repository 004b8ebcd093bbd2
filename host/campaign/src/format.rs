//! The campaign file: its keys, their ranges, what they mean. `docs/campaigns.md` says the same at length.

use duress_experiment::{Experiment, Workload};
use duress_model::OnTargetRestart;
use duress_model::form::{FAULT, FAULT_IN_WORDS, NAME, NAME_IN_WORDS, TIME, TIME_IN_WORDS};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// Limits on what a campaign may hold, each with its reason.
pub mod limits {
    pub use duress_model::form::{NAME_LIMIT as NAME, SEED_LIMIT as SEED};
    /// Characters of a description: a page.
    pub const DESCRIPTION: usize = 4_000;
    /// Characters of an owner or a tag: one line.
    pub const LINE: usize = 200;
    /// Entries of a list: more than any system has services, or any plugin faults.
    pub const LIST: usize = 1_000;
    /// Trials of one campaign: at a minute each, ten weeks.
    pub const TRIALS: u64 = 100_000;
    /// Trials at once: a stack each, on one engine.
    pub const PARALLEL: u32 = 64;
    /// Seconds of any duration: a day. What takes longer is not a trial.
    pub const SECONDS: f64 = 86_400.0;
}

/// A campaign of duress: subjects × chaos types × trials.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "A duress campaign")]
pub struct Campaign {
    /// What the campaign is called in lists and reports.
    #[schemars(length(min = 1, max = limits::NAME), regex(pattern = NAME), extend("patternErrorMessage" = NAME_IN_WORDS))]
    pub name: String,
    /// The question that it answers, for readers of the report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::DESCRIPTION))]
    pub description: Option<String>,
    /// Whom to ask about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::LINE))]
    pub owner: Option<String>,
    /// Words to find it by.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::LIST), inner(length(min = 1, max = limits::LINE)))]
    pub tags: Vec<String>,
    /// The systems to run against, each the name of a folder in `subjects/`.
    #[schemars(length(min = 1, max = limits::LIST), inner(length(max = limits::NAME), regex(pattern = NAME)), extend("uniqueItems" = true))]
    pub subjects: Vec<String>,
    /// The ways to break them. May be left out when `include_baseline` is true.
    #[serde(default)]
    #[schemars(length(max = limits::LIST))]
    pub chaos_types: Vec<ChaosType>,
    /// How many trials each pair of subject and chaos type gets, and each subject's baseline.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = limits::TRIALS))]
    pub trials_per_combination: u32,
    /// How many trials run at once, each on a stack of its own.
    #[serde(default = "one")]
    #[schemars(range(min = 1, max = limits::PARALLEL))]
    pub parallel: u32,
    /// How long a slot rests between two of its trials.
    #[serde(default)]
    #[schemars(range(min = 0.0, max = limits::SECONDS))]
    pub cooldown_seconds: f64,
    /// After so many trials in a row that did not pass, no more are begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = limits::TRIALS))]
    pub stop_after_failures: Option<u32>,
    /// Add trials without a fault for each subject.
    #[serde(default)]
    pub include_baseline: bool,
    /// Which configuration of whatever is compared these trials belong to.
    #[serde(default = "default_variant")]
    #[schemars(length(min = 1, max = limits::NAME), regex(pattern = NAME), extend("patternErrorMessage" = NAME_IN_WORDS))]
    pub variant: String,
    /// What every choice is drawn from: the same seed picks the same targets. Without one a random seed is taken, and recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = limits::SEED))]
    pub seed: Option<u64>,
    /// What holds for every chaos type that does not say otherwise.
    #[serde(default)]
    pub defaults: Defaults,
    /// The load that clients make in each trial, from before the baseline until after the recovery.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Workload>,
    /// What is measured in each trial, what is expected of it, and when it is ended for safety.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub experiment: Option<Experiment>,
}

/// One way to break the subjects.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChaosType {
    /// The fault: a subject's own comes before one of the same name for any subject; `plugin:fault` is exact.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 129), regex(pattern = FAULT), extend("patternErrorMessage" = FAULT_IN_WORDS))]
    pub fault: Option<String>,
    /// Instead of `type` and `params`: several faults in one trial, each at its own time.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::LIST))]
    pub steps: Vec<Step>,
    /// What the trials are called by, when it is not to be the fault's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::NAME), regex(pattern = NAME), extend("patternErrorMessage" = NAME_IN_WORDS))]
    pub label: Option<String>,
    /// The fault's parameters; `duress fault list` shows each fault's.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    /// How many trials, instead of `trials_per_combination`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = limits::TRIALS))]
    pub trials: Option<u32>,
    /// Only for these of the campaign's subjects.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::LIST), extend("uniqueItems" = true))]
    pub subjects: Option<Vec<String>>,
    /// How long the fault holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = limits::SECONDS))]
    pub duration_seconds: Option<f64>,
    /// How long the subject may take to be healthy again after the fault.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = limits::SECONDS))]
    pub recovery_timeout_seconds: Option<f64>,
    /// How long the subject may take to come up before the trial.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = limits::SECONDS))]
    pub reset_timeout_seconds: Option<f64>,
    /// The services that may be hurt; an empty list: all that the fault allows. Or a share of their containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Targets>,
    /// How many containers are hurt at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = limits::LIST))]
    pub target_count: Option<u32>,
    /// How many containers among those that may be hurt must stay healthy: a fault that would leave fewer is not injected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = limits::LIST))]
    pub keep_healthy: Option<u32>,
    /// What becomes of a fault that ends by itself, most often because its container was started again. Without it, `record`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_target_restart: Option<OnTargetRestart>,
}

/// One of several faults of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The fault, as in `chaos_types`.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 129), regex(pattern = FAULT), extend("patternErrorMessage" = FAULT_IN_WORDS))]
    pub fault: String,
    /// The fault's parameters.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub params: Map<String, Value>,
    /// When it is injected: so long after the faults of the first moment are in force. Without it, it is one of those.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::LINE), regex(pattern = TIME), extend("patternErrorMessage" = TIME_IN_WORDS))]
    pub at: Option<String>,
    /// After how long it is reverted. Without it, it holds to the end of the trial's duration.
    #[serde(rename = "for", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::LINE), regex(pattern = TIME), extend("patternErrorMessage" = TIME_IN_WORDS))]
    pub hold: Option<String>,
    /// The services that it may hurt, or a share of their containers. Without it, those of the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub targets: Option<Targets>,
    /// How many containers it hurts. Without it, as many as the whole says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = limits::LIST))]
    pub target_count: Option<u32>,
    /// How many containers among those that may be hurt must stay healthy: a fault that would leave fewer is not injected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = limits::LIST))]
    pub keep_healthy: Option<u32>,
}

/// What holds for every chaos type that does not say otherwise.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Defaults {
    /// How long a fault holds, and how long a baseline is watched. Without it, 10.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = limits::SECONDS))]
    pub duration_seconds: Option<f64>,
    /// How long a subject may take to be healthy again after a fault. Without it the subject's own, else 120.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = limits::SECONDS))]
    pub recovery_timeout_seconds: Option<f64>,
    /// How long a subject may take to come up before a trial. Without it the subject's own, else 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.0, max = limits::SECONDS))]
    pub reset_timeout_seconds: Option<f64>,
    /// The services that may be hurt; an empty list: all that a fault allows. Or a share of their containers.
    #[serde(default, skip_serializing_if = "Targets::is_any")]
    pub targets: Targets,
    /// How many containers are hurt at once. Without it, 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = limits::LIST))]
    pub target_count: Option<u32>,
    /// How many containers among those that may be hurt must stay healthy: a fault that would leave fewer is not injected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = limits::LIST))]
    pub keep_healthy: Option<u32>,
}

/// Which containers a fault may hurt, and perhaps what share of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Targets {
    /// The containers of these services; of an empty list, of all that the fault allows.
    Services(#[schemars(length(max = limits::LIST), extend("uniqueItems" = true))] Vec<String>),
    /// A share of them.
    Share(Share),
}

/// A share of the containers that a fault may hurt.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// Of these services; of an empty list, of all that the fault allows.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::LIST), extend("uniqueItems" = true))]
    pub services: Vec<String>,
    /// How many of a hundred, e.g. `30%`: counted when the fault is injected, and rounded down, so that never more are hurt.
    #[schemars(regex(pattern = PERCENT), extend("patternErrorMessage" = PERCENT_IN_WORDS))]
    pub percent: String,
}

/// A share of a hundred, as people write it.
pub(super) const PERCENT: &str = r"^(100(\.0+)?|[0-9]{1,2}(\.[0-9]{1,6})?)%$";
/// The same in words.
const PERCENT_IN_WORDS: &str = "a share of a hundred (`30%`)";

impl Default for Targets {
    fn default() -> Self {
        Self::Services(Vec::new())
    }
}

impl Targets {
    /// Returns whether neither services nor a share of them are named.
    pub fn is_any(&self) -> bool {
        *self == Self::default()
    }

    /// Returns the services.
    pub fn services(&self) -> &[String] {
        match self {
            Self::Services(services) => services,
            Self::Share(share) => &share.services,
        }
    }

    /// Returns the share, in percent.
    pub fn percent(&self) -> Option<f64> {
        match self {
            Self::Services(_) => None,
            Self::Share(share) => share.percent.strip_suffix('%')?.parse().ok(),
        }
    }
}

impl Campaign {
    /// SHA-256 of the definition, in hexadecimal: two campaigns with one digest ask the same.
    pub fn digest(&self) -> String {
        // A campaign has text keys and finite numbers alone, which JSON can always say.
        let definition = serde_json::to_vec(self).unwrap_or_default();
        hex::encode(Sha256::digest(definition))
    }
}

/// Returns the JSON Schema (2020-12) of a campaign file, for editors: `duress schema campaign`.
pub fn json_schema() -> Value {
    duress_yaml::schema_of::<Campaign>()
}

fn one() -> u32 {
    1
}

fn default_variant() -> String {
    "default".to_owned()
}
