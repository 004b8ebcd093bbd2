//! The trait behind which each source is.

use std::time::Duration;

use async_trait::async_trait;

/// What one look found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Found {
    /// In the metric's unit.
    pub(crate) value: f64,
    /// How long before the answer the value was so, where the source tells it.
    pub(crate) age: Duration,
}

impl Found {
    /// A value of this moment.
    pub(crate) fn now(value: f64) -> Self {
        Self {
            value,
            age: Duration::ZERO,
        }
    }
}

/// Why a look found nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Nothing {
    /// One line for a person.
    pub(crate) reason: String,
    /// What is asked is wrong in itself: asking again will not help.
    pub(crate) is_wrong: bool,
}

impl From<String> for Nothing {
    fn from(reason: String) -> Self {
        Self {
            reason,
            is_wrong: false,
        }
    }
}

impl From<&str> for Nothing {
    fn from(reason: &str) -> Self {
        reason.to_owned().into()
    }
}

/// A value of a past moment, in milliseconds since the Unix epoch; or the reason for none.
pub(crate) type Point = (i64, Result<f64, String>);

/// A place that values come from.
#[async_trait]
pub(crate) trait Look: Send {
    /// Looks once, in at most so long. The caller ends a look that takes longer.
    async fn look(&mut self, limit: Duration) -> Result<Found, Nothing>;

    /// Reads a past window again, at points that are a step apart. `None` where the source keeps no past.
    async fn look_back(&mut self, _: Window) -> Option<Result<Vec<Point>, Nothing>> {
        None
    }
}

/// A past window, in milliseconds since the Unix epoch by this machine's clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Window {
    /// Its first point.
    pub(crate) from: i64,
    /// Its end.
    pub(crate) to: i64,
    /// From one point to the next, in milliseconds.
    pub(crate) step: u64,
    /// For the whole look.
    pub(crate) limit: Duration,
}
