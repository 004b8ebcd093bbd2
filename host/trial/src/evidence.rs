//! Whether a trial is evidence: its changes held for as long as they should, and nobody else touched what it was about.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::pulse::{Pulse, Waits};
use super::{Failed, Run, disturbance};
use duress_capability::Changes;
use duress_engine::{Engine, Snapshot};
use duress_journal::{Held, Lost};
use duress_model::{Error, OnTargetRestart, Outcome};

/// A fault that held so much longer or shorter than planned is another experiment. Below it lies what a look, a slow program and a
/// busy machine take.
const HOLD_TOLERANCE: Duration = Duration::from_secs(2);
/// Of long holds, this share: 1/10.
const HOLD_TOLERANCE_DIVISOR: u32 = 10;
/// An engine that answers no sooner keeps the subject's health from being seen.
const SLOW_ANSWER: Duration = Duration::from_millis(500);
/// How often the engine is asked while the subject recovers.
const BETWEEN_ASKING: Duration = Duration::from_millis(200);

/// What a trial is compared with.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// The containers that came up.
    came_up: Vec<Snapshot>,
    /// When they had.
    since: Option<Duration>,
    waits: Option<Waits>,
    engine: Option<EngineWatch>,
    /// While the rollback waited for the database, though every fault was gone.
    recording: Option<(Instant, Instant)>,
}

/// Hears that the engine ended. Dropped, it listens no more.
#[derive(Debug)]
struct EngineWatch {
    ended: Arc<AtomicBool>,
    listening: JoinHandle<()>,
}

impl EngineWatch {
    fn start(engine: &Arc<dyn Engine>) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let (engine, told) = (Arc::clone(engine), Arc::clone(&ended));
        let listening = tokio::spawn(async move {
            engine.until_it_ends().await;
            told.store(true, Ordering::Relaxed);
        });
        Self { ended, listening }
    }
}

impl Drop for EngineWatch {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

/// Measures how long the engine takes to answer. Stops when dropped.
#[derive(Debug)]
pub(super) struct EngineWaits {
    asked: Arc<std::sync::Mutex<Asked>>,
    asking: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Asked {
    /// When it was asked in vain, or for too long, and when that was over.
    waits: Vec<(Instant, Instant)>,
    /// Since when it has not answered.
    since: Option<Instant>,
}

impl EngineWaits {
    fn start(engine: &Arc<dyn Engine>) -> Self {
        let asked = Arc::new(std::sync::Mutex::new(Asked::default()));
        let (engine, noted) = (Arc::clone(engine), Arc::clone(&asked));
        let asking = tokio::spawn(async move {
            loop {
                let began = *lock(&noted).since.get_or_insert_with(Instant::now);
                // An engine that is gone is waited for as one that is slow.
                if engine.ping().await.is_ok() {
                    let mut noted = lock(&noted);
                    noted.since = None;
                    if began.elapsed() >= SLOW_ANSWER {
                        noted.waits.push((began, Instant::now()));
                    }
                }
                tokio::time::sleep(BETWEEN_ASKING).await;
            }
        });
        Self { asked, asking }
    }

    /// Returns the waits between two moments.
    fn between(&self, from: Instant, to: Instant) -> Duration {
        let asked = lock(&self.asked);
        let now = Instant::now();
        let unanswered = asked.since.filter(|since| now - *since >= SLOW_ANSWER);
        let unanswered = unanswered.map(|since| (since, now));
        let waits = asked.waits.iter().copied().chain(unanswered);
        waits
            .map(|(began, ended)| ended.min(to).saturating_duration_since(began.max(from)))
            .sum()
    }
}

impl Drop for EngineWaits {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Returns the difference between how long a fault held and how long it should have, where it is too large.
fn hold_is_off(planned: Duration, held: Duration) -> bool {
    let tolerance = HOLD_TOLERANCE.max(planned / HOLD_TOLERANCE_DIVISOR);
    planned.abs_diff(held) > tolerance
}

impl Run<'_> {
    /// The stack is up and well: from now on nobody else may touch it.
    pub(super) async fn begin_watch(&mut self) -> Result<(), Failed> {
        if self.trial.dry_run {
            return Ok(());
        }
        if self.context.pulse.is_some() {
            self.watch.since = Some(Pulse::now());
            self.watch.waits = Waits::now();
        }
        let Some(engine) = &self.context.engine else {
            return Ok(());
        };
        self.watch.engine = Some(EngineWatch::start(engine));
        let seen = engine.snapshots(&self.scope.project);
        self.watch.came_up = self
            .unless_cancelled(seen)
            .await?
            .map_err(|error| Failed::new(Outcome::Environment, Error::from(error)))?;
        Ok(())
    }

    /// Notes what somebody else did since the stack came up. What cannot be seen now is seen at the next look.
    pub(super) async fn look_at_stack(&mut self) {
        let Some(engine) = &self.context.engine else {
            return;
        };
        if self.watch.came_up.is_empty() {
            return;
        }
        let now = self.unless_cancelled(engine.snapshots(&self.scope.project));
        let Ok(Ok(now)) = now.await else {
            return;
        };
        let held = self.held();
        let reapply = self.trial.spec.on_target_restart == OnTargetRestart::Reapply;
        let may_restart =
            |one: &Snapshot| reapply && held.iter().any(|held| held.container == one.id);
        let found = disturbance::between(&self.watch.came_up, &now, &held, &may_restart);
        for what in found {
            self.disturb(what);
        }
    }

    /// A change that ended before its time: a disturbance, unless the campaign wants it made again, or its container ended by itself.
    pub(super) async fn note_lost(&mut self, lost: Lost) {
        self.observer.important(lost.to_string());
        self.scope.audit.log("warn", "duress", &lost.to_string());
        if matches!(lost.reapplied, Some(Ok(()))) {
            return;
        }
        let held = self.held();
        let held = held.iter().find(|held| held.id == lost.id);
        let was = held.and_then(|held| {
            let mut came_up = self.watch.came_up.iter();
            came_up.find(|one| one.id == held.container).cloned()
        });
        if let (Some(was), Some(engine)) = (was, &self.context.engine) {
            let now = self.unless_cancelled(engine.snapshots(&self.scope.project));
            if let Ok(Ok(now)) = now.await
                && let Some(is) = now.iter().find(|one| one.id == was.id)
                && disturbance::ended_by_itself(&was, is)
            {
                return;
            }
        }
        self.disturb(format!("a fault ended before its time: {}", lost.summary));
    }

    /// Whether a fault held for as long as it should have.
    pub(super) fn check_hold(&mut self, fault: usize, planned: Duration, held: Duration) {
        if !self.trial.dry_run && hold_is_off(planned, held) {
            self.disturb(format!(
                "`{}` was in force for {:.1} s instead of {:.1} s",
                self.trial.faults[fault].1.name,
                held.as_secs_f64(),
                planned.as_secs_f64()
            ));
        }
    }

    /// Notes once that the trial is not evidence.
    pub(super) fn disturb(&mut self, what: String) {
        let known = &mut self.end.circumstances.disturbances;
        if known.contains(&what) {
            return;
        }
        let told = format!("disturbed: {what}");
        self.observer.important(told.clone());
        self.scope.audit.log("warn", "duress", &told);
        known.push(what);
    }

    /// Returns every change that the trial has made; none in a dry run.
    pub(super) fn held(&self) -> Vec<Held> {
        match &self.scope.changes {
            Changes::Made(journal) => journal.held(),
            Changes::Recorded(_) => Vec::new(),
        }
    }

    /// Looks for the last time, before the stack is removed.
    pub(super) async fn end_watch(&mut self) {
        if self.cancel.is_cancelled() {
            return;
        }
        self.look_at_stack().await;
        let engine = self.watch.engine.take();
        if engine.is_some_and(|engine| engine.ended.load(Ordering::Relaxed)) {
            self.disturb("the container engine ended or was restarted".to_owned());
        }
        let since = self.watch.since;
        if let (Some(pulse), Some(since)) = (&self.context.pulse, since)
            && let Some(frozen) = pulse.frozen_since(since)
        {
            self.disturb(format!(
                "this machine, or duress itself, stood still for {:.1} s",
                frozen.as_secs_f64()
            ));
        }
        let pressure = self.watch.waits.and_then(Waits::until_now);
        if let Some(pressure) = pressure.filter(duress_model::Pressure::is_overload) {
            let told = format!("this machine was overloaded, so times say little: {pressure}");
            self.observer.important(told.clone());
            self.scope.audit.log("warn", "duress", &told);
        }
        self.end.circumstances.pressure = pressure;
    }

    /// The journal's rollback, which began then, is over. What it took after the last fault was gone went into the database.
    pub(super) fn note_recording(&mut self, began: Instant) {
        let gone = self.held().iter().filter_map(|held| held.gone).max();
        let from = gone.map(|gone| gone.max(began));
        let slow = from.filter(|from| from.elapsed() >= SLOW_ANSWER);
        self.watch.recording = slow.map(|from| (from, Instant::now()));
    }

    /// Asks the engine again and again, to see how long it keeps everybody waiting.
    pub(super) fn watch_engine_waits(&self) -> Option<EngineWaits> {
        // In simulated time nobody waits for an engine but who asks it.
        self.context.pulse.as_ref()?;
        self.context.engine.as_ref().map(EngineWaits::start)
    }

    /// The time to recover: from when the last fault was seen to be gone, without waits for the engine.
    pub(super) fn recovered(&mut self, at: Instant, waits: Option<&EngineWaits>) {
        let gone = self.held().iter().filter_map(|held| held.gone).max();
        let stayed = !self.seen.was_unhealthy;
        self.end.circumstances.stayed_healthy = gone.map(|_| stayed);
        let Some(gone) = gone.filter(|_| !stayed) else {
            return;
        };
        let at = self
            .seen
            .healthy_since
            .filter(|since| *since >= gone)
            .unwrap_or(at);
        let for_engine = waits.map_or(Duration::ZERO, |waits| waits.between(gone, at));
        let for_database = self.watch.recording.map_or(Duration::ZERO, |(from, to)| {
            to.min(at).saturating_duration_since(from)
        });
        let milliseconds = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        self.end.circumstances.engine_wait_ms = milliseconds(for_engine);
        self.end.circumstances.database_wait_ms = milliseconds(for_database);
        let took = at.saturating_duration_since(gone);
        let took = took.saturating_sub(for_engine).saturating_sub(for_database);
        self.end.recovery_ms = Some(milliseconds(took));
    }

    /// What a result is worth once it is known what else happened.
    pub(super) fn judged(&self, result: Result<(), Failed>) -> Result<(), Failed> {
        let disturbances = &self.end.circumstances.disturbances;
        if disturbances.is_empty() {
            return result;
        }
        let also = match &result {
            Ok(()) => String::new(),
            // What people must act upon is worse than a trial that proves nothing.
            Err(failed) if failed.must_be_told() => return result,
            Err(failed) => format!("; and {}", failed.error),
        };
        Err(Failed::new(
            Outcome::Disturbed,
            Error::failed(format!("{}{also}", disturbances.join("; ")))
                .hint("this was not the trial's doing, so it proves nothing: keep others off its stack, and run it again"),
        ))
    }
}

/// When the subject was healthy, as far as it was seen.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// It was not, at some look.
    pub(super) was_unhealthy: bool,
    /// Since when it is again; `None` while it is not, or has always been.
    pub(super) healthy_since: Option<Instant>,
}

impl Seen {
    /// Notes a report of the subject's health.
    pub(super) fn note(&mut self, healthy: bool) {
        if !healthy {
            self.was_unhealthy = true;
            self.healthy_since = None;
        } else if self.was_unhealthy && self.healthy_since.is_none() {
            self.healthy_since = Some(Instant::now());
        }
    }

    /// Returns whether it was unhealthy when it was seen last.
    pub(super) fn is_unhealthy(&self) -> bool {
        self.was_unhealthy && self.healthy_since.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hold_is_off_beyond_its_tolerance() {
        let off = |planned: f64, held: f64| {
            hold_is_off(
                Duration::from_secs_f64(planned),
                Duration::from_secs_f64(held),
            )
        };
        assert!(!off(5.0, 6.5) && !off(60.0, 65.0) && !off(0.0, 0.1));
        assert!(off(5.0, 0.5) && off(5.0, 9.0) && off(60.0, 70.0));
    }
}
