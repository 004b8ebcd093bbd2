//! `host`: time, chance, a log, settings. None of it has an effect outside the call.

use std::time::Duration;

use serde_json::json;

use super::bindings::duress::plugin::host::{Host, Level};
use super::{Ctx, GuestError, LONGEST_OPERATION, tame};
use crate::engine::Requirement;

/// The most lines that one call may log; the rest is counted and dropped.
const LINE_LIMIT: usize = 1_000;
/// The longest line, in bytes; the rest is cut off.
const LINE_LENGTH: usize = 16 << 10;

/// What one call has logged.
#[derive(Debug, Default)]
pub(crate) struct CallLog {
    lines: usize,
    last_error: Option<String>,
}

impl CallLog {
    /// The last line at level `error`: after a trap, the reason.
    pub(crate) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }
}

impl super::bindings::duress::plugin::types::Host for Ctx {}

impl Host for Ctx {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.count()?;
        self.log.lines += 1;
        if level != Level::Error && self.log.lines > LINE_LIMIT + 1 {
            return Ok(());
        }
        let message = tame(&message, LINE_LENGTH);
        if level == Level::Error {
            self.log.last_error = Some(message.clone());
        }
        let (level, message) = match self.log.lines {
            ..=LINE_LIMIT => (level, message),
            n if n == LINE_LIMIT + 1 => {
                let note = format!("more than {LINE_LIMIT} lines in one call: the rest is dropped");
                (Level::Warn, note)
            }
            _ => return Ok(()),
        };
        let plugin = &self.scope.plugin;
        let level = match level {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        tracing::debug!(target: "duress::plugin", plugin, level, "{message}");
        if let Some(trial) = &self.scope.trial {
            trial.audit.log(level, plugin, &message);
        }
        Ok(())
    }

    async fn sleep(&mut self, duration: u64) -> wasmtime::Result<()> {
        self.count()?;
        self.counts.sleep += 1;
        tokio::time::sleep(Duration::from_millis(duration).min(LONGEST_OPERATION)).await;
        Ok(())
    }

    fn now(&mut self) -> wasmtime::Result<u64> {
        self.count()?;
        self.counts.now += 1;
        Ok(jiff::Timestamp::now().as_millisecond().unsigned_abs())
    }

    fn random(&mut self) -> wasmtime::Result<u64> {
        self.count()?;
        self.counts.random += 1;
        Ok(self.scope.trial.as_ref().map_or(0, |trial| {
            trial
                .random
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .draw()
        }))
    }

    fn settings(&mut self) -> wasmtime::Result<String> {
        self.count()?;
        self.counts.settings += 1;
        Ok(self.scope.settings.to_string())
    }

    async fn has(&mut self, requirement: String) -> wasmtime::Result<bool> {
        let asked = self
            .audited(
                "host.has",
                json!({ "requirement": requirement }),
                |scope| async move {
                    let requirement: Requirement =
                        requirement.parse().map_err(GuestError::Invalid)?;
                    Ok(scope.trial()?.engine()?.has(&requirement).await?)
                },
            )
            .await?;
        // What is unknown here is not there.
        Ok(asked.unwrap_or(false))
    }
}
