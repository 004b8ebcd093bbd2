//! The counts of a workload: by the second, by phase, and in all. Bounded in size however long it runs.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use duress_experiment::NoData;
use duress_model::text::tame;

use super::client::{DETAIL_LIMIT, Failure, OTHER, TIMEOUT};
use super::latency::Latencies;
use super::measure::Measure;
use super::report::{ErrorCount, PhaseReport, Second};

/// The most kinds of failure that are told apart; further ones count as `other`.
const KIND_COUNT: usize = 24;
/// The most phases that are told apart; what comes later counts in the last.
const PHASE_COUNT: usize = 32;
/// The longest name of a phase, in bytes.
const PHASE_NAME: usize = 64;
/// The most seconds that [`Measure`]s look back on.
const WINDOW_SECONDS: usize = 300;
/// The most seconds that are kept until they are fetched: a day.
const ROW_COUNT: usize = 86_400;
/// Significant digits of the latencies of a second, and of a phase.
const SECOND_DIGITS: u8 = 2;
const PHASE_DIGITS: u8 = 3;

/// What became of operations.
#[derive(Debug, Clone, Default)]
struct Counts {
    started: u64,
    completed: u64,
    /// By the place of their kind in [`Tally::kinds`].
    failed: Vec<u64>,
}

impl Counts {
    fn fail(&mut self, kind: usize, times: u64) {
        if self.failed.len() <= kind {
            self.failed.resize(kind + 1, 0);
        }
        self.failed[kind] += times;
    }

    fn errors(&self) -> u64 {
        self.failed.iter().sum()
    }

    fn named(&self, kinds: &[ErrorCount]) -> BTreeMap<String, u64> {
        let pairs = kinds.iter().zip(&self.failed);
        pairs
            .filter(|(_, times)| **times > 0)
            .map(|(kind, times)| (kind.kind.clone(), *times))
            .collect()
    }

    /// Returns the share of failures among operations that ended.
    fn error_rate(&self) -> Option<f64> {
        let ended = self.completed + self.errors();
        (ended > 0).then(|| self.errors() as f64 / ended as f64)
    }
}

#[derive(Debug)]
struct OneSecond {
    index: u64,
    phase: String,
    counts: Counts,
    latencies: Latencies<u32>,
    late: Duration,
}

impl OneSecond {
    fn new(index: u64, phase: &str) -> Self {
        Self {
            index,
            phase: phase.to_owned(),
            counts: Counts::default(),
            latencies: Latencies::new(SECOND_DIGITS),
            late: Duration::ZERO,
        }
    }
}

#[derive(Debug)]
struct OnePhase {
    name: String,
    began: Instant,
    ended: Option<Instant>,
    counts: Counts,
    latencies: Latencies<u64>,
}

/// All counts of one workload.
#[derive(Debug)]
pub(crate) struct Tally {
    began: Instant,
    /// The same moment, in milliseconds since the Unix epoch.
    began_at: i64,
    kinds: Vec<ErrorCount>,
    second: OneSecond,
    window: VecDeque<OneSecond>,
    rows: VecDeque<Second>,
    phases: Vec<OnePhase>,
    under_way: u32,
    late: Latencies<u64>,
    due: u64,
    begun: u64,
}

impl Tally {
    pub(crate) fn new(began: Instant, began_at: i64, phase: &str) -> Self {
        let mut tally = Self {
            began,
            began_at,
            kinds: Vec::new(),
            second: OneSecond::new(0, phase),
            window: VecDeque::new(),
            rows: VecDeque::new(),
            phases: Vec::new(),
            under_way: 0,
            late: Latencies::new(SECOND_DIGITS),
            due: 0,
            begun: 0,
        };
        tally.begin_phase(phase, began);
        tally
    }

    pub(crate) fn begin_phase(&mut self, name: &str, now: Instant) {
        self.roll(now);
        if self.phases.len() == PHASE_COUNT {
            return;
        }
        if let Some(last) = self.phases.last_mut() {
            last.ended = Some(now);
        }
        self.phases.push(OnePhase {
            name: tame(name, PHASE_NAME),
            began: now,
            ended: None,
            counts: Counts::default(),
            latencies: Latencies::new(PHASE_DIGITS),
        });
    }

    /// An operation was due, and has begun.
    pub(crate) fn began(&mut self, due: Instant, now: Instant) {
        self.roll(now);
        let late = now.saturating_duration_since(due);
        self.late.record(late);
        self.second.late = self.second.late.max(late);
        self.due += 1;
        self.begun += 1;
        self.under_way += 1;
        self.each(|counts| counts.started += 1);
    }

    /// Operations were due, and found no place.
    pub(crate) fn not_begun(&mut self, times: u64, failure: &Failure, now: Instant) {
        self.roll(now);
        self.due += times;
        let kind = self.kind(failure, times);
        self.each(|counts| {
            counts.started += times;
            counts.fail(kind, times);
        });
    }

    /// An operation has ended.
    pub(crate) fn ended(&mut self, due: Instant, now: Instant, outcome: &Result<(), Failure>) {
        self.roll(now);
        self.under_way = self.under_way.saturating_sub(1);
        match outcome {
            Ok(()) => self.each(|counts| counts.completed += 1),
            Err(failure) => {
                let kind = self.kind(failure, 1);
                self.each(|counts| counts.fail(kind, 1));
            }
        }
        // What failed at once was not served: it must not make the latencies look better.
        if outcome
            .as_ref()
            .err()
            .is_none_or(|failure| failure.kind() == TIMEOUT)
        {
            let latency = now.saturating_duration_since(due);
            self.second.latencies.record(latency);
            if let Some(phase) = self.phases.last_mut() {
                phase.latencies.record(latency);
            }
        }
    }

    fn each(&mut self, mut change: impl FnMut(&mut Counts)) {
        change(&mut self.second.counts);
        if let Some(phase) = self.phases.last_mut() {
            change(&mut phase.counts);
        }
    }

    /// Counts a failure in all, and returns the place of its kind.
    fn kind(&mut self, failure: &Failure, times: u64) -> usize {
        let place =
            |kinds: &[ErrorCount], name: &str| kinds.iter().position(|one| one.kind == name);
        let name = match place(&self.kinds, failure.kind()) {
            None if self.kinds.len() >= KIND_COUNT => OTHER,
            _ => failure.kind(),
        };
        let found = place(&self.kinds, name).unwrap_or_else(|| {
            self.kinds.push(ErrorCount {
                kind: name.to_owned(),
                count: 0,
                example: tame(failure.detail(), DETAIL_LIMIT),
            });
            self.kinds.len() - 1
        });
        self.kinds[found].count += times;
        found
    }

    /// Ends every second that is over.
    pub(crate) fn roll(&mut self, now: Instant) {
        let index = now.saturating_duration_since(self.began).as_secs();
        while self.second.index < index {
            let phase = self.phases.last().map_or("", |phase| phase.name.as_str());
            let next = OneSecond::new(self.second.index + 1, phase);
            let over = std::mem::replace(&mut self.second, next);
            if self.rows.len() == ROW_COUNT {
                self.rows.pop_front();
            }
            self.rows.push_back(self.row(&over));
            if self.window.len() == WINDOW_SECONDS {
                self.window.pop_front();
            }
            self.window.push_back(over);
        }
    }

    fn row(&self, second: &OneSecond) -> Second {
        let offset = i64::try_from(second.index * 1_000).unwrap_or(i64::MAX);
        Second {
            at: self.began_at.saturating_add(offset),
            phase: second.phase.clone(),
            started: second.counts.started,
            completed: second.counts.completed,
            errors: second.counts.named(&self.kinds),
            in_flight: self.under_way,
            latency: second.latencies.summary(),
            late_us: u64::try_from(second.late.as_micros()).unwrap_or(u64::MAX),
        }
    }

    /// Returns the seconds that are over and were not fetched before.
    pub(crate) fn fetch(&mut self, now: Instant) -> Vec<Second> {
        self.roll(now);
        self.rows.drain(..).collect()
    }

    /// Returns a measure over the last so many whole seconds.
    pub(crate) fn measure(
        &mut self,
        measure: Measure,
        window: Duration,
        now: Instant,
    ) -> Result<f64, NoData> {
        self.roll(now);
        let wanted = usize::try_from(window.as_secs()).unwrap_or(usize::MAX);
        let wanted = wanted.clamp(1, WINDOW_SECONDS);
        let seconds = self.window.len().min(wanted);
        if seconds == 0 {
            return Err(none("the workload has run for less than a second".into()));
        }
        let last = || self.window.iter().skip(self.window.len() - seconds);
        let mut counts = Counts::default();
        for second in last() {
            counts.completed += second.counts.completed;
            for (kind, times) in second.counts.failed.iter().enumerate() {
                counts.fail(kind, *times);
            }
        }
        let share = match measure {
            Measure::Throughput => return Ok(counts.completed as f64 / seconds as f64),
            Measure::Errors => return Ok(counts.errors() as f64),
            Measure::ErrorRate => {
                return counts
                    .error_rate()
                    .ok_or_else(|| none(format!("no operation ended in the last {seconds} s")));
            }
            Measure::P50 => 0.5,
            Measure::P90 => 0.9,
            Measure::P99 => 0.99,
            Measure::Max => 1.0,
        };
        let mut latencies = Latencies::new(SECOND_DIGITS);
        last().for_each(|second| latencies.add(&second.latencies));
        let found = latencies.quantile(share);
        found.map(|us| us as f64 / 1e6).ok_or_else(|| {
            let why = match counts.errors() {
                0 => format!("no operation ended in the last {seconds} s"),
                errors => format!("all {errors} operations of the last {seconds} s failed"),
            };
            none(why)
        })
    }

    /// How late operations were begun.
    pub(crate) fn late(&self) -> &Latencies<u64> {
        &self.late
    }

    /// How many operations were due.
    pub(crate) fn due(&self) -> u64 {
        self.due
    }

    /// How many operations were begun.
    pub(crate) fn begun(&self) -> u64 {
        self.begun
    }

    /// Returns the failures of all phases, the most frequent first.
    pub(crate) fn errors(&self) -> Vec<ErrorCount> {
        let mut errors = self.kinds.clone();
        errors.sort_by(|a, b| b.count.cmp(&a.count).then(a.kind.cmp(&b.kind)));
        errors
    }

    /// Returns what became of operations in each phase until now.
    pub(crate) fn phases(&self, now: Instant) -> Vec<PhaseReport> {
        let report = |phase: &OnePhase| {
            let ended = phase.ended.unwrap_or(now);
            let seconds = ended.saturating_duration_since(phase.began).as_secs_f64();
            let offset = phase
                .began
                .saturating_duration_since(self.began)
                .as_millis();
            let offset = i64::try_from(offset).unwrap_or(i64::MAX);
            let counts = &phase.counts;
            PhaseReport {
                name: phase.name.clone(),
                began_at: self.began_at.saturating_add(offset),
                seconds,
                started: counts.started,
                completed: counts.completed,
                errors: counts.named(&self.kinds),
                throughput: if seconds > 0.0 {
                    counts.completed as f64 / seconds
                } else {
                    0.0
                },
                error_rate: counts.error_rate(),
                latency: phase.latencies.summary(),
            }
        };
        let reports = self.phases.iter().map(report);
        // A phase that was renamed before anything happened in it.
        reports
            .filter(|phase| {
                phase.started > 0
                    || phase.completed > 0
                    || !phase.errors.is_empty()
                    || phase.seconds > 0.0
            })
            .collect()
    }
}

fn none(reason: String) -> NoData {
    NoData { reason }
}
