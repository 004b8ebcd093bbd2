//! What else happened in a trial, beside its outcome: whatever a reader needs to judge its figures.

use serde::{Deserialize, Serialize};

/// What else happened in a trial.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Circumstances {
    /// The subject was healthy at every look, so it had nothing to recover from. Absent where recovery was not measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stayed_healthy: Option<bool>,
    /// What was not the trial's doing and makes its result no evidence, a sentence each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub disturbances: Vec<String>,
    /// Changes that the plugin's own cleanup left in force, by their summaries.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reverted_by_host: Vec<String>,
    /// Waits for the engine while the subject recovered, in milliseconds. The time to recover does not include them.
    #[serde(skip_serializing_if = "is_zero")]
    pub engine_wait_ms: i64,
    /// The wait for the database between the last revert and the first look at the subject's health, in milliseconds. The time to recover
    /// does not include it.
    #[serde(skip_serializing_if = "is_zero")]
    pub database_wait_ms: i64,
    /// How long this machine kept work waiting, where its kernel counts that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pressure: Option<Pressure>,
}

/// Shares of a trial's time, in percent, in which some work of this machine waited (`some` in `/proc/pressure`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Pressure {
    /// For a processor.
    pub cpu: f64,
    /// For a disk.
    pub io: f64,
    /// For memory.
    pub memory: f64,
}

impl Pressure {
    /// The share from which a machine counts as overloaded: for half of the time, something waited.
    const OVERLOADED_PERCENT: f64 = 50.0;

    /// Returns whether times that were measured meanwhile say more of the machine than of the subject.
    pub fn is_overload(&self) -> bool {
        [self.cpu, self.io, self.memory]
            .iter()
            .any(|share| *share >= Self::OVERLOADED_PERCENT)
    }
}

impl std::fmt::Display for Pressure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { cpu, io, memory } = self;
        write!(
            f,
            "processors {cpu:.0} %, disks {io:.0} %, memory {memory:.0} %"
        )
    }
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde hands over a reference"
)]
fn is_zero(number: &i64) -> bool {
    *number == 0
}
