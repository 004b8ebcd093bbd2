//! The rollback: each fault's own cleanup, and then everything that it left.

use tokio::time::Instant;

use super::{Failed, Injected, Run};
use duress_capability::Changes;
use duress_model::{Error, Outcome};

impl Run<'_> {
    pub(super) async fn roll_back(&mut self) -> Result<(), Failed> {
        self.begin_revert();
        let in_a_hurry = self.cancel.is_cancelled() || self.was_aborted();
        if !in_a_hurry {
            self.await_engine().await;
        }
        // A run that is stopped or aborted does not wait for the plugin: the host can take everything back by itself.
        while !(in_a_hurry || self.cancel.is_cancelled())
            && let Some(last) = self.injected.pop()
        {
            self.clean_up(&last).await;
        }
        let Changes::Made(journal) = &self.scope.changes else {
            return Ok(());
        };
        let began = Instant::now();
        let rolled_back = journal.roll_back().await;
        let report = rolled_back.map_err(|error| {
            Failed::new(
                Outcome::Failed,
                Error::failed(format!("roll back: {error}")),
            )
        })?;
        self.note_recording(began);
        if !report.stuck.is_empty() {
            let stuck: Vec<_> = report
                .stuck
                .iter()
                .map(|(summary, why)| format!("{summary} ({why})"))
                .collect();
            let error = Error::failed(format!("THE FAULT IS STILL IN FORCE: {}", stuck.join("; ")))
                .hint("the stack is removed all the same; `duress recover` tells whether anything is left");
            return Err(Failed {
                is_stuck: true,
                ..Failed::new(Outcome::Failed, error)
            });
        }
        Ok(())
    }

    /// Reverts a fault by its own cleanup. The rollback reverts what that leaves.
    pub(super) async fn clean_up(&mut self, injected: &Injected) {
        let (plugin, _) = &self.trial.faults[injected.fault];
        let scope = self.scope_of(plugin);
        let cleaning = plugin
            .component
            .cleanup(&scope, &injected.metadata, self.limits.fault);
        // A stopped run leaves the rest to the host, which is quicker.
        let Ok(cleaned) = self.unless_cancelled(cleaning).await else {
            return;
        };
        let left = self.in_force(&injected.changes);
        let name = &self.trial.faults[injected.fault].1.name;
        let told = match cleaned {
            Err(error) => format!("the host reverts `{name}`, because its cleanup failed: {error}"),
            Ok(()) if left.is_empty() => return,
            Ok(()) => format!(
                "the host reverts `{name}`: its cleanup succeeded, and left {} in force",
                left.join(", ")
            ),
        };
        self.observer.important(told.clone());
        self.scope.audit.log("warn", "duress", &told);
        self.end.circumstances.reverted_by_host.extend(left);
        let Changes::Made(journal) = &self.scope.changes else {
            return;
        };
        for id in injected.changes.iter().rev() {
            // The rollback tries it again, and tells what is stuck.
            let _ = journal.revert(id).await;
        }
    }

    /// Returns those of some changes that are in force, by their summaries.
    fn in_force(&self, changes: &[String]) -> Vec<String> {
        let Changes::Made(journal) = &self.scope.changes else {
            return Vec::new();
        };
        let mut held = journal.held();
        held.retain(|held| held.is_in_force() && changes.contains(&held.id));
        held.into_iter().map(|held| held.summary).collect()
    }
}
