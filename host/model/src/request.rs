//! An HTTP request, before it is sent.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// An HTTP request whose host may be a container's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// e.g. `POST`.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Name and value.
    pub headers: Vec<(String, String)>,
    /// Empty for none.
    pub body: Vec<u8>,
    /// For the whole exchange.
    pub timeout_ms: u64,
}

impl HttpRequest {
    /// Returns the limit on the whole exchange.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}
