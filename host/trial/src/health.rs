//! Watching a subject's health: while the fault holds, and until it is well again.

use std::time::Duration;

use tokio::time::Instant;

use super::{Failed, Run, now};
use duress_capability::Changes;
use duress_journal::Held;
use duress_model::{Error, OnTargetRestart, Outcome};
use duress_plugin::Health;

/// How often health is asked for while a fault holds.
const WATCHING: Duration = Duration::from_millis(500);
/// How often it is looked whether the faults still hold.
const LOOKING: Duration = Duration::from_secs(2);
/// How often it is asked for while the subject recovers: this is also how exactly the time to recover is known.
const RECOVERING: Duration = Duration::from_millis(200);
/// A subject that has not answered for so long when a look is cut short is not healthy.
const NO_ANSWER: Duration = Duration::from_secs(1);

impl Run<'_> {
    /// Asks once. A subject that cannot be asked is not healthy.
    pub(super) async fn health(&self) -> Health {
        let subject = &self.trial.subject.plugin;
        match subject
            .component
            .health(&self.scope_of(subject), self.limits.health)
            .await
        {
            Ok(health) => health,
            Err(error) => Health {
                healthy: false,
                detail: error.to_string(),
            },
        }
    }

    /// Lets the faults hold for their time, and notes each change of health.
    pub(super) async fn monitor(&mut self) -> Result<(), Failed> {
        // Where nothing was broken there is nothing to wait for.
        let duration = if self.trial.dry_run {
            0
        } else {
            self.trial.spec.duration_ms
        };
        let begun = Instant::now();
        let planned = begun + Duration::from_millis(duration);
        let mut looked = begun;
        loop {
            self.revert_due().await;
            while let Some(fault) = self.timeline.due(begun.elapsed()) {
                self.inject(fault).await?;
            }
            // A fault that was to end before the trial's duration does holds for all of its own time, however late it took effect.
            let end = self.end_of_monitoring(planned);
            if Instant::now() >= end {
                break;
            }
            if looked.elapsed() >= LOOKING {
                self.look_at_changes(true).await?;
                self.look_at_stack().await;
                looked = Instant::now();
            }
            let injection = self.timeline.next().map(|at| begun + at);
            let due = [Some(end), injection, self.next_revert()];
            let due = due.into_iter().flatten().min().unwrap_or(end);
            if !self.asks_for_health() {
                let next = (Instant::now() + LOOKING).min(due);
                self.unless_cancelled(tokio::time::sleep_until(next))
                    .await?;
                continue;
            }
            let asked = Instant::now();
            // A subject that does not answer keeps no fault from its time.
            let answer = tokio::time::timeout_at(due, self.unless_cancelled(self.health())).await;
            match answer {
                Ok(health) => self.note_health(&health?),
                Err(_) if asked.elapsed() >= NO_ANSWER => {
                    let detail = format!("no answer for {:.1} s", asked.elapsed().as_secs_f64());
                    self.note_health(&Health {
                        healthy: false,
                        detail,
                    });
                }
                Err(_) => {}
            }
            let in_force = self.held().iter().any(Held::is_in_force);
            let pause = match self.seen.is_unhealthy() && !in_force {
                true => RECOVERING,
                false => WATCHING,
            };
            let next = (Instant::now() + pause).min(due);
            self.unless_cancelled(tokio::time::sleep_until(next))
                .await?;
        }
        let ended = Instant::now();
        for (fault, since) in self.still_held() {
            // The faults of the first moment hold from when all of them are in force.
            let since = match self.trial.spec.faults[fault].at_ms {
                0 => since.max(begun),
                _ => since,
            };
            let at = Duration::from_millis(self.trial.spec.faults[fault].at_ms);
            let hold = planned.saturating_duration_since(begun + at);
            self.check_hold(fault, hold, ended.saturating_duration_since(since));
        }
        // What ended in the last moments is seen now, before the rollback ends it anyway.
        self.look_at_changes(false).await?;
        self.look_at_stack().await;
        let held: Vec<_> = self
            .injected
            .iter()
            .map(|one| (one.fault, one.changes.clone()))
            .collect();
        for (fault, changes) in held {
            self.count_packets(fault, &changes).await;
        }
        self.check_traffic()
    }

    /// When the last fault has held for its time, or the trial's duration is over.
    fn end_of_monitoring(&self, planned: Instant) -> Instant {
        let own = self.injected.iter().filter_map(|one| {
            let planned_fault = &self.trial.spec.faults[one.fault];
            let planned_end = planned_fault.at_ms.saturating_add(planned_fault.hold_ms?);
            (planned_end <= self.trial.spec.duration_ms).then_some(one.due?)
        });
        own.fold(planned, Instant::max)
    }

    /// Returns the faults that the rollback will end, with the times since when they are in force.
    fn still_held(&self) -> Vec<(usize, Instant)> {
        let still = self.injected.iter();
        still.map(|one| (one.fault, one.since)).collect()
    }

    /// Notes a report of the subject's health; a change of it is told.
    fn note_health(&mut self, health: &Health) {
        let was_unhealthy = self.seen.is_unhealthy();
        self.seen.note(health.healthy);
        if self.seen.is_unhealthy() == was_unhealthy {
            return;
        }
        let word = if health.healthy {
            "healthy"
        } else {
            "not healthy"
        };
        let told = format!("{word}: {}", health.detail);
        self.observer.note(told.clone());
        self.scope.audit.log("info", "health", &told);
    }

    /// Checks whether each fault is still in force, and acts on those that are not as the campaign says.
    async fn look_at_changes(&mut self, may_reapply: bool) -> Result<(), Failed> {
        let Changes::Made(journal) = &self.scope.changes else {
            return Ok(());
        };
        let wanted = self.trial.spec.on_target_restart == OnTargetRestart::Reapply;
        let lost = journal.tend(wanted && may_reapply);
        let lost = self.unless_cancelled(lost).await?;
        // What cannot be seen now is seen at the rollback.
        for lost in lost.unwrap_or_default() {
            self.note_lost(lost).await;
        }
        Ok(())
    }

    /// Waits until it is healthy again, within its recovery time.
    pub(super) async fn await_recovery(&mut self) -> Result<(), Failed> {
        let limit = Duration::from_millis(self.trial.spec.recovery_timeout_ms);
        let end = Instant::now() + limit;
        let waits = self.watch_engine_waits();
        let mut looked = Instant::now();
        let mut last = String::from("it was never asked");
        loop {
            let asked = tokio::time::timeout_at(end, self.unless_cancelled(self.health())).await;
            if let Ok(health) = asked {
                let health = health?;
                self.note_health(&health);
                if health.healthy {
                    self.end.recovered_at = Some(now());
                    self.recovered(Instant::now(), waits.as_ref());
                    return Ok(());
                }
                last = health.detail;
            }
            if Instant::now() >= end {
                return Err(Failed::new(
                    Outcome::TimedOut,
                    Error::failed(format!(
                        "not healthy again within {} s after the rollback: {last}",
                        limit.as_secs_f64()
                    ))
                    .hint("`recovery_timeout_seconds` in the campaign gives it longer"),
                ));
            }
            if looked.elapsed() >= LOOKING {
                self.look_at_stack().await;
                looked = Instant::now();
            }
            self.unless_cancelled(tokio::time::sleep(RECOVERING))
                .await?;
        }
    }
}
