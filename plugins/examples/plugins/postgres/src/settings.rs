//! The subject's settings and their defaults.

use std::time::Duration;

use duress_sdk::Result;
use serde::Deserialize;

/// The services whose containers are servers, and those of them that follow the primary.
pub(crate) const SERVERS: &[&str] = &["primary", "replica*"];
pub(crate) const REPLICAS: &[&str] = &["replica*"];

/// `settings` in `subject.yaml`.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where each server listens.
    pub(crate) port: u16,
    /// A role that may log in without a password (`trust` in pg_hba.conf) and is a member of `pg_monitor`.
    pub(crate) user: String,
    /// The database that it asks.
    pub(crate) database: String,
    /// Time limit for one question to one server, in milliseconds.
    pub(crate) request_timeout_ms: u64,
    /// Time limit for bringing the stack up, and for taking it down, in seconds.
    pub(crate) stack_seconds: u64,
    /// Time limit for a fresh stack to become healthy, in seconds.
    pub(crate) healthy_seconds: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            port: 5432,
            user: "probe".into(),
            database: "postgres".into(),
            request_timeout_ms: 2000,
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
