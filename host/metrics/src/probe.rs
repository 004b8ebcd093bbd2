//! One metric, looked at again and again.

use std::fmt;
use std::time::Duration;

use duress_experiment::{Metric, NoData, Sample, Source};
use tokio::time::Instant;

use crate::clock::{Clock, micros, millis};
use crate::command::Command;
use crate::container::Accounts;
use crate::context::Context;
use crate::http::Http;
use crate::inside::{State, Workload};
use crate::look::{Found, Look, Nothing, Window};
use crate::promql::Prometheus;

/// Looks at one metric.
pub struct Probe {
    metric: String,
    query: String,
    limit: Duration,
    clock: Clock,
    source: Box<dyn Look>,
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("metric", &self.metric)
            .field("query", &self.query)
            .finish_non_exhaustive()
    }
}

/// Why a metric cannot be relied on yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unready {
    /// What is asked is wrong: it will have no value later either.
    Wrong(String),
    /// No value now.
    NotYet(String),
}

impl Unready {
    /// Returns why, in one line.
    pub fn reason(&self) -> &str {
        match self {
            Self::Wrong(reason) | Self::NotYet(reason) => reason,
        }
    }
}

impl Probe {
    /// Prepares to look at a metric. Nothing is asked yet.
    ///
    /// # Errors
    /// What is wrong with the metric: see [`crate::check`].
    pub fn new(metric: &Metric, context: &Context) -> duress_model::Result<Self> {
        let clock = context.clock;
        let wrong = |reason: String| {
            duress_model::Error::input(format!("metric `{}`: {reason}", metric.name))
        };
        let (source, query): (Box<dyn Look>, String) = match &metric.source {
            Source::Promql {
                query,
                at,
                scrape_ms,
                ..
            } => {
                let source = Prometheus::new(query, at, *scrape_ms, clock, context.clone());
                let resolved = source.resolved();
                (Box::new(source), resolved)
            }
            Source::Http { url, reading } => {
                let source = Http::new(url, reading, context.clone()).map_err(wrong)?;
                let resolved = source.resolved();
                (Box::new(source), resolved)
            }
            Source::Command {
                command,
                service,
                parse,
            } => {
                let source = Command::new(command, service, *parse, context.clone());
                let resolved = source.resolved();
                (Box::new(source), resolved)
            }
            Source::State { field } => (
                Box::new(State::new(field, context)),
                format!("state {field}"),
            ),
            Source::Workload { measure, window_ms } => (
                Box::new(Workload::new(
                    measure,
                    Duration::from_millis(*window_ms),
                    context,
                )),
                format!("workload {measure}"),
            ),
            Source::Container { measure, service } => {
                let source = Accounts::new(*measure, service.as_deref(), context.clone());
                let resolved = source.resolved();
                (Box::new(source), resolved)
            }
        };
        Ok(Self {
            metric: metric.name.clone(),
            query,
            limit: Duration::from_millis(metric.timeout_ms),
            clock,
            source,
        })
    }

    /// Returns the name of the metric that it looks at.
    pub fn metric(&self) -> &str {
        &self.metric
    }

    /// Looks once. It never takes longer than the metric's time limit.
    pub async fn sample(&mut self) -> Sample {
        let (sample, _) = self.look().await;
        sample
    }

    /// Looks once before a trial relies on the metric.
    ///
    /// # Errors
    /// Why the look found no value, and whether a later one can.
    pub async fn check(&mut self) -> Result<Sample, Unready> {
        let (sample, is_wrong) = self.look().await;
        match &sample.value {
            Ok(_) => Ok(sample),
            Err(no_data) if is_wrong => Err(Unready::Wrong(no_data.reason.clone())),
            Err(no_data) => Err(Unready::NotYet(no_data.reason.clone())),
        }
    }

    /// Reads a past window again, at points that are `step` apart, the first at `from` (both ends in milliseconds since the Unix
    /// epoch). `None` where the source keeps no past: only Prometheus does.
    ///
    /// # Errors
    /// Why the window could not be read.
    pub async fn range_check(
        &mut self,
        from: i64,
        to: i64,
        step: Duration,
    ) -> Option<Result<Vec<Sample>, NoData>> {
        let asked_at = self.clock.now();
        let begun = Instant::now();
        let window = Window {
            from,
            to,
            step: u64::try_from(step.as_millis()).unwrap_or(u64::MAX).max(1),
            limit: self.limit,
        };
        let answer = tokio::time::timeout(self.limit, self.source.look_back(window)).await;
        let points = match answer {
            Ok(answer) => answer?,
            Err(_) => Err(Nothing::from(too_slow(self.limit))),
        };
        let took_us = micros(begun.elapsed());
        let samples = points.map(|points| {
            let sample = |(sampled_at, value): crate::look::Point| Sample {
                metric: self.metric.clone(),
                value: value.map_err(|reason| NoData { reason }),
                sampled_at,
                asked_at,
                took_us,
                query: self.query.clone(),
            };
            points.into_iter().map(sample).collect()
        });
        Some(samples.map_err(|nothing| NoData {
            reason: nothing.reason,
        }))
    }

    /// Looks once; whether what is asked is wrong in itself, beside the sample.
    async fn look(&mut self) -> (Sample, bool) {
        let asked_at = self.clock.now();
        let begun = Instant::now();
        let found = tokio::time::timeout(self.limit, self.source.look(self.limit))
            .await
            .unwrap_or_else(|_| Err(too_slow(self.limit).into()))
            .and_then(finite);
        let took = begun.elapsed();
        let age = found.as_ref().map_or(Duration::ZERO, |found| found.age);
        let answered_at = asked_at.saturating_add_unsigned(millis(took));
        let is_wrong = found.as_ref().is_err_and(|nothing| nothing.is_wrong);
        let sample = Sample {
            metric: self.metric.clone(),
            value: found.map(|found| found.value).map_err(|nothing| NoData {
                reason: nothing.reason,
            }),
            sampled_at: answered_at.saturating_sub_unsigned(millis(age)),
            asked_at,
            took_us: micros(took),
            query: self.query.clone(),
        };
        (sample, is_wrong)
    }
}

fn too_slow(limit: Duration) -> String {
    format!("no answer within {} ms", limit.as_millis())
}

/// A value that can be compared with a threshold.
fn finite(found: Found) -> Result<Found, Nothing> {
    match found.value {
        value if value.is_nan() => Err(
            "the value is NaN (not a number): nothing was measured, or zero divided by zero".into(),
        ),
        value if value.is_infinite() => {
            Err("the value is infinite: something was divided by zero".into())
        }
        _ => Ok(found),
    }
}
