//! The time of an experiment: this machine's at the start, and what has passed since, so that no time is negative.

use tokio::time::Instant;

#[derive(Debug, Clone, Copy)]
pub(super) struct Clock {
    began_at: i64,
    began: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        Self {
            began_at: jiff::Timestamp::now().as_millisecond(),
            began: Instant::now(),
        }
    }

    /// Returns the time now, in milliseconds since the Unix epoch.
    pub(super) fn now(&self) -> i64 {
        self.at(Instant::now())
    }

    /// Returns the time of a moment after the start.
    pub(super) fn at(&self, moment: Instant) -> i64 {
        let passed = moment.saturating_duration_since(self.began);
        let passed = i64::try_from(passed.as_millis()).unwrap_or(i64::MAX);
        self.began_at.saturating_add(passed)
    }
}
