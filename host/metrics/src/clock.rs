//! The time that samples carry.

use std::time::Duration;

use tokio::time::Instant;

/// The time of this machine as it was at the start, and what has passed since: so that samples of one trial are in order whatever
/// becomes of the machine's time, and simulated time passes here too.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began_at: i64,
    began: Instant,
}

impl Clock {
    /// Returns a clock that starts now.
    pub fn start() -> Self {
        Self {
            began_at: jiff::Timestamp::now().as_millisecond(),
            began: Instant::now(),
        }
    }

    /// Returns the time now, in milliseconds since the Unix epoch.
    pub fn now(&self) -> i64 {
        self.at(Instant::now())
    }

    /// Returns the time of a moment after the start, in milliseconds since the Unix epoch.
    pub fn at(&self, moment: Instant) -> i64 {
        let passed = moment.saturating_duration_since(self.began);
        self.began_at.saturating_add_unsigned(millis(passed))
    }
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
