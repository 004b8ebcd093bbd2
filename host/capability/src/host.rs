//! `host`: time, chance, a log, settings. None of it has an effect outside the call.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use super::bindings::duress::plugin::host::Host;
pub(super) use super::bindings::duress::plugin::host::Level;
use super::{Ctx, GuestError, LONGEST_OPERATION, Operations, PluginScope};
use duress_engine::Requirement;
use duress_model::text::tame;

/// The most lines that one call may log; the rest is counted and dropped.
const LINE_LIMIT: usize = 1_000;
/// How many of the last lines of standard error are kept, and how much of each, in bytes.
const COMPLAINTS_KEPT: usize = 6;
const COMPLAINT_LENGTH: usize = 200;
/// The longest line, in bytes; the rest is cut off.
pub(super) const LINE_LENGTH: usize = 16 << 10;

/// What one call has logged, whichever way.
#[derive(Debug, Default)]
pub struct CallLog {
    logged: Mutex<Logged>,
    /// What the call shares with other operations of a workload, if it is one.
    operations: Option<Arc<Operations>>,
}

#[derive(Debug, Default)]
struct Logged {
    lines: usize,
    last_error: Option<String>,
    complaints: VecDeque<String>,
}

impl CallLog {
    pub(super) fn of_operation(operations: Arc<Operations>) -> Self {
        Self {
            logged: Mutex::default(),
            operations: Some(operations),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Logged> {
        self.logged.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the last line at level `error`: after a trap, the reason.
    pub fn last_error(&self) -> Option<String> {
        self.lock().last_error.clone()
    }

    /// Returns the last lines of its standard error, which may say why it gave up: an exception, and then what became of it.
    pub fn last_complaints(&self) -> Option<String> {
        let logged = self.lock();
        let lines: Vec<&str> = logged.complaints.iter().map(String::as_str).collect();
        (!lines.is_empty()).then(|| lines.join("; "))
    }

    pub(super) fn note_complaint(&self, line: &str) {
        let mut logged = self.lock();
        if logged.complaints.len() == COMPLAINTS_KEPT {
            logged.complaints.pop_front();
        }
        logged
            .complaints
            .push_back(tame(line.trim(), COMPLAINT_LENGTH));
    }

    /// A line of the trial's log, as long as there are not too many.
    pub(super) fn line(&self, scope: &PluginScope, level: Level, message: &str) {
        let mut logged = self.lock();
        logged.lines += 1;
        if level != Level::Error && logged.lines > LINE_LIMIT + 1 {
            return;
        }
        let message = tame(message, LINE_LENGTH);
        if level == Level::Error {
            logged.last_error = Some(message.clone());
        }
        let (level, message) = match logged.lines {
            ..=LINE_LIMIT => (level, message),
            n if n == LINE_LIMIT + 1 => {
                let note = format!("more than {LINE_LIMIT} lines in one call: the rest is dropped");
                (Level::Warn, note)
            }
            _ => return,
        };
        let plugin = &scope.plugin;
        let level = match level {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Warn => "warn",
            Level::Error => "error",
        };
        tracing::debug!(target: "duress_plugin", plugin, level, "{message}");
        if self.operations.as_ref().is_some_and(|all| !all.may_log()) {
            return;
        }
        if let Some(trial) = &scope.trial {
            trial.audit.log(level, plugin, &message);
        }
    }
}

/// A component's clock: it starts at this machine's, and continues with the run's own time, which may be simulated. No step of the
/// machine's clock moves it.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    /// Milliseconds since the Unix epoch.
    began_at: u64,
    began: Instant,
}

impl Clock {
    /// A clock that shows the time of this machine now.
    pub fn start() -> Self {
        Self {
            began_at: jiff::Timestamp::now().as_millisecond().unsigned_abs(),
            began: Instant::now(),
        }
    }

    /// Milliseconds since the Unix epoch.
    pub(super) fn now(&self) -> u64 {
        let passed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.began_at.saturating_add(passed)
    }
}

impl super::bindings::duress::plugin::types::Host for Ctx {}

impl Host for Ctx {
    fn log(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.count()?;
        self.log.line(&self.scope, level, &message);
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
        Ok(self.clock.now())
    }

    fn deadline(&mut self) -> wasmtime::Result<u64> {
        self.count()?;
        self.counts.now += 1;
        Ok(self.deadline)
    }

    fn random(&mut self) -> wasmtime::Result<u64> {
        self.count()?;
        self.counts.random += 1;
        if let Some((_, random)) = &mut self.operation {
            return Ok(random.draw());
        }
        Ok(self.scope.trial.as_ref().map_or(0, |trial| trial.draw()))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_components_clock_goes_with_the_runs_own_time() {
        let clock = Clock::start();
        let began = clock.now();
        tokio::time::sleep(Duration::from_secs(250)).await;
        assert_eq!(clock.now() - began, 250_000, "time that is simulated");
    }
}
