//! The load that a trial's clients make.

use serde::{Deserialize, Serialize};

/// Operations at a fixed rate of arrival, whatever becomes of those before: a system that stalls is not spared.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// Operations that begin each second.
    pub rate: f64,
    /// After how long an operation counts as failed, in milliseconds.
    pub timeout_ms: u64,
    /// How many operations may be under way at once; what finds no place counts as failed.
    pub in_flight: u32,
    /// Who makes them.
    pub client: LoadClient,
}

/// Who makes operations.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum LoadClient {
    /// The host, by HTTP requests.
    Http {
        /// e.g. `GET`.
        method: String,
        /// `http://service:port/…` in the subject's stack, or a URL elsewhere.
        url: String,
        /// Header names and values.
        headers: Vec<(String, String)>,
        /// Sent with each.
        body: Option<String>,
        /// Status codes from here on count as errors.
        error_from_status: u16,
    },
    /// The subject's plugin.
    Plugin {
        /// Which of its operations, each with its share.
        operations: Vec<Operation>,
    },
}

/// One of a plugin's operations in a mix.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Operation {
    /// Its name, e.g. `put`.
    pub name: String,
    /// Its share of all, from 0 to 1; all shares make 1.
    pub share: f64,
}
