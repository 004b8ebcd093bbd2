//! What one look at a metric says of one condition, and many looks in a row.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

use crate::plan::{Allowance, Condition, ExpectNoData, Expectation, Threshold};

/// What one look says of a condition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Look {
    /// It holds.
    Good,
    /// It does not, or a missing value counts so.
    Breach,
    /// The value is missing, and the condition is unknown.
    Unknown,
    /// The value is missing, and that does not matter.
    Ignored,
}

impl Look {
    /// Returns what a value says of an expectation; without a threshold as without a value.
    pub(super) fn of(
        expectation: &Expectation,
        value: Option<f64>,
        threshold: Option<f64>,
    ) -> Self {
        match (value, threshold, expectation.no_data) {
            (Some(value), Some(threshold), _) => {
                match expectation.condition.operator.holds(value, threshold) {
                    true => Self::Good,
                    false => Self::Breach,
                }
            }
            (_, _, ExpectNoData::Breach) => Self::Breach,
            (_, _, ExpectNoData::Inconclusive) => Self::Unknown,
            (_, _, ExpectNoData::Ignore) => Self::Ignored,
        }
    }
}

/// Returns a condition's threshold in the metric's unit, given the metric's mean over the baseline.
pub(super) fn threshold(condition: &Condition, baseline: Option<f64>) -> Option<f64> {
    match condition.threshold {
        Threshold::Fixed(value) => Some(value),
        Threshold::Baseline(factor) => baseline.map(|mean| mean * factor),
    }
}

/// How often a condition was looked at, and what was seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Looks in which it held.
    pub good: u64,
    /// Looks in which it did not hold, or in which a missing value counted so.
    pub breaches: u64,
    /// Looks without a value, those that counted as breaches included.
    pub no_data: u64,
}

/// Looks in a row, held against an allowance. It keeps no more than the allowance looks back over.
#[derive(Debug, Clone)]
pub(super) struct Run {
    allowance: Allowance,
    last: VecDeque<Look>,
    breaches: u32,
    unknown: u32,
    /// There were more breaches than are allowed.
    pub(super) is_exceeded: bool,
    /// There may have been, for all that missing values hide.
    pub(super) may_be_exceeded: bool,
}

impl Run {
    pub(super) fn new(allowance: Option<Allowance>) -> Self {
        Self {
            allowance: allowance.unwrap_or(Allowance { breaches: 0, of: 1 }),
            last: VecDeque::new(),
            breaches: 0,
            unknown: 0,
            is_exceeded: false,
            may_be_exceeded: false,
        }
    }

    /// Returns whether nothing was looked at yet.
    pub(super) fn is_new(&self) -> bool {
        self.last.is_empty()
    }

    pub(super) fn push(&mut self, look: Look) {
        if look == Look::Ignored {
            return;
        }
        if self.last.len() >= self.allowance.of as usize {
            match self.last.pop_front() {
                Some(Look::Breach) => self.breaches -= 1,
                Some(Look::Unknown) => self.unknown -= 1,
                _ => {}
            }
        }
        self.last.push_back(look);
        self.breaches += u32::from(look == Look::Breach);
        self.unknown += u32::from(look == Look::Unknown);
        self.is_exceeded |= self.breaches > self.allowance.breaches;
        self.may_be_exceeded |= self.breaches + self.unknown > self.allowance.breaches;
    }
}
