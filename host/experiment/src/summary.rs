//! A metric's values in one phase, as few numbers.

use serde::{Deserialize, Serialize};

/// A metric's values in one phase. It grows with no number of samples.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Values.
    pub count: u64,
    /// Looks without a value.
    pub no_data: u64,
    /// Mean of the values; absent without any.
    pub mean: Option<f64>,
    /// Least value.
    pub min: Option<f64>,
    /// Greatest value.
    pub max: Option<f64>,
}

impl Summary {
    /// Adds a look: a finite value, or none.
    pub(crate) fn add(&mut self, value: Option<f64>) {
        let Some(value) = value else {
            self.no_data += 1;
            return;
        };
        self.count += 1;
        let mean = self.mean.unwrap_or(0.0);
        // Divided before they are subtracted: the sum of large values would not be finite.
        #[expect(clippy::cast_precision_loss, reason = "no trial has 2^53 samples")]
        let count = self.count as f64;
        self.mean = Some(mean + (value / count - mean / count));
        self.min = Some(self.min.map_or(value, |min| min.min(value)));
        self.max = Some(self.max.map_or(value, |max| max.max(value)));
    }
}

/// A metric's values before, during and after the fault. Looks while it was being injected or rolled back are in none of them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetricSummary {
    /// The metric.
    pub metric: String,
    /// Over the baseline.
    pub before: Summary,
    /// While the fault was in force.
    pub during: Summary,
    /// After the rollback.
    pub after: Summary,
}

impl MetricSummary {
    pub(crate) fn new(metric: &str) -> Self {
        Self {
            metric: metric.to_owned(),
            before: Summary::default(),
            during: Summary::default(),
            after: Summary::default(),
        }
    }
}
