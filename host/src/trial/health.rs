//! Watching a subject's health: while the fault holds, and until it is well again.

use std::time::Duration;

use tokio::time::Instant;

use super::{Failed, Run, now};
use crate::Error;
use crate::campaign::OnTargetRestart;
use crate::capability::Changes;
use crate::plugin::Health;
use crate::store::Outcome;

/// How often health is asked for while a fault holds.
const WATCHING: Duration = Duration::from_millis(500);
/// How often it is looked whether the faults still hold.
const LOOKING: Duration = Duration::from_secs(2);
/// How often it is asked for while the subject recovers: this is also how exactly the time to recover is known.
const RECOVERING: Duration = Duration::from_millis(200);

impl Run<'_> {
    /// Ask once. A subject that cannot be asked is not healthy.
    pub(super) async fn health(&self) -> Health {
        let subject = &self.trial.subject.plugin;
        match subject
            .plugin
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

    /// Let the fault hold for its time, and note each change of health.
    pub(super) async fn monitor(&mut self) -> Result<(), Failed> {
        // Where nothing was broken there is nothing to wait for.
        let duration = if self.trial.dry_run {
            0
        } else {
            self.trial.spec.duration_ms
        };
        let begun = Instant::now();
        let end = begun + Duration::from_millis(duration);
        let mut healthy = true;
        let mut looked = begun;
        while Instant::now() < end {
            while let Some(due) = self.timeline.due(begun.elapsed()) {
                self.perform(due).await?;
            }
            if looked.elapsed() >= LOOKING {
                self.look_at_changes().await?;
                looked = Instant::now();
            }
            let Ok(health) =
                tokio::time::timeout_at(end, self.unless_cancelled(self.health())).await
            else {
                break;
            };
            let health = health?;
            if health.healthy != healthy {
                healthy = health.healthy;
                let word = if healthy { "healthy" } else { "not healthy" };
                self.observer.note(format!("{word}: {}", health.detail));
                self.scope
                    .audit
                    .log("info", "health", &format!("{word}: {}", health.detail));
            }
            let due = self.timeline.next().map_or(end, |at| begun + at);
            let next = (Instant::now() + WATCHING).min(due).min(end);
            self.unless_cancelled(tokio::time::sleep_until(next))
                .await?;
        }
        Ok(())
    }

    /// See whether what was broken is still broken, and do as the campaign says with what is not.
    async fn look_at_changes(&self) -> Result<(), Failed> {
        let Changes::Made(journal) = &self.scope.changes else {
            return Ok(());
        };
        let reapply = self.trial.spec.on_target_restart == OnTargetRestart::Reapply;
        let lost = self.unless_cancelled(journal.tend(reapply)).await?;
        // What cannot be seen now is seen at the rollback.
        for lost in lost.unwrap_or_default() {
            self.observer.important(lost.to_string());
            self.scope.audit.log("warn", "duress", &lost.to_string());
        }
        Ok(())
    }

    /// Wait until it is healthy again, within its recovery time.
    pub(super) async fn await_recovery(&mut self) -> Result<(), Failed> {
        let limit = Duration::from_millis(self.trial.spec.recovery_timeout_ms);
        let end = Instant::now() + limit;
        let mut last = String::from("it was never asked");
        loop {
            let asked = tokio::time::timeout_at(end, self.unless_cancelled(self.health())).await;
            if let Ok(health) = asked {
                let health = health?;
                if health.healthy {
                    self.end.recovered_at = Some(now());
                    self.end.recovery_ms = self.end.rollback_at.map(|began| now() - began);
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
            self.unless_cancelled(tokio::time::sleep(RECOVERING))
                .await?;
        }
    }
}
