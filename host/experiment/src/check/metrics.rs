//! The metrics of an experiment.

use std::collections::BTreeMap;

use duress_model::nearest;
use duress_yaml::{list_of, shown};

use super::Checking;
use super::workload::pointer;
use crate::condition::{BASELINE, is_name};
use crate::format::{Experiment, MetricEntry, UnitName, WorkloadMeasure};
use crate::limits;
use crate::plan::{Plan, seconds};
use crate::promql::{NotARange, look_back_ms};
use crate::source::{Metric, Parse, Reading, Source, Unit};

/// How long one look may take where nothing is said, in milliseconds; the evaluation interval where that is shorter.
const TIMEOUT_MS: u64 = 2_000;
/// How often Prometheus scrapes unless it is told otherwise, in milliseconds.
const SCRAPE_MS: u64 = 60_000;
/// The window of a measure of the workload where nothing is said, in milliseconds.
const WINDOW_MS: u64 = 1_000;

/// The metrics that there are; those that have mistakes of their own without their content, so that conditions can name them.
pub(super) struct Metrics(BTreeMap<String, Option<Metric>>);

impl Metrics {
    /// Returns a metric; `Some(None)` where it stands and has a mistake.
    pub(super) fn get(&self, name: &str) -> Option<Option<&Metric>> {
        self.0.get(name).map(Option::as_ref)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.keys().map(String::as_str)
    }

    pub(super) fn into_complete(self) -> Vec<Metric> {
        self.0.into_values().flatten().collect()
    }
}

impl Checking<'_> {
    pub(super) fn metrics(
        &mut self,
        at: &str,
        experiment: &Experiment,
        plan: &Plan,
        has_workload: bool,
    ) -> Metrics {
        let mut metrics = BTreeMap::new();
        for (name, entry) in &experiment.metrics {
            let pointer = pointer(at, name);
            self.metric_name(&pointer, name);
            let mut one = One {
                checking: self,
                at: pointer,
                name,
                entry,
                plan,
                has_workload,
            };
            let metric = one.metric();
            metrics.insert(name.clone(), metric);
        }
        Metrics(metrics)
    }

    fn metric_name(&mut self, at: &str, name: &str) {
        let fits = name.len() <= limits::NAME
            && name.chars().all(is_name)
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && !name.is_empty();
        if !fits {
            let message = format!("`{}` cannot be a metric's name", shown(name));
            let problem = self.document.problem_at_key(at, message).help(format!(
                "a name has letters, digits and `_`, with a letter in front, and at most {} characters",
                limits::NAME
            ));
            self.problems.push(problem);
        } else if name == BASELINE {
            self.tell_at_key(at, "`baseline` cannot be a metric's name: conditions use it for the mean over the baseline");
        }
    }
}

/// One metric under check.
struct One<'a, 'd> {
    checking: &'a mut Checking<'d>,
    at: String,
    name: &'a str,
    entry: &'a MetricEntry,
    plan: &'a Plan,
    has_workload: bool,
}

/// Keys of a metric beside its source, each with the sources that it belongs to.
const OWN_KEYS: [(&str, &str); 8] = [
    ("at", "promql"),
    ("scrape_interval", "promql"),
    ("path", "http"),
    ("pattern", "http"),
    ("in", "command"),
    ("parse", "command"),
    ("of", "container"),
    ("window", "workload"),
];

impl One<'_, '_> {
    fn child(&self, key: &str) -> String {
        format!("{}/{key}", self.at)
    }

    fn metric(&mut self) -> Option<Metric> {
        let entry = self.entry;
        let given: Vec<&str> = [
            ("promql", entry.promql.is_some()),
            ("http", entry.http.is_some()),
            ("command", entry.command.is_some()),
            ("state", entry.state.is_some()),
            ("workload", entry.workload.is_some()),
            ("container", entry.container.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, is_given)| is_given.then_some(key))
        .collect();
        let every = seconds(self.plan.every_ms);
        let timeout_ms = self.timeout(&every);
        match given.as_slice() {
            [only] => self.foreign_keys(only),
            [] => {
                let message = format!("the metric `{}` has no source", shown(self.name));
                let help =
                    "name one of `promql`, `http`, `command`, `state`, `workload`, `container`";
                let problem = self.checking.document.problem_at_key(&self.at, message);
                self.checking.problems.push(problem.help(help));
            }
            [first, second, ..] => {
                let message = format!(
                    "the metric `{}` has two sources, `{first}` and `{second}`: it is one or the other",
                    shown(self.name)
                );
                let at = self.child(second);
                self.checking.tell_at_key(&at, message);
                return None;
            }
        }
        let source = self.source()?;
        let unit = self.unit(&source)?;
        Some(Metric {
            name: self.name.to_owned(),
            source,
            unit,
            timeout_ms: timeout_ms?,
        })
    }

    fn timeout(&mut self, every: &str) -> Option<u64> {
        let at = self.child("timeout");
        let Some(text) = &self.entry.timeout else {
            return Some(TIMEOUT_MS.min(self.plan.every_ms));
        };
        let ms = self
            .checking
            .time(&at, Some(text), (1, limits::TIMEOUT_MS))?;
        if ms > self.plan.every_ms {
            let message = format!(
                "the time limit of a look is {}, longer than the evaluation interval of {every}: looks would overlap",
                seconds(ms)
            );
            self.checking.tell(&at, message);
            return None;
        }
        Some(ms)
    }

    /// Keys that belong to another source than the metric's.
    fn foreign_keys(&mut self, source: &str) {
        let entry = self.entry;
        let is_given = |key: &str| match key {
            "at" => entry.at.is_some(),
            "scrape_interval" => entry.scrape_interval.is_some(),
            "path" => entry.path.is_some(),
            "pattern" => entry.pattern.is_some(),
            "in" => entry.service.is_some(),
            "parse" => entry.parse.is_some(),
            "of" => entry.of.is_some(),
            _ => entry.window.is_some(),
        };
        for (key, owner) in OWN_KEYS {
            if owner != source && is_given(key) {
                let message =
                    format!("`{key}` belongs to `{owner}`, and this metric has `{source}`");
                let at = self.child(key);
                self.checking.tell_at_key(&at, message);
            }
        }
    }

    fn source(&mut self) -> Option<Source> {
        let entry = self.entry;
        if let Some(query) = &entry.promql {
            return self.promql(query);
        }
        if let Some(url) = &entry.http {
            let at = self.child("http");
            let url = self.checking.url(&at, url);
            let reading = match (&entry.path, &entry.pattern) {
                (Some(path), None) => Reading::JsonPath(path.clone()),
                (None, Some(pattern)) => Reading::Pattern(pattern.clone()),
                (None, None) => Reading::Status,
                (Some(_), Some(_)) => {
                    let at = self.child("pattern");
                    let message = "`pattern` stands beside `path`: it is one or the other";
                    self.checking.tell_at_key(&at, message);
                    return None;
                }
            };
            return Some(Source::Http { url: url?, reading });
        }
        if let Some(command) = &entry.command {
            if command.first().is_none_or(String::is_empty) {
                let at = self.child("command");
                self.checking.tell(&at, "the command names no program");
            }
            let Some(service) = &entry.service else {
                let message = format!(
                    "the metric `{}` has no `in`: the service in whose container the command runs",
                    shown(self.name)
                );
                self.checking.tell_at_key(&self.at.clone(), message);
                return None;
            };
            self.service("in", service);
            return Some(Source::Command {
                command: command.clone(),
                service: service.clone(),
                parse: entry.parse.unwrap_or(Parse::Number),
            });
        }
        if let Some(field) = &entry.state {
            return Some(Source::State {
                field: field.clone(),
            });
        }
        if let Some(measure) = entry.workload {
            return self.workload(measure);
        }
        let measure = entry.container?;
        if let Some(service) = &entry.of {
            self.service("of", service);
        }
        Some(Source::Container {
            measure,
            service: entry.of.clone(),
        })
    }

    fn promql(&mut self, query: &str) -> Option<Source> {
        let entry = self.entry;
        let scrape_at = self.child("scrape_interval");
        let scrape = entry.scrape_interval.as_ref();
        let scrape_ms = match scrape {
            Some(_) => self.checking.time(&scrape_at, scrape, (1, limits::TIME_MS)),
            None => Some(SCRAPE_MS),
        };
        let at = match &entry.at {
            Some(at) => self.prometheus(at),
            None => {
                let message = format!(
                    "the metric `{}` has no `at`: where Prometheus answers, e.g. `at: \"prometheus:9090\"`",
                    shown(self.name)
                );
                self.checking.tell_at_key(&self.at.clone(), message);
                None
            }
        };
        let range_ms = self.look_back(query);
        Some(Source::Promql {
            query: query.to_owned(),
            at: at?,
            scrape_ms: scrape_ms?,
            range_ms: range_ms?,
        })
    }

    /// Returns where a Prometheus answers: `service:port`, or a URL.
    fn prometheus(&mut self, text: &str) -> Option<String> {
        let at = self.child("at");
        if text.contains("://") {
            return self.checking.url(&at, text);
        }
        let is_address = url::Url::parse(&format!("http://{text}"))
            .is_ok_and(|url| url.has_host() && url.path() == "/" && url.query().is_none());
        if is_address {
            self.checking.host(&at, &format!("http://{text}"));
            return Some(text.to_owned());
        }
        let message = format!("`{}` is not an address", shown(text));
        let help = "write `service:port` for a service of the stack, or a URL";
        self.checking.tell_with_help(&at, message, help);
        None
    }

    fn look_back(&mut self, query: &str) -> Option<u64> {
        let at = self.child("promql");
        let ms = match look_back_ms(query) {
            Ok(ms) => ms,
            Err(NotARange(text)) => {
                let message = format!(
                    "`[{}]` in the query is not a range: Prometheus has durations like `5s` or `1m30s`",
                    shown(&text)
                );
                self.checking.tell(&at, message);
                return None;
            }
        };
        if ms > self.plan.warm_up_ms {
            let message = format!(
                "the query looks back over {}, and the warm-up is {}: the baseline would be of a time before it",
                seconds(ms),
                seconds(self.plan.warm_up_ms)
            );
            let help = "make `warm_up` longer, or the window shorter";
            self.checking.tell_with_help(&at, message, help);
            return None;
        }
        Some(ms)
    }

    fn workload(&mut self, measure: WorkloadMeasure) -> Option<Source> {
        if !self.has_workload {
            let at = self.child("workload");
            let message = format!(
                "the metric `{}` is of the workload, and the campaign has none",
                shown(self.name)
            );
            let help = "add the key `workload` with `http` or `plugin`";
            self.checking.tell_with_help(&at, message, help);
            return None;
        }
        let at = self.child("window");
        let window_ms = match &self.entry.window {
            None => WINDOW_MS,
            text => {
                let most = limits::WORKLOAD_WINDOW_MS.min(self.plan.warm_up_ms.max(1_000));
                let ms = self.checking.time(&at, text.as_ref(), (1_000, most))?;
                if ms % 1_000 != 0 {
                    let message =
                        "`window` must be whole seconds: the workload is counted by the second";
                    self.checking.tell(&at, message);
                    return None;
                }
                ms
            }
        };
        Some(Source::Workload {
            measure: measure.as_str().to_owned(),
            window_ms,
        })
    }

    /// A service that a subject does not have.
    fn service(&mut self, key: &str, service: &str) {
        let at = self.child(key);
        let known = self.checking.known;
        for (subject, services) in &known.services {
            if services.iter().any(|known| known == service) {
                continue;
            }
            let names = || services.iter().map(String::as_str);
            let mut message = format!("subject `{subject}` has no service `{}`", shown(service));
            if let Some(near) = nearest(service, names()) {
                message.push_str(&format!("; did you mean `{near}`?"));
            }
            let problem = self.checking.document.problem(&at, message);
            let help = format!("there are {}", list_of(names()));
            self.checking.problems.push(problem.help(help));
        }
    }

    fn unit(&mut self, source: &Source) -> Option<Unit> {
        let own = match source {
            Source::Container { measure, .. } => Some(measure.unit()),
            Source::Workload { .. } => self.entry.workload.map(|measure| match measure {
                WorkloadMeasure::Throughput => Unit::PerSecond,
                WorkloadMeasure::ErrorRate => Unit::Share,
                WorkloadMeasure::Errors => Unit::Number,
                WorkloadMeasure::P50
                | WorkloadMeasure::P90
                | WorkloadMeasure::P99
                | WorkloadMeasure::Max => Unit::Seconds,
            }),
            Source::Command {
                parse: Parse::ExitCode,
                ..
            }
            | Source::Http {
                reading: Reading::Status,
                ..
            } => Some(Unit::Number),
            _ => None,
        };
        let given = self.entry.unit.map(|name| match name {
            UnitName::Number => Unit::Number,
            UnitName::Seconds => Unit::Seconds,
            UnitName::Milliseconds => Unit::Milliseconds,
            UnitName::Bytes => Unit::Bytes,
            UnitName::Share => Unit::Share,
            UnitName::Percent => Unit::Percent,
            UnitName::PerSecond => Unit::PerSecond,
        });
        match (own, given) {
            (Some(own), Some(given)) if own != given => {
                let message = format!(
                    "the values of `{}` are {}, not {}; leave `unit` out",
                    shown(self.name),
                    own.in_words(),
                    given.in_words()
                );
                let at = self.child("unit");
                self.checking.tell(&at, message);
                None
            }
            (own, given) => Some(own.or(given).unwrap_or_default()),
        }
    }
}
