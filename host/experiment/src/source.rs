//! Where a metric's values come from, checked and complete.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A metric of an experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// What conditions call it.
    pub name: String,
    /// Where its values come from.
    pub source: Source,
    /// What its values are counted in.
    pub unit: Unit,
    /// How long one look may take, in milliseconds.
    pub timeout_ms: u64,
}

/// Where values come from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Source {
    /// An instant query to a Prometheus that must come to one series or a scalar.
    Promql {
        /// The query.
        query: String,
        /// `service:port` in the subject's stack, or a URL.
        at: String,
        /// How often Prometheus scrapes, in milliseconds: a part of the bound of an abort.
        scrape_ms: u64,
        /// The longest range window in the query, in milliseconds.
        range_ms: u64,
    },
    /// A GET request.
    Http {
        /// `http://service:port/…` in the subject's stack, or a URL elsewhere.
        url: String,
        /// How the value is found in the response.
        reading: Reading,
    },
    /// A program in a container of the stack.
    Command {
        /// Its arguments, the program first.
        command: Vec<String>,
        /// The service it runs in.
        service: String,
        /// How its end becomes a value.
        parse: Parse,
    },
    /// A field of what the subject's plugin captures as its state.
    State {
        /// A metric's name there, e.g. `members_healthy`.
        field: String,
    },
    /// What the workload's clients saw.
    Workload {
        /// `throughput`, `error_rate`, `errors`, `p50`, `p90`, `p99` or `max`.
        measure: String,
        /// The last whole seconds that it is taken over, in milliseconds.
        window_ms: u64,
    },
    /// What the engine and the kernel account to containers.
    Container {
        /// What.
        measure: ContainerMeasure,
        /// The service whose containers are added up; none: all of the stack.
        service: Option<String>,
    },
}

/// How a value is found in a response's body.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reading {
    /// An RFC 9535 path that must come to one number (or a text that is one, or a truth value).
    JsonPath(String),
    /// A regular expression whose first group is the number.
    Pattern(String),
    /// The status code itself.
    Status,
}

/// How a program's end becomes a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Parse {
    /// Its output, which must be a number and nothing else.
    Number,
    /// Its exit code.
    ExitCode,
}

/// What is accounted to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ContainerMeasure {
    /// Processors in use since the look before, e.g. 0.5.
    Cpu,
    /// Bytes in use, without what the kernel can drop at once.
    Memory,
    /// How often the engine has started it again.
    Restarts,
    /// How many of its processes were killed for want of memory.
    OomKills,
}

/// What values are counted in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unit {
    /// A number of something, or a ratio.
    #[default]
    Number,
    /// Seconds; conditions may say `us`, `ms`, `s`, `m`, `h`.
    Seconds,
    /// Milliseconds; conditions may say the same as of seconds.
    Milliseconds,
    /// Bytes; conditions may say `KiB`, `MiB`, `GiB`, `kB`, `MB`, `GB`.
    Bytes,
    /// A share from 0 to 1; conditions may say `%`.
    Share,
    /// A share from 0 to 100; conditions may say `%`.
    Percent,
    /// Per second; conditions may say `/s`.
    PerSecond,
}
