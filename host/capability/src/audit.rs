//! What plugins asked for, on record: every call that can have an effect with its arguments, the others by number.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde_json::{Value, json};

use super::{Ctx, GuestError, PluginScope, describe, tamed, tcp};
use duress_store::{AuditEntry, LogLine, Store, Verdict};

/// The longest arguments that are recorded, in bytes of JSON; longer ones are replaced by their length.
const ARGUMENTS_LIMIT: usize = 4 << 10;

/// The most host calls of one call into a component that get a row each: several for each of a hundred containers.
const ROWS_PER_CALL: u64 = 1_000;
/// The most of one trial: a health call each second for hours makes some ten thousand.
const ROWS_PER_TRIAL: u64 = 50_000;

/// Where a trial's calls and log lines are recorded. Recording never waits and never fails a call.
#[derive(Debug, Clone)]
pub struct Audit {
    store: Store,
    trial: String,
    /// Rows of the trial so far.
    rows: Arc<AtomicU64>,
}

/// Host calls that got no row of their own, by what they were and what became of them.
#[derive(Debug, Default)]
pub(crate) struct Omitted(Vec<(&'static str, Verdict, u64)>);

impl Omitted {
    fn count(&mut self, call: &'static str, verdict: Verdict) {
        let same = |one: &&mut (&'static str, Verdict, u64)| (one.0, one.1) == (call, verdict);
        match self.0.iter_mut().find(same) {
            Some((_, _, times)) => *times += 1,
            None => self.0.push((call, verdict, 1)),
        }
    }
}

/// How often one call made the host calls that have no effect.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(super) now: u64,
    pub(super) random: u64,
    pub(super) settings: u64,
    pub(super) sleep: u64,
}

impl Audit {
    /// For one trial, by its id in the store.
    pub fn new(store: Store, trial: String) -> Self {
        Self {
            store,
            trial,
            rows: Arc::default(),
        }
    }

    /// A line of the trial's log.
    pub fn log(&self, level: &str, source: &str, message: &str) {
        self.store.post_log(LogLine {
            trial_id: self.trial.clone(),
            at: now(),
            level: level.to_owned(),
            source: source.to_owned(),
            message: message.to_owned(),
        });
    }

    pub(super) fn record_counts(&self, plugin: &str, function: &str, counts: Counts) {
        let calls = [
            ("host.now", counts.now),
            ("host.random", counts.random),
            ("host.settings", counts.settings),
            ("host.sleep", counts.sleep),
        ];
        for (call, times) in calls.into_iter().filter(|(_, times)| *times > 0) {
            self.record(
                plugin,
                function,
                call,
                &json!({ "times": times }),
                Verdict::Allowed,
                None,
                0,
            );
        }
    }

    /// How a TCP connection was used.
    pub(super) fn record_connection(&self, plugin: &str, function: &str, used: &tcp::Usage) {
        let arguments = json!({
            "container": used.container, "port": used.port, "sent": used.sent, "received": used.received,
        });
        let took = i64::try_from(used.opened.elapsed().as_micros()).unwrap_or(i64::MAX);
        self.record(
            plugin,
            function,
            "tcp.connection",
            &arguments,
            Verdict::Allowed,
            None,
            took,
        );
    }

    /// Returns whether the trial may have one more row. Logs it once when the limit is reached.
    fn has_room(&self) -> bool {
        let rows = self.rows.fetch_add(1, Ordering::Relaxed);
        if rows == ROWS_PER_TRIAL {
            let message = format!(
                "the audit has {ROWS_PER_TRIAL} rows: further host calls are counted for each call of a plugin, and not recorded one by one"
            );
            self.log("warn", "duress", &message);
        }
        rows < ROWS_PER_TRIAL
    }

    pub(super) fn record_omitted(&self, plugin: &str, function: &str, omitted: Omitted) {
        for (call, verdict, times) in omitted.0 {
            let detail =
                format!("{times} more of these in this call: counted, and not recorded one by one");
            self.record(
                plugin,
                function,
                call,
                &json!({ "times": times }),
                verdict,
                Some(detail),
                0,
            );
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the columns of one row")]
    pub(super) fn record(
        &self,
        plugin: &str,
        function: &str,
        call: &str,
        arguments: &Value,
        verdict: Verdict,
        detail: Option<String>,
        duration_us: i64,
    ) {
        let mut arguments = arguments.to_string();
        if arguments.len() > ARGUMENTS_LIMIT {
            arguments = json!({ "bytes": arguments.len() }).to_string();
        }
        self.store.post_audit(AuditEntry {
            trial_id: self.trial.clone(),
            at: now(),
            plugin: plugin.to_owned(),
            function: function.to_owned(),
            call: call.to_owned(),
            arguments,
            verdict,
            detail,
            duration_us,
        });
    }
}

impl Ctx {
    /// Makes one host call: counted, timed, recorded.
    pub(super) async fn audited<T, F>(
        &mut self,
        call: &'static str,
        arguments: Value,
        body: impl FnOnce(Arc<PluginScope>) -> F,
    ) -> wasmtime::Result<Result<T, GuestError>>
    where
        F: Future<Output = Result<T, GuestError>>,
    {
        self.count()?;
        let started = Instant::now();
        if let Some(operations) = self.operations() {
            let answer = match operations.check(call) {
                Ok(()) => body(Arc::clone(&self.scope)).await.map_err(tamed),
                Err(denied) => Err(denied),
            };
            operations.count(call, answer.as_ref().err(), started.elapsed());
            return Ok(answer);
        }
        let answer = body(Arc::clone(&self.scope)).await.map_err(tamed);
        if let Some(trial) = &self.scope.trial {
            let verdict = match &answer {
                Ok(_) => Verdict::Allowed,
                Err(GuestError::Denied(_)) => Verdict::Denied,
                Err(_) => Verdict::Failed,
            };
            if self.recorded >= ROWS_PER_CALL || !trial.audit.has_room() {
                self.omitted.count(call, verdict);
                return Ok(answer);
            }
            self.recorded += 1;
            let detail = answer.as_ref().err().map(describe);
            let took = i64::try_from(started.elapsed().as_micros()).unwrap_or(i64::MAX);
            let (plugin, function) = (&self.scope.plugin, self.function);
            trial
                .audit
                .record(plugin, function, call, &arguments, verdict, detail, took);
        }
        Ok(answer)
    }

    /// Records a call that did not succeed.
    pub(super) fn record_failure(&self, call: &'static str, arguments: &Value, error: &GuestError) {
        if let Some(operations) = self.operations() {
            operations.count(call, Some(error), std::time::Duration::ZERO);
            return;
        }
        let Some(trial) = &self.scope.trial else {
            return;
        };
        let verdict = match error {
            GuestError::Denied(_) => Verdict::Denied,
            _ => Verdict::Failed,
        };
        let (plugin, function) = (&self.scope.plugin, self.function);
        let detail = Some(describe(error));
        trial
            .audit
            .record(plugin, function, call, arguments, verdict, detail, 0);
    }
}

/// Milliseconds since the Unix epoch.
fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_gets_no_row_is_counted_by_what_became_of_it() {
        let mut omitted = Omitted::default();
        for _ in 0..99_000 {
            omitted.count("containers.exec", Verdict::Denied);
        }
        omitted.count("containers.exec", Verdict::Allowed);
        assert_eq!(
            omitted.0,
            [
                ("containers.exec", Verdict::Denied, 99_000),
                ("containers.exec", Verdict::Allowed, 1)
            ]
        );
    }

    #[tokio::test]
    async fn a_trial_has_no_more_rows_than_its_limit() {
        let folder = tempfile::tempdir().expect("a store");
        let store = Store::open(&folder.path().join("duress.db")).expect("a store");
        let audit = Audit::new(store, "trial".into());
        let room = (0..ROWS_PER_TRIAL + 100)
            .filter(|_| audit.clone().has_room())
            .count();
        assert_eq!(room as u64, ROWS_PER_TRIAL);
    }
}
