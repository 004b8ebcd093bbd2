//! The judge: from samples to a verdict, an abort, and a recovery.
//!
//! It has no clock and asks for nothing: the caller says what was measured and when the phases change. The same samples and times give
//! the same result, so a trial can be judged again from its rows. It must never count a missing value as a good one.
//!
//! A sample belongs to the phase in which its value was so ([`Sample::sampled_at`], but not after it was seen), which may be over by
//! the time it arrives. Looks from the beginning of the injection to the end of the rollback count as breaches where they are; as
//! observations they count only while the fault was wholly in force.

use serde::{Deserialize, Serialize};

use crate::plan::{Allowance, ExpectNoData, Plan, Threshold};
use crate::sample::Sample;
use crate::summary::{MetricSummary, Summary};

mod abort;
mod baseline;
mod look;
mod recovery;

pub use abort::{AbortDecision, AbortLook};
pub use baseline::{BaselineCheck, BaselineCondition};
pub use look::Counts;
pub use recovery::Recovery;

use abort::Rule;
use look::{Look, Run, threshold};
use recovery::{Change, Recovering};

/// What is to be said of a condition, or of the whole hypothesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It held while the fault was in force.
    Maintained,
    /// It did not.
    Violated,
    /// Values are missing that could have made the difference.
    Inconclusive,
    /// There was not one look with a value while the fault was in force, so the trial proves nothing.
    NotObserved,
}

/// Something that a sample showed. Times are milliseconds since the Unix epoch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A condition of the hypothesis does not hold any longer.
    BreachBegan {
        /// Which, from 0.
        condition: usize,
        /// The value; none where a missing one counts as a breach.
        value: Option<f64>,
        /// What it was compared with.
        threshold: Option<f64>,
        /// When the value was so.
        at: i64,
    },
    /// It holds again.
    BreachEnded {
        /// Which, from 0.
        condition: usize,
        /// The value.
        value: f64,
        /// When the value was so.
        at: i64,
    },
    /// The trial must end now.
    Aborted(AbortDecision),
    /// Every condition holds for the first time after the rollback.
    FirstGood {
        /// When.
        at: i64,
    },
    /// Every condition has held for long enough after the rollback.
    Held {
        /// Since when.
        from: i64,
        /// When that was sure.
        at: i64,
    },
}

/// What is to be said of one condition.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConditionVerdict {
    /// As it was written.
    pub condition: String,
    /// What is to be said.
    pub verdict: Verdict,
    /// What values were compared with, in the metric's unit. Absent where a baseline has no mean.
    pub threshold: Option<f64>,
    /// Breaches that are allowed.
    pub allow: Option<Allowance>,
    /// Looks while the fault was in force.
    pub during: Counts,
    /// The value that was farthest on the wrong side; without one, the one that came nearest to it.
    pub worst: Option<f64>,
    /// When the first breach was, in milliseconds since the Unix epoch.
    pub first_breach_at: Option<i64>,
}

/// All that is to be said at the end of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Judgement {
    /// Whether the baseline held; absent where it was not finished.
    pub baseline: Option<BaselineCheck>,
    /// The whole hypothesis; absent without conditions.
    pub hypothesis: Option<Verdict>,
    /// Each of its conditions.
    pub conditions: Vec<ConditionVerdict>,
    /// Why the trial was ended for safety.
    pub abort: Option<AbortDecision>,
    /// The recovery; absent where nothing was rolled back.
    pub recovery: Option<Recovery>,
    /// Each metric before, during and after.
    pub metrics: Vec<MetricSummary>,
    /// When those parts began.
    #[serde(default)]
    pub times: Times,
}

/// When the parts of a trial began, in milliseconds since the Unix epoch; each is absent where the trial did not come so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// The end of the baseline: the injection begins.
    pub injecting: Option<i64>,
    /// The fault was wholly in force.
    pub in_force: Option<i64>,
    /// The first revert began.
    pub rolling_back: Option<i64>,
    /// Every change was reverted.
    pub rolled_back: Option<i64>,
}

/// What part of a trial a time is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The baseline is measured.
    Before,
    /// The fault is being injected or rolled back.
    Between,
    /// The fault is wholly in force.
    During,
    /// Every change is reverted.
    After,
}

impl Times {
    /// Returns the part that a time is in, given in milliseconds since the Unix epoch.
    pub fn part(&self, at: i64) -> Part {
        let is_past = |mark: Option<i64>| mark.is_some_and(|mark| at >= mark);
        if is_past(self.rolled_back) {
            Part::After
        } else if is_past(self.rolling_back) {
            Part::Between
        } else if is_past(self.in_force) {
            Part::During
        } else if is_past(self.injecting) {
            Part::Between
        } else {
            Part::Before
        }
    }
}

/// One condition of the hypothesis under way.
#[derive(Debug)]
struct Watched {
    /// Before the fault, and from its injection on.
    before: Run,
    since: Run,
    /// The latest look of the baseline had a value.
    has_value: bool,
    is_breached: bool,
    during: Counts,
    worst: Option<f64>,
    first_breach_at: Option<i64>,
}

/// Judges one trial. Begins with the baseline.
#[derive(Debug)]
pub struct Judge {
    plan: Plan,
    times: Times,
    metrics: Vec<MetricSummary>,
    watched: Vec<Watched>,
    rules: Vec<Rule>,
    recovering: Recovering,
    baseline: Option<BaselineCheck>,
    abort: Option<AbortDecision>,
}

impl Judge {
    /// Returns the judge of a trial whose baseline begins.
    pub fn new(plan: &Plan) -> Self {
        let watched = plan.expect.iter().map(|expectation| Watched {
            before: Run::new(expectation.allow),
            since: Run::new(expectation.allow),
            has_value: false,
            is_breached: false,
            during: Counts::default(),
            worst: None,
            first_breach_at: None,
        });
        Self {
            times: Times::default(),
            metrics: plan
                .metrics
                .iter()
                .map(|metric| MetricSummary::new(&metric.name))
                .collect(),
            watched: watched.collect(),
            rules: vec![Rule::default(); plan.abort.len()],
            recovering: Recovering::new(plan.hold_ms, plan.expect.iter().map(|e| e.allow)),
            baseline: None,
            abort: None,
            plan: plan.clone(),
        }
    }

    /// Ends the baseline, and returns whether it held. The injection begins now.
    pub fn end_baseline(&mut self, now: i64) -> BaselineCheck {
        let check = self.check_baseline();
        self.baseline = Some(check.clone());
        self.times.injecting.get_or_insert(now);
        check
    }

    /// Notes that the fault is wholly in force; of a trial without a fault, that its watch begins.
    pub fn fault_in_force(&mut self, now: i64) {
        self.times.injecting.get_or_insert(now);
        self.times.in_force.get_or_insert(now);
    }

    /// Notes that the first revert begins.
    pub fn rollback_began(&mut self, now: i64) {
        self.times.rolling_back.get_or_insert(now);
    }

    /// Notes that every change is reverted. The recovery begins.
    pub fn rolled_back(&mut self, now: i64) {
        self.times.rolling_back.get_or_insert(now);
        self.times.rolled_back.get_or_insert(now);
    }

    /// Returns whether the recovery has held. Without a hypothesis there is nothing to wait for.
    pub fn has_recovered(&self) -> bool {
        self.times.rolled_back.is_some() && self.recovering.has_held()
    }

    /// Returns until when the recovery must have held, in milliseconds since the Unix epoch; nothing before the rollback is done.
    pub fn recovery_deadline(&self) -> Option<i64> {
        let within = i64::try_from(self.plan.recover_within_ms).unwrap_or(i64::MAX);
        Some(self.times.rolled_back?.saturating_add(within))
    }

    /// Returns the abort that was decided.
    pub fn abort(&self) -> Option<&AbortDecision> {
        self.abort.as_ref()
    }

    /// Takes a sample that is known since `now` (milliseconds since the Unix epoch), and returns what it shows. A metric that is not in the
    /// plan shows nothing.
    pub fn observe(&mut self, sample: &Sample, now: i64) -> Vec<Event> {
        let Some(index) = self.metrics.iter().position(|m| m.metric == sample.metric) else {
            return Vec::new();
        };
        // A source's clock may be ahead of ours.
        let at = sample.sampled_at.min(now);
        let value = match &sample.value {
            Ok(value) if value.is_finite() => Ok(*value),
            Ok(value) => Err(format!("the value is {value}")),
            Err(missing) => Err(missing.reason.clone()),
        };
        let mut events = self.aborts(sample, index, at, now, &value);
        let value = value.ok();
        let part = self.times.part(at);
        let summary = &mut self.metrics[index];
        match part {
            // What its mean is compared with was said; it does not change behind that.
            Part::Before if self.baseline.is_none() => summary.before.add(value),
            Part::During => summary.during.add(value),
            Part::After => summary.after.add(value),
            Part::Before | Part::Between => {}
        }
        for condition in 0..self.watched.len() {
            if self.plan.expect[condition].condition.metric == sample.metric {
                self.look(condition, part, value, at, &mut events);
            }
        }
        events
    }

    /// Rules end a trial while there is something to revert, or to leave undone.
    fn aborts(
        &mut self,
        sample: &Sample,
        metric: usize,
        at: i64,
        now: i64,
        value: &Result<f64, String>,
    ) -> Vec<Event> {
        if self.abort.is_some() || self.times.rolling_back.is_some() {
            return Vec::new();
        }
        // What comes up has no values at first; a baseline without any does not hold.
        let comes_up = self.times.injecting.is_none() && self.metrics[metric].before.count == 0;
        if comes_up && value.is_err() {
            return Vec::new();
        }
        for (index, rule) in self.plan.abort.iter().enumerate() {
            if rule.condition.metric != sample.metric {
                continue;
            }
            let look = AbortLook {
                value: value.clone(),
                sampled_at: at,
                asked_at: sample.asked_at,
                seen_at: now,
            };
            // Every rule of the metric takes the look; the first that has enough decides.
            if let Some(looks) = self.rules[index].push(rule, look)
                && self.abort.is_none()
            {
                self.abort = Some(AbortDecision {
                    rule: index,
                    condition: rule.condition.text.clone(),
                    looks,
                    decided_at: now,
                });
            }
        }
        self.abort.iter().cloned().map(Event::Aborted).collect()
    }

    fn look(
        &mut self,
        condition: usize,
        part: Part,
        value: Option<f64>,
        at: i64,
        events: &mut Vec<Event>,
    ) {
        let expectation = &self.plan.expect[condition];
        let is_relative = matches!(expectation.condition.threshold, Threshold::Baseline(_));
        let watched = &mut self.watched[condition];
        if part == Part::Before {
            // What comes up has no values at first; that is not yet a gap.
            if value.is_none() && !watched.has_value && watched.before.is_new() {
                return;
            }
            watched.has_value = value.is_some()
                || (watched.has_value && expectation.no_data == ExpectNoData::Ignore);
            if is_relative {
                return;
            }
        }
        let mean = self
            .baseline
            .as_ref()
            .and_then(|check| check.conditions.get(condition)?.values.mean);
        let threshold = threshold(&expectation.condition, mean);
        let look = Look::of(expectation, value, threshold);
        match look {
            Look::Breach if !watched.is_breached => {
                watched.is_breached = true;
                events.push(Event::BreachBegan {
                    condition,
                    value,
                    threshold,
                    at,
                });
            }
            Look::Good if watched.is_breached => {
                watched.is_breached = false;
                let value = value.unwrap_or_default();
                events.push(Event::BreachEnded {
                    condition,
                    value,
                    at,
                });
            }
            _ => {}
        }
        match part {
            Part::Before => watched.before.push(look),
            Part::During => {
                watched.since.push(look);
                watched.count(look, value);
            }
            Part::Between if look == Look::Breach => {
                watched.since.push(look);
                watched.count(look, value);
            }
            Part::Between => {}
            Part::After => {
                let changes = self.recovering.push(condition, look, at);
                events.extend(changes.into_iter().map(|change| match change {
                    Change::FirstGood(at) => Event::FirstGood { at },
                    Change::Held { from, at } => Event::Held { from, at },
                }));
                return;
            }
        }
        if part == Part::Before {
            return;
        }
        if look == Look::Breach {
            watched.first_breach_at.get_or_insert(at);
        }
        if let Some(value) = value {
            let operator = expectation.condition.operator;
            watched.worst = Some(
                watched
                    .worst
                    .map_or(value, |worst| worse(operator, threshold, worst, value)),
            );
        }
    }

    /// Returns all that is to be said so far.
    pub fn judgement(&self) -> Judgement {
        let conditions: Vec<ConditionVerdict> = (0..self.watched.len())
            .map(|index| self.condition(index))
            .collect();
        Judgement {
            baseline: self.baseline.clone(),
            hypothesis: whole(conditions.iter().map(|condition| condition.verdict)),
            conditions,
            abort: self.abort.clone(),
            recovery: self
                .times
                .rolled_back
                .map(|at| self.recovering.recovery(at)),
            metrics: self.metrics.clone(),
            times: self.times,
        }
    }

    fn condition(&self, index: usize) -> ConditionVerdict {
        let expectation = &self.plan.expect[index];
        let watched = &self.watched[index];
        let mean = self
            .baseline
            .as_ref()
            .and_then(|check| check.conditions.get(index)?.values.mean);
        let is_observed = watched.during.good + watched.during.breaches > 0;
        let verdict = if watched.since.is_exceeded {
            Verdict::Violated
        } else if !is_observed {
            Verdict::NotObserved
        } else if watched.since.may_be_exceeded {
            Verdict::Inconclusive
        } else {
            Verdict::Maintained
        };
        ConditionVerdict {
            condition: expectation.condition.text.clone(),
            verdict,
            threshold: threshold(&expectation.condition, mean),
            allow: expectation.allow,
            during: watched.during,
            worst: watched.worst,
            first_breach_at: watched.first_breach_at,
        }
    }

    /// A metric's values over the baseline.
    fn before(&self, metric: &str) -> Summary {
        let found = self.metrics.iter().find(|one| one.metric == metric);
        found.map(|one| one.before).unwrap_or_default()
    }
}

impl Watched {
    fn count(&mut self, look: Look, value: Option<f64>) {
        self.during.good += u64::from(look == Look::Good);
        self.during.breaches += u64::from(look == Look::Breach);
        self.during.no_data += u64::from(value.is_none());
    }
}

/// The whole is violated where a condition was seen to be, whatever was not seen of others; else it is as the least that can be said.
fn whole(verdicts: impl Iterator<Item = Verdict> + Clone) -> Option<Verdict> {
    let order = [
        Verdict::Violated,
        Verdict::NotObserved,
        Verdict::Inconclusive,
        Verdict::Maintained,
    ];
    order
        .into_iter()
        .find(|wanted| verdicts.clone().any(|verdict| verdict == *wanted))
}

/// Returns the value that is farther on the wrong side of a comparison.
fn worse(operator: crate::Operator, threshold: Option<f64>, one: f64, other: f64) -> f64 {
    use crate::Operator as Op;
    let distance = |value: f64| (value - threshold.unwrap_or_default()).abs();
    match operator {
        Op::Less | Op::LessOrEqual => one.max(other),
        Op::Greater | Op::GreaterOrEqual => one.min(other),
        Op::Equal if distance(other) > distance(one) => other,
        Op::NotEqual if distance(other) < distance(one) => other,
        Op::Equal | Op::NotEqual => one,
    }
}
