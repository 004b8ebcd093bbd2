//! Values of PromQL queries.
//!
//! An instant query is evaluated now, over samples that were scraped before; so the answer's time is not that of the samples. A
//! second query, evaluated at the same time, asks for the time of the newest sample of each series that the first is made of. The
//! oldest of these times is the value's own. It also shows what the first answer hides: `rate()` goes on to report what a target did
//! before it died, for as long as its window holds.

mod answer;
mod selectors;

use std::time::Duration;

use async_trait::async_trait;
use form_urlencoded::Serializer;
use tokio::time::Instant;

use self::answer::{Outcome, only, read};
use self::selectors::{Selector, selectors};
use crate::clock::Clock;
use crate::context::Context;
use crate::exchange::post_form;
use crate::look::{Found, Look, Nothing, Point, Window};
use crate::words::quoted;

/// The most points of a series that Prometheus returns at once.
const POINTS: u64 = 11_000;
/// After how many scrapes without a sample a series counts as stale: one may just be under way.
const SCRAPES: u32 = 2;

pub(crate) struct Prometheus {
    query: String,
    at: String,
    base: String,
    scrape: Duration,
    /// What is watched beside the query.
    watched: Vec<Selector>,
    clock: Clock,
    /// The clock of Prometheus, less this machine's, in milliseconds.
    skew: i64,
    context: Context,
}

impl Prometheus {
    pub(crate) fn new(
        query: &str,
        at: &str,
        scrape_ms: u64,
        clock: Clock,
        context: Context,
    ) -> Self {
        let base = match at.contains("://") {
            true => at.trim_end_matches('/').to_owned(),
            false => format!("http://{at}"),
        };
        Self {
            query: query.to_owned(),
            at: at.to_owned(),
            base,
            scrape: Duration::from_millis(scrape_ms),
            watched: selectors(query),
            clock,
            skew: 0,
            context,
        }
    }

    pub(crate) fn resolved(&self) -> String {
        format!("{} at {}", self.query.trim(), self.at)
    }

    async fn ask(
        &self,
        path: &str,
        parameters: &[(&str, &str)],
        limit: Duration,
    ) -> Result<Outcome, Nothing> {
        let form = form(parameters, limit);
        let url = format!("{}/api/v1/{path}", self.base);
        read(&post_form(&self.context, &url, form, limit).await?)
    }

    /// Returns how old the samples are that a query is made of, at the time of its evaluation in seconds since the Unix epoch.
    async fn age(&mut self, evaluated_at: f64, limit: Duration) -> Result<Duration, Nothing> {
        if self.watched.is_empty() {
            return Ok(Duration::ZERO);
        }
        let query = watching(&self.watched);
        let time = format!("{evaluated_at:.3}");
        let outcome = self
            .ask("query", &[("query", &query), ("time", &time)], limit)
            .await;
        let newest = match outcome {
            Ok(Outcome::Vector(series)) => series,
            Ok(_) => Vec::new(),
            // The scan took something else for a series. The value stands without its age.
            Err(nothing) if nothing.is_wrong => {
                self.watched.clear();
                return Ok(Duration::ZERO);
            }
            Err(nothing) => {
                let reason = format!("the age of the samples is not known: {}", nothing.reason);
                return Err(reason.into());
            }
        };
        let mut oldest = Duration::ZERO;
        for (number, selector) in self.watched.iter().enumerate() {
            let name = serde_json::Value::from(number.to_string());
            // None: no series of this kind exists, and the value is not made of any.
            let Some(series) = newest
                .iter()
                .find(|series| series.labels.get(LABEL) == Some(&name))
            else {
                continue;
            };
            let Some(&(_, sampled_at)) = series.samples.first() else {
                continue;
            };
            let selected = quoted(&selector.series);
            if sampled_at == 0.0 {
                return Err(format!(
                    "the series `{selected}` has ended (its target is down or gone): the value would be of before"
                )
                .into());
            }
            let age = evaluated_at - sampled_at;
            let limit = self.scrape * SCRAPES;
            // NaN does not prove that a sample is fresh.
            if age.is_nan() || age > limit.as_secs_f64() {
                return Err(format!(
                    "stale: the last sample of `{selected}` is {:.1} s old, and one is due every {:.1} s",
                    age.min(1e9),
                    self.scrape.as_secs_f64()
                )
                .into());
            }
            oldest = oldest.max(Duration::try_from_secs_f64(age).unwrap_or_default());
        }
        Ok(oldest)
    }
}

fn form(parameters: &[(&str, &str)], limit: Duration) -> String {
    // Prometheus should end a query that nobody waits for.
    let timeout = limit.max(Duration::from_millis(1)).as_millis();
    Serializer::new(String::new())
        .extend_pairs(parameters)
        .append_pair("timeout", &format!("{timeout}ms"))
        .finish()
}

/// The label that tells the selectors of one query apart.
const LABEL: &str = "selector";

/// Returns the query for the time of the newest sample of each selector: 0 if there is one in its range window and none now, which
/// is how Prometheus marks series that have ended.
fn watching(selectors: &[Selector]) -> String {
    let mut terms = Vec::new();
    for (number, Selector { series, range }) in selectors.iter().enumerate() {
        let label =
            |term: &str| format!("label_replace({term}, \"{LABEL}\", \"{number}\", \"\", \"\")");
        terms.push(label(&format!("max(timestamp({series}))")));
        if let Some(range) = range {
            terms.push(label(&format!(
                "0 * count(count_over_time({series}[{range}]))"
            )));
        }
    }
    terms.join(" or ")
}

#[async_trait]
impl Look for Prometheus {
    async fn look(&mut self, limit: Duration) -> Result<Found, Nothing> {
        let begun = Instant::now();
        let asked_at = self.clock.now();
        let (evaluated_at, value) = self
            .ask("query", &[("query", &self.query)], limit)
            .await?
            .single()?;
        let answered_at = self.clock.now();
        let halfway = asked_at + (answered_at - asked_at) / 2;
        self.skew = ((evaluated_at * 1_000.0) as i64).saturating_sub(halfway);
        let left = limit.saturating_sub(begun.elapsed());
        let age = self.age(evaluated_at, left).await?;
        Ok(Found { value, age })
    }

    async fn look_back(&mut self, window: Window) -> Option<Result<Vec<Point>, Nothing>> {
        Some(self.range(window).await)
    }
}

impl Prometheus {
    async fn range(&self, window: Window) -> Result<Vec<Point>, Nothing> {
        let Window {
            from, to, limit, ..
        } = window;
        let length = u64::try_from(to.saturating_sub(from)).unwrap_or(0);
        let step = window.step.max(1).max(length.div_ceil(POINTS - 1));
        let seconds = |at: i64| format!("{:.3}", at.saturating_add(self.skew) as f64 / 1_000.0);
        let (start, end) = (seconds(from), seconds(from.saturating_add_unsigned(length)));
        let step_seconds = format!("{:.3}", step as f64 / 1_000.0);
        let parameters = [
            ("query", self.query.as_str()),
            ("start", &start),
            ("end", &end),
            ("step", &step_seconds),
        ];
        let samples = match self.ask("query_range", &parameters, limit).await? {
            Outcome::Matrix(series) if series.is_empty() => Vec::new(),
            Outcome::Matrix(series) => only(series)?.samples,
            _ => return Err("it answered a range query with something else".into()),
        };
        let at = |seconds: f64| ((seconds * 1_000.0).round() as i64).saturating_sub(self.skew);
        let mut samples = samples.into_iter().peekable();
        let mut points = Vec::new();
        for number in 0..=length / step {
            let time = from.saturating_add_unsigned(number * step);
            // Prometheus leaves out what has no value.
            while samples
                .next_if(|(seconds, _)| at(*seconds) < time.saturating_sub(1))
                .is_some()
            {}
            let sample = samples.next_if(|(seconds, _)| at(*seconds) <= time.saturating_add(1));
            points.push((
                time,
                match sample {
                    Some((_, value)) if value.is_finite() => Ok(value),
                    Some((_, value)) => Err(format!("the value is {value}")),
                    None => Err("the query returns no series at that time".to_owned()),
                },
            ));
        }
        Ok(points)
    }
}
