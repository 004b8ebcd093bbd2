//! The keys `workload` and `experiment` of a campaign file.
//!
//! What a key may hold on its own stands here as a JSON Schema; what keys mean together is checked in [`crate::check`].

use std::collections::BTreeMap;

use duress_model::form::{TIME, TIME_IN_WORDS};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::limits;
use crate::plan::{AbortNoData, ExpectNoData, OnAbort};
use crate::source::{ContainerMeasure, Parse};

/// A rate, as people write it.
const RATE: &str = r"^[0-9]+(\.[0-9]+)?/s$";
const RATE_IN_WORDS: &str = "operations a second (`50/s`)";
/// A share, as people write it.
const SHARE: &str = r"^[0-9]+(\.[0-9]+)?%$";
/// Breaches that are allowed, as people write it.
const ALLOWANCE: &str = r"^[0-9]+ of [0-9]+$";
const ALLOWANCE_IN_WORDS: &str = "breaches that are allowed of so many samples (`3 of 30`)";

/// Load that clients make on the subject, from before the baseline until after the recovery. One of `http` and `plugin`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// HTTP requests made by the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpWorkload>,
    /// Operations of the subject's plugin, each with its share (`{put: 80%, get: 20%}`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minProperties" = 1, "maxProperties" = limits::LIST), inner(length(max = limits::SHORT), regex(pattern = SHARE)))]
    pub plugin: Option<BTreeMap<String, String>>,
    /// Operations that begin each second, whatever becomes of those before. It may stand within `http` instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::SHORT), regex(pattern = RATE), extend("patternErrorMessage" = RATE_IN_WORDS))]
    pub rate: Option<String>,
    /// After how long an operation counts as failed. It may stand within `http` instead. Without it, 2s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::SHORT), regex(pattern = TIME), extend("patternErrorMessage" = TIME_IN_WORDS))]
    pub timeout: Option<String>,
    /// How many operations may be under way at once; one that finds no place counts as failed. It may stand within `http` instead.
    /// Without it, 256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = limits::IN_FLIGHT))]
    pub connections: Option<u32>,
}

/// HTTP requests made by the host.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HttpWorkload {
    /// `http://service:port/…` in the subject's stack, or a URL elsewhere.
    #[schemars(length(min = 1, max = limits::TEXT))]
    pub url: String,
    /// Without it, GET.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Method>,
    /// Headers of each request.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = limits::LIST), inner(length(max = limits::TEXT)))]
    pub headers: BTreeMap<String, String>,
    /// Body of each request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::BODY))]
    pub body: Option<String>,
    /// Operations that begin each second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::SHORT), regex(pattern = RATE), extend("patternErrorMessage" = RATE_IN_WORDS))]
    pub rate: Option<String>,
    /// After how long a request counts as failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::SHORT), regex(pattern = TIME), extend("patternErrorMessage" = TIME_IN_WORDS))]
    pub timeout: Option<String>,
    /// How many requests may be under way at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = limits::IN_FLIGHT))]
    pub connections: Option<u32>,
    /// Status codes from here on count as errors. Without it, 400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 200, max = 600))]
    pub errors_from: Option<u16>,
}

/// An HTTP method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "RFC 9110 and RFC 5789 say what they are")]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
}

impl Method {
    /// Returns it as a request has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
        }
    }
}

/// What is measured, what is expected of it, and when a trial is ended for safety.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Evaluation interval: how often each metric is asked for. Without it, 1s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::SHORT), regex(pattern = TIME), extend("patternErrorMessage" = TIME_IN_WORDS))]
    pub every: Option<String>,
    /// How long the baseline is measured before any fault. Without it, 10s, or ten evaluation intervals where these are longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::SHORT), regex(pattern = TIME), extend("patternErrorMessage" = TIME_IN_WORDS))]
    pub warm_up: Option<String>,
    /// How long after the rollback every condition may take to hold again, the time in `hold` included. Without it, 60s, or six times
    /// `hold` where that is longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::SHORT), regex(pattern = TIME), extend("patternErrorMessage" = TIME_IN_WORDS))]
    pub recover_within: Option<String>,
    /// How long every condition must hold without a break to count as recovered. Without it, 5s, or five evaluation intervals where
    /// these are longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::SHORT), regex(pattern = TIME), extend("patternErrorMessage" = TIME_IN_WORDS))]
    pub hold: Option<String>,
    /// What is measured, by names that conditions use.
    #[schemars(extend("minProperties" = 1, "maxProperties" = limits::METRICS))]
    pub metrics: BTreeMap<String, MetricEntry>,
    /// The hypothesis: conditions that hold before, during and after the fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::CONDITIONS))]
    pub expect: Vec<ExpectEntry>,
    /// Conditions that end the trial for safety: everything is rolled back at the first that is met.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = limits::CONDITIONS))]
    pub abort: Vec<AbortEntry>,
    /// What becomes of the campaign after an abort. Without it, `stop`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_abort: Option<OnAbort>,
    /// `accepted`: an abort may take longer than two evaluation intervals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<Lag>,
}

/// That an abort may take its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Lag {
    /// An abort may take longer than two evaluation intervals.
    Accepted,
}

/// One metric: exactly one of `promql`, `http`, `command`, `state`, `workload` and `container`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MetricEntry {
    /// A PromQL query that comes to one series or a scalar; needs `at`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::TEXT))]
    pub promql: Option<String>,
    /// A URL to GET: `http://service:port/…` in the subject's stack, or elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::TEXT))]
    pub http: Option<String>,
    /// A program and its arguments, run in a container of the service `in`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::LIST), inner(length(max = limits::TEXT)))]
    pub command: Option<Vec<String>>,
    /// A metric that the subject's plugin reports with its state, e.g. `members_healthy`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::CONDITION))]
    pub state: Option<String>,
    /// What the workload's clients see.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadMeasure>,
    /// What the engine and the kernel account to containers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<ContainerMeasure>,
    /// For `promql`: where Prometheus answers, `service:port` in the subject's stack or a URL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::TEXT))]
    pub at: Option<String>,
    /// For `promql`: how often Prometheus scrapes what is asked for. Without it, 1m, as in Prometheus.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::SHORT), regex(pattern = TIME), extend("patternErrorMessage" = TIME_IN_WORDS))]
    pub scrape_interval: Option<String>,
    /// For `http`: a JSON path (RFC 9535) to the value. Without `path` and `pattern`, the value is the status code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::TEXT))]
    pub path: Option<String>,
    /// For `http`: a regular expression whose first group is the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::TEXT))]
    pub pattern: Option<String>,
    /// For `command`: the service in whose container it runs.
    #[serde(rename = "in", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::CONDITION))]
    pub service: Option<String>,
    /// For `command`: how its end becomes a value. Without it, `number`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parse: Option<Parse>,
    /// For `container`: the service whose containers are added up. Without it, all of the stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::CONDITION))]
    pub of: Option<String>,
    /// For `workload`: the last whole seconds that it is taken over. Without it, 1s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::SHORT), regex(pattern = TIME), extend("patternErrorMessage" = TIME_IN_WORDS))]
    pub window: Option<String>,
    /// What the values are counted in. Without it, numbers; `workload` and `container` have units of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<UnitName>,
    /// How long one look may take. Without it, the evaluation interval, at most 2s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::SHORT), regex(pattern = TIME), extend("patternErrorMessage" = TIME_IN_WORDS))]
    pub timeout: Option<String>,
}

/// What the workload's clients see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum WorkloadMeasure {
    /// Operations a second that succeed.
    Throughput,
    /// Share of operations that fail.
    ErrorRate,
    /// Operations that fail in the window.
    Errors,
    /// Median latency.
    P50,
    /// 90th percentile of latency.
    P90,
    /// 99th percentile of latency.
    P99,
    /// The longest latency.
    Max,
}

impl WorkloadMeasure {
    /// Returns its name in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throughput => "throughput",
            Self::ErrorRate => "error_rate",
            Self::Errors => "errors",
            Self::P50 => "p50",
            Self::P90 => "p90",
            Self::P99 => "p99",
            Self::Max => "max",
        }
    }
}

/// What a metric's values are counted in, as people write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UnitName {
    /// A number of something, or a ratio.
    #[serde(rename = "number")]
    Number,
    /// Seconds.
    #[serde(rename = "s")]
    Seconds,
    /// Milliseconds.
    #[serde(rename = "ms")]
    Milliseconds,
    /// Bytes.
    #[serde(rename = "B")]
    Bytes,
    /// A share from 0 to 1.
    #[serde(rename = "share")]
    Share,
    /// A share from 0 to 100.
    #[serde(rename = "%")]
    Percent,
    /// Per second.
    #[serde(rename = "/s")]
    PerSecond,
}

/// One condition of the hypothesis: a text (`p99 < 200ms`), or a mapping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum ExpectEntry {
    /// The condition alone.
    Text(#[schemars(length(min = 1, max = limits::CONDITION))] String),
    /// The condition, and what else is said of it.
    Full(Expect),
}

/// One condition of the hypothesis, and what else is said of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// What must hold: `METRIC OPERATOR NUMBER UNIT` or `METRIC OPERATOR baseline * NUMBER`.
    #[schemars(length(min = 1, max = limits::CONDITION))]
    pub that: String,
    /// How many breaches are allowed in any so many consecutive samples (`3 of 30`). Without it, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::SHORT), regex(pattern = ALLOWANCE), extend("patternErrorMessage" = ALLOWANCE_IN_WORDS))]
    pub allow: Option<String>,
    /// What a look without a value counts as. Without it, `inconclusive`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_data: Option<ExpectNoData>,
}

/// One condition that ends the trial: a text (`error_rate > 5%`), or a mapping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AbortEntry {
    /// The condition alone.
    Text(#[schemars(length(min = 1, max = limits::CONDITION))] String),
    /// The condition, and what else is said of it.
    Full(Abort),
}

/// One condition that ends the trial, and what else is said of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Abort {
    /// When the trial is ended: `METRIC OPERATOR NUMBER UNIT`.
    #[schemars(length(min = 1, max = limits::CONDITION))]
    pub that: String,
    /// In how many consecutive samples it must be met. Without it, 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = limits::LOOK_BACK))]
    pub after: Option<u32>,
    /// What a look without a value counts as. Without it, `ignore`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_data: Option<AbortNoData>,
}
