//! Recovery as a curve: when every condition was good for the first time, and when that has held.

use serde::{Deserialize, Serialize};

use super::look::{Look, Run};
use crate::plan::Allowance;

/// When the system was back. Times are milliseconds since the end of the rollback, by the samples' own times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recovery {
    /// When every condition held for the first time.
    pub first_good_ms: Option<i64>,
    /// When the time began in which every condition held without a break.
    pub held_from_ms: Option<i64>,
    /// When it had held for long enough.
    pub held_ms: Option<i64>,
}

/// What a look changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    FirstGood(i64),
    Held { from: i64, at: i64 },
}

/// The looks after the rollback.
#[derive(Debug, Clone)]
pub(super) struct Recovering {
    hold_ms: i64,
    conditions: Vec<Latest>,
    first_good: Option<i64>,
    since: Option<i64>,
    held: Option<(i64, i64)>,
}

#[derive(Debug, Clone)]
struct Latest {
    allowance: Option<Allowance>,
    /// When the latest look was, if the condition holds since.
    good_at: Option<i64>,
    run: Run,
}

impl Recovering {
    pub(super) fn new(hold_ms: u64, allowances: impl Iterator<Item = Option<Allowance>>) -> Self {
        let conditions = allowances.map(|allowance| Latest {
            allowance,
            good_at: None,
            run: Run::new(allowance),
        });
        Self {
            hold_ms: i64::try_from(hold_ms).unwrap_or(i64::MAX),
            conditions: conditions.collect(),
            first_good: None,
            since: None,
            held: None,
        }
    }

    /// Returns whether it has held; without any condition there is nothing to recover.
    pub(super) fn has_held(&self) -> bool {
        self.held.is_some() || self.conditions.is_empty()
    }

    /// Takes a look at a condition, at the time at which the value was so.
    pub(super) fn push(&mut self, condition: usize, look: Look, at: i64) -> Vec<Change> {
        let Some(latest) = self.conditions.get_mut(condition) else {
            return Vec::new();
        };
        if look == Look::Ignored || self.held.is_some() {
            return Vec::new();
        }
        latest.run.push(look);
        // A breach that is allowed breaks no time that has begun, and begins none.
        let is_borne = look == Look::Good || (self.since.is_some() && !latest.run.may_be_exceeded);
        if !is_borne {
            latest.good_at = None;
            self.begin_again(None);
            return Vec::new();
        }
        latest.good_at = Some(latest.good_at.map_or(at, |before| before.max(at)));
        let times = self.conditions.iter().map(|latest| latest.good_at);
        let Some(times) = times.collect::<Option<Vec<i64>>>() else {
            return Vec::new();
        };
        let (earliest, newest) = (times.iter().min(), times.iter().max());
        let (Some(earliest), Some(newest)) = (earliest.copied(), newest.copied()) else {
            return Vec::new();
        };
        let mut changes = Vec::new();
        let since = match self.since {
            Some(since) => since,
            None => {
                self.begin_again(Some(newest));
                if self.first_good.is_none() {
                    self.first_good = Some(newest);
                    changes.push(Change::FirstGood(newest));
                }
                newest
            }
        };
        if earliest >= since.saturating_add(self.hold_ms) {
            self.held = Some((since, newest));
            changes.push(Change::Held {
                from: since,
                at: newest,
            });
        }
        changes
    }

    fn begin_again(&mut self, since: Option<i64>) {
        self.since = since;
        for latest in &mut self.conditions {
            latest.run = Run::new(latest.allowance);
        }
    }

    pub(super) fn recovery(&self, rolled_back_at: i64) -> Recovery {
        let from = |at: i64| at.saturating_sub(rolled_back_at);
        Recovery {
            first_good_ms: self.first_good.map(from),
            held_from_ms: self.held.map(|(since, _)| from(since)),
            held_ms: self.held.map(|(_, at)| from(at)),
        }
    }
}
