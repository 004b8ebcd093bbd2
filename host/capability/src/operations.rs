//! What the calls of `workload.operate` share: thousands each second, of which each may do little.
//!
//! Addresses are remembered and connections kept, because asking the engine for each takes longer than the operation. Calls are recorded in
//! sums, because a row for each would fill the audit within seconds.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use duress_engine::{AddressBook, EngineResult, Place};
use duress_http::Client;
use duress_store::Verdict;

use super::{GuestError, Permissions, PluginScope, TrialScope, describe};

/// The export that runs.
pub const OPERATE: &str = "workload.operate";

/// The host calls that an operation may make and that can have an effect.
const ALLOWED: [&str; 3] = ["containers.list", "http.send", "tcp.connect"];
/// The most memory that all operations under way may have together, in bytes.
const MEMORY_LIMIT: usize = 1 << 30;
/// The largest response that an operation gets, in bytes: thousands may be under way.
pub(super) const RESPONSE_LIMIT: usize = 256 << 10;
/// How often sums are recorded.
const SUM_INTERVAL: Duration = Duration::from_secs(10);
/// The most lines that operations may log in that time; the rest is counted.
const LINE_LIMIT: u64 = 100;

/// What the operations of one workload share.
#[derive(Debug)]
pub struct Operations {
    trial: Arc<TrialScope>,
    plugin: String,
    book: Option<AddressBook>,
    pub(super) http: Client,
    pub(super) memory: Arc<MemoryBudget>,
    sums: Mutex<Sums>,
}

/// Calls since they were recorded last.
#[derive(Debug)]
struct Sums {
    since: Instant,
    calls: BTreeMap<(&'static str, Verdict), Sum>,
    lines: u64,
}

#[derive(Debug, Default)]
struct Sum {
    times: u64,
    took: Duration,
    /// What the last of them came to, where it did not succeed.
    detail: Option<String>,
}

impl Operations {
    /// Returns what the operations of a trial's subject share, and the scope of each: no more than HTTP and TCP of what was granted.
    ///
    /// # Errors
    /// Without a trial; where HTTP cannot be set up.
    pub fn new(
        scope: &PluginScope,
        connections: usize,
    ) -> duress_model::Result<(Arc<Self>, Arc<PluginScope>)> {
        let Some(trial) = scope.trial.clone() else {
            return Err(duress_model::Error::failed(
                "a workload needs a trial that runs",
            ));
        };
        let book = trial
            .engine
            .clone()
            .map(|engine| AddressBook::new(engine, trial.project.clone()));
        let operations = Self {
            plugin: scope.plugin.clone(),
            book,
            http: trial.http.keeping(connections)?,
            memory: Arc::default(),
            sums: Mutex::new(Sums {
                since: Instant::now(),
                calls: BTreeMap::new(),
                lines: 0,
            }),
            trial: Arc::clone(&trial),
        };
        let scope = PluginScope {
            plugin: scope.plugin.clone(),
            settings: scope.settings.clone(),
            grants: Permissions {
                http: scope.grants.http.clone(),
                tcp: scope.grants.tcp.clone(),
                ..Permissions::default()
            },
            trial: Some(trial),
        };
        Ok((Arc::new(operations), Arc::new(scope)))
    }

    /// Refuses a host call that an operation may not make.
    pub(super) fn check(&self, call: &str) -> Result<(), GuestError> {
        match ALLOWED.contains(&call) {
            true => Ok(()),
            false => Err(GuestError::Denied(format!(
                "an operation of a workload may not call `{call}`: it has {}, and `host`",
                ALLOWED.join(", ")
            ))),
        }
    }

    /// Returns the addresses of the stack's containers.
    pub(super) fn book(&self) -> Result<&AddressBook, GuestError> {
        self.book.as_ref().ok_or_else(|| {
            GuestError::Denied("this subject has no compose file, and so no containers".into())
        })
    }

    /// Returns where a port of a container is reached.
    pub(super) async fn place(&self, container: &str, port: u16) -> Result<Place, GuestError> {
        let place: EngineResult<Option<Place>> = self.book()?.place(container, port).await;
        place?.ok_or_else(|| {
            GuestError::Invalid(format!(
                "no container `{}` is in this trial's stack",
                container.escape_debug()
            ))
        })
    }

    /// Counts a host call.
    pub(super) fn count(&self, call: &'static str, failure: Option<&GuestError>, took: Duration) {
        let verdict = match failure {
            None => Verdict::Allowed,
            Some(GuestError::Denied(_)) => Verdict::Denied,
            Some(_) => Verdict::Failed,
        };
        let mut sums = self.sums();
        let sum = sums.calls.entry((call, verdict)).or_default();
        sum.times += 1;
        sum.took = sum.took.saturating_add(took);
        if let Some(failure) = failure {
            sum.detail = Some(describe(failure));
        }
        if sums.since.elapsed() >= SUM_INTERVAL {
            self.record_sums(&mut sums);
        }
    }

    /// Returns whether one more line may be logged.
    pub(super) fn may_log(&self) -> bool {
        let mut sums = self.sums();
        sums.lines += 1;
        sums.lines <= LINE_LIMIT
    }

    /// Records the sums until now: at the end, what was counted since the last time.
    pub fn record(&self) {
        self.record_sums(&mut self.sums());
    }

    fn record_sums(&self, sums: &mut Sums) {
        let over = sums.lines.saturating_sub(LINE_LIMIT);
        if over > 0 {
            let message =
                format!("operations logged {over} more lines in {SUM_INTERVAL:?}: dropped");
            self.trial.audit.log("warn", &self.plugin, &message);
        }
        for ((call, verdict), sum) in std::mem::take(&mut sums.calls) {
            let took = i64::try_from(sum.took.as_micros()).unwrap_or(i64::MAX);
            let arguments =
                json!({ "times": sum.times, "within_ms": sums.since.elapsed().as_millis() as u64 });
            let audit = &self.trial.audit;
            audit.record(
                &self.plugin,
                OPERATE,
                call,
                &arguments,
                verdict,
                sum.detail,
                took,
            );
        }
        sums.since = Instant::now();
        sums.lines = 0;
    }

    fn sums(&self) -> MutexGuard<'_, Sums> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Operations {
    fn drop(&mut self) {
        self.record();
    }
}

/// What many calls may have of memory together.
#[derive(Debug, Default)]
pub(crate) struct MemoryBudget(AtomicUsize);

impl MemoryBudget {
    /// Takes so many bytes, if they are left.
    pub(super) fn take(&self, bytes: usize) -> bool {
        let taken = self
            .0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|used| *used <= MEMORY_LIMIT)
            });
        taken.is_ok()
    }

    pub(super) fn give_back(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}
