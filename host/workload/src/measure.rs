//! What is asked of the last seconds.

use std::str::FromStr;

/// What can be measured of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Operations that succeeded, per second.
    Throughput,
    /// The share of operations that failed among those that ended, from 0 to 1.
    ErrorRate,
    /// How many operations failed.
    Errors,
    /// The latency below which half of them lie, in seconds.
    P50,
    /// As `P50`, for nine in ten.
    P90,
    /// As `P50`, for 99 in a hundred.
    P99,
    /// The longest latency, in seconds.
    Max,
}

impl Measure {
    /// Every measure, by the name that a campaign calls it.
    pub const ALL: [(&'static str, Self); 7] = [
        ("throughput", Self::Throughput),
        ("error_rate", Self::ErrorRate),
        ("errors", Self::Errors),
        ("p50", Self::P50),
        ("p90", Self::P90),
        ("p99", Self::P99),
        ("max", Self::Max),
    ];
}

impl FromStr for Measure {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.iter().find(|(known, _)| *known == name);
        found.map(|(_, measure)| *measure).ok_or_else(|| {
            let names: Vec<_> = Self::ALL.iter().map(|(name, _)| *name).collect();
            format!(
                "a workload has no measure `{}`; it has {}",
                duress_model::text::tame(name, 64),
                names.join(", ")
            )
        })
    }
}
