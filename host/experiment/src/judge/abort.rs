//! Aborts: rules that count consecutive looks, and the decision with all that it rests on.

use serde::{Deserialize, Serialize};

use crate::plan::{AbortNoData, AbortRule, Threshold};

/// That the trial ends now, why, and since when that could be known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AbortDecision {
    /// Which rule, from 0 in the file's order.
    pub rule: usize,
    /// Its condition, as it was written.
    pub condition: String,
    /// The consecutive looks that met it, the oldest first: at least one.
    pub looks: Vec<AbortLook>,
    /// When it was decided, in milliseconds since the Unix epoch.
    pub decided_at: i64,
}

impl AbortDecision {
    /// Returns the look that met the rule first: the breach.
    pub fn breach(&self) -> Option<&AbortLook> {
        self.looks.first()
    }
}

/// A look that met an abort's rule. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AbortLook {
    /// The value in the metric's unit, or the reason why it is missing, which counts as a breach.
    pub value: Result<f64, String>,
    /// When the value was so.
    pub sampled_at: i64,
    /// When it was asked for.
    pub asked_at: i64,
    /// When it was known.
    pub seen_at: i64,
}

/// One rule under way.
#[derive(Debug, Clone, Default)]
pub(super) struct Rule {
    looks: Vec<AbortLook>,
}

impl Rule {
    /// Takes a look, and returns those that the decision rests on once there are enough.
    pub(super) fn push(&mut self, rule: &AbortRule, look: AbortLook) -> Option<Vec<AbortLook>> {
        let Threshold::Fixed(threshold) = rule.condition.threshold else {
            return None;
        };
        let is_met = match &look.value {
            Ok(value) => rule.condition.operator.holds(*value, threshold),
            Err(_) if rule.no_data == AbortNoData::Breach => true,
            Err(_) => return None,
        };
        if !is_met {
            self.looks.clear();
            return None;
        }
        self.looks.push(look);
        (self.looks.len() >= rule.after as usize).then(|| std::mem::take(&mut self.looks))
    }
}
