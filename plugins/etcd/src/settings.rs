//! The subject's settings and their defaults.

use std::time::Duration;

use duress_sdk::Result;
use serde::Deserialize;

/// The services whose containers are members.
pub(crate) const MEMBERS: &[&str] = &["etcd*"];

/// `settings` in `subject.yaml`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where each member listens for clients, without TLS.
    pub(crate) client_port: u16,
    /// For one answer of one member, in milliseconds.
    pub(crate) request_timeout_ms: u64,
    /// For the stack to come up, and to go down, in seconds.
    pub(crate) stack_seconds: u64,
    /// For a fresh stack to become healthy, in seconds.
    pub(crate) healthy_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            client_port: 2379,
            request_timeout_ms: 1000,
            stack_seconds: 60,
            healthy_seconds: 60,
        }
    }
}

impl Settings {
    pub(crate) fn read() -> Result<Self> {
        duress_sdk::settings()
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    pub(crate) fn stack_timeout_ms(&self) -> u64 {
        self.stack_seconds * 1000
    }
}
