//! A container's limits, and what they were before a change, in the engine's own units.

use serde::{Deserialize, Serialize};

/// Limits on a container's resources; an absent one is left as it is (setting) or unlimited (asking).
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Processors, e.g. 0.5.
    pub cpus: Option<f64>,
    /// Bytes of memory, swap included.
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u32>,
}

/// How far two numbers of processors may differ and be the same: the kernel counts in microseconds of a period.
const SAME_CPUS: f64 = 0.000_5;
/// More than any machine has: no limit. In bytes, and in processors.
const UNLIMITED_MEMORY: i64 = 1 << 50;
const UNLIMITED_CPUS: f64 = 1e6;
/// The scheduler's period that a quota refers to where none is said, in microseconds: the kernel's own default.
pub const PERIOD: i64 = 100_000;

impl Limits {
    /// Whether a container can be limited so.
    ///
    /// # Errors
    /// What is wrong, to stand behind a change's name.
    pub fn check(&self) -> Result<(), String> {
        if *self == Self::default() {
            return Err("limits nothing".into());
        }
        if let Some(cpus) = self.cpus
            && !(cpus.is_finite() && cpus > 0.0)
        {
            return Err(format!(
                "limits a container to {cpus} processors: it must be a number above 0"
            ));
        }
        if self.memory_bytes == Some(0) || self.pids == Some(0) {
            return Err("limits a container to no memory or no processes at all".into());
        }
        Ok(())
    }

    /// Returns what of these limits would give a container as much as it has, or more.
    pub fn raised_over(&self, had: &Self) -> Option<String> {
        let mib = |bytes: u64| bytes >> 20;
        if let (Some(cpus), Some(had)) = (self.cpus, had.cpus)
            && cpus > had - SAME_CPUS
        {
            return Some(format!("it has {had} processors, no more than {cpus}"));
        }
        if let (Some(bytes), Some(had)) = (self.memory_bytes, had.memory_bytes)
            && bytes >= had
        {
            return Some(format!(
                "it has {} MiB of memory, no more than {}",
                mib(had),
                mib(bytes)
            ));
        }
        if let (Some(pids), Some(had)) = (self.pids, had.pids)
            && pids >= had
        {
            return Some(format!("it has {had} processes, no more than {pids}"));
        }
        None
    }

    /// Returns the tighter of both, of each kind; a kind that only one of them limits is as that one has it.
    #[must_use]
    pub fn tightest(self, other: Self) -> Self {
        fn least<T: PartialOrd>(one: Option<T>, other: Option<T>) -> Option<T> {
            match (one, other) {
                (Some(one), Some(other)) => Some(if other < one { other } else { one }),
                (one, other) => one.or(other),
            }
        }
        Self {
            cpus: least(self.cpus, other.cpus),
            memory_bytes: least(self.memory_bytes, other.memory_bytes),
            pids: least(self.pids, other.pids),
        }
    }

    /// These limits, of the kinds that the other has alone.
    #[must_use]
    pub fn of_kinds(self, kinds: &Self) -> Self {
        Self {
            cpus: self.cpus.filter(|_| kinds.cpus.is_some()),
            memory_bytes: self.memory_bytes.filter(|_| kinds.memory_bytes.is_some()),
            pids: self.pids.filter(|_| kinds.pids.is_some()),
        }
    }

    /// These limits, without the kinds that the other has.
    #[must_use]
    pub fn without(self, kinds: &Self) -> Self {
        Self {
            cpus: self.cpus.filter(|_| kinds.cpus.is_none()),
            memory_bytes: self.memory_bytes.filter(|_| kinds.memory_bytes.is_none()),
            pids: self.pids.filter(|_| kinds.pids.is_none()),
        }
    }

    /// Returns whether a container that has these is limited at least as tightly as is wanted.
    pub fn holds(&self, wanted: &Self) -> bool {
        fn within<T>(has: Option<T>, wanted: Option<T>, fits: impl Fn(T, T) -> bool) -> bool {
            match (has, wanted) {
                (_, None) => true,
                (None, Some(_)) => false,
                (Some(has), Some(wanted)) => fits(has, wanted),
            }
        }
        within(self.cpus, wanted.cpus, |has, wanted| {
            has <= wanted + SAME_CPUS
        }) && within(self.memory_bytes, wanted.memory_bytes, |has, wanted| {
            has <= wanted
        }) && within(self.pids, wanted.pids, |has, wanted| has <= wanted)
    }
}

/// A container's limits as the engine keeps them, in the units in which they were set: what is restored is exactly what was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitsRecord {
    /// Billionths of a processor; 0 where the quota counts.
    pub nano_cpus: i64,
    /// Microseconds of processor time in each period; 0 and below: no limit.
    pub cpu_quota: i64,
    /// Microseconds; 0: the kernel's own.
    pub cpu_period: i64,
    /// Bytes; 0 and below: no limit.
    pub memory: i64,
    /// Bytes of memory and swap together; -1: no limit.
    pub memory_swap: i64,
    /// Bytes that are kept for it when memory is short; 0: none.
    pub memory_reservation: i64,
    /// Processes and threads; 0 and below: no limit.
    pub pids: i64,
}

impl LimitsRecord {
    /// Returns the limits that count.
    pub fn limits(&self) -> Limits {
        let positive = |number: i64| (number > 0).then_some(number);
        let nano = positive(self.nano_cpus).map(|nano| nano as f64 / 1e9);
        let quota = positive(self.cpu_quota)
            .map(|quota| quota as f64 / positive(self.cpu_period).unwrap_or(PERIOD) as f64)
            .filter(|cpus| *cpus < UNLIMITED_CPUS);
        let memory = positive(self.memory).filter(|bytes| *bytes < UNLIMITED_MEMORY);
        Limits {
            cpus: nano.or(quota),
            memory_bytes: memory.map(i64::unsigned_abs),
            pids: positive(self.pids).and_then(|pids| u32::try_from(pids).ok()),
        }
    }

    /// This record, with the kinds that a change limits taken from an earlier one.
    #[must_use]
    pub fn with_earlier(mut self, earlier: &Self, kinds: &Limits) -> Self {
        if kinds.cpus.is_some() {
            self.nano_cpus = earlier.nano_cpus;
            self.cpu_quota = earlier.cpu_quota;
            self.cpu_period = earlier.cpu_period;
        }
        if kinds.memory_bytes.is_some() {
            self.memory = earlier.memory;
            self.memory_swap = earlier.memory_swap;
            self.memory_reservation = earlier.memory_reservation;
        }
        if kinds.pids.is_some() {
            self.pids = earlier.pids;
        }
        self
    }

    /// Returns whether both say the same of the kinds that a change limits; numbers that mean "no limit" are all the same.
    pub fn is_same(&self, other: &Self, kinds: &Limits) -> bool {
        let limit = |number: i64| (number > 0 && number < UNLIMITED_MEMORY).then_some(number);
        let period = |record: &Self| limit(record.cpu_period).unwrap_or(PERIOD);
        let cpus = |record: &Self| {
            let quota = limit(record.cpu_quota);
            (
                limit(record.nano_cpus),
                quota,
                quota.map(|_| period(record)),
            )
        };
        let memory = |record: &Self| {
            let memory = limit(record.memory);
            let swap = memory.and_then(|_| limit(record.memory_swap));
            (memory, swap, limit(record.memory_reservation))
        };
        (kinds.cpus.is_none() || cpus(self) == cpus(other))
            && (kinds.memory_bytes.is_none() || memory(self) == memory(other))
            && (kinds.pids.is_none() || limit(self.pids) == limit(other.pids))
    }
}

/// As the simulated machine keeps them.
impl From<Limits> for LimitsRecord {
    fn from(limits: Limits) -> Self {
        let memory = limits
            .memory_bytes
            .map_or(0, |bytes| i64::try_from(bytes).unwrap_or(i64::MAX));
        Self {
            nano_cpus: limits.cpus.map_or(0, |cpus| (cpus * 1e9).round() as i64),
            memory,
            memory_swap: memory,
            pids: limits.pids.map_or(0, i64::from),
            ..Self::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpus(cpus: f64) -> Limits {
        Limits {
            cpus: Some(cpus),
            ..Limits::default()
        }
    }

    #[test]
    fn a_limit_that_raises_or_changes_nothing_is_told() {
        let had = Limits {
            cpus: Some(0.5),
            memory_bytes: Some(256 << 20),
            pids: Some(50),
        };
        let memory = |mib: u64| Limits {
            memory_bytes: Some(mib << 20),
            ..Limits::default()
        };
        let pids = |pids| Limits {
            pids: Some(pids),
            ..Limits::default()
        };
        for wanted in [cpus(0.5), cpus(2.0), memory(1000), memory(256), pids(5000)] {
            assert!(wanted.raised_over(&had).is_some(), "{wanted:?}");
        }
        for wanted in [cpus(0.25), memory(128), pids(49)] {
            assert_eq!(wanted.raised_over(&had), None, "{wanted:?}");
            assert_eq!(wanted.raised_over(&Limits::default()), None, "{wanted:?}");
        }
    }

    #[test]
    fn the_tighter_of_two_holds() {
        let one = cpus(0.5);
        let other = Limits {
            cpus: Some(0.25),
            pids: Some(9),
            ..Limits::default()
        };
        assert_eq!(one.tightest(other), other);
        assert_eq!(other.tightest(one), other);
        assert_eq!(other.of_kinds(&one), cpus(0.25));
        assert!(cpus(0.25).holds(&one) && !one.holds(&other));
    }

    #[test]
    fn every_way_to_say_no_limit_is_the_same_and_units_are_not() {
        let all = Limits {
            cpus: Some(1.0),
            memory_bytes: Some(1),
            pids: Some(1),
        };
        let none = LimitsRecord::default();
        let lifted = LimitsRecord {
            cpu_quota: -1,
            cpu_period: PERIOD,
            memory: i64::MAX - 4095,
            memory_swap: i64::MAX - 4095,
            pids: -1,
            ..none
        };
        assert!(none.is_same(&lifted, &all));
        assert_eq!(lifted.limits(), Limits::default());
        let quota = |cpu_quota, cpu_period| LimitsRecord {
            cpu_quota,
            cpu_period,
            ..none
        };
        assert!(!quota(37_000, 50_000).is_same(&quota(74_000, 100_000), &all));
        let swap = |memory_swap| LimitsRecord {
            memory: 200 << 20,
            memory_swap,
            ..none
        };
        assert!(!swap(400 << 20).is_same(&swap(200 << 20), &all));
    }
}
