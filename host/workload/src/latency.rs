//! Latencies in a histogram of bounded size.

use std::time::Duration;

use hdrhistogram::{Counter, Histogram};
use serde::{Deserialize, Serialize};

/// The longest latency that a histogram tells apart, in microseconds: an hour.
const LONGEST_US: u64 = 3_600_000_000;

/// Latencies in microseconds: the values below which these parts of all lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Half of them.
    pub p50_us: u64,
    /// Nine in ten.
    pub p90_us: u64,
    /// 99 in a hundred.
    pub p99_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// Latencies, counted.
#[derive(Debug, Clone)]
pub(crate) struct Latencies<C: Counter> {
    histogram: Histogram<C>,
    /// Exact, unlike the histogram's.
    max_us: u64,
}

impl<C: Counter> Latencies<C> {
    /// Counts with so many significant decimal digits, 1 to 3.
    pub(crate) fn new(digits: u8) -> Self {
        let histogram = Histogram::new_with_bounds(1, LONGEST_US, digits)
            .expect("the bounds are constants that fit each other");
        Self {
            histogram,
            max_us: 0,
        }
    }

    pub(crate) fn record(&mut self, latency: Duration) {
        let latency = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.max_us = self.max_us.max(latency);
        self.histogram.saturating_record(latency.max(1));
    }

    pub(crate) fn add(&mut self, other: &Self) {
        self.max_us = self.max_us.max(other.max_us);
        // Both have the same bounds.
        let _ = self.histogram.add(&other.histogram);
    }

    /// Returns the value below which a share of all values is, in microseconds; `None` if there are none.
    pub(crate) fn quantile(&self, share: f64) -> Option<u64> {
        // The histogram gives the end of a value's range.
        (!self.histogram.is_empty())
            .then(|| self.histogram.value_at_quantile(share).min(self.max_us))
    }

    pub(crate) fn summary(&self) -> Option<Latency> {
        Some(Latency {
            p50_us: self.quantile(0.5)?,
            p90_us: self.quantile(0.9)?,
            p99_us: self.quantile(0.99)?,
            max_us: self.max_us,
        })
    }
}
