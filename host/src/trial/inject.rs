//! Picking the targets and injecting the fault.

use super::{Failed, Run, now};
use crate::Error;
use crate::capability::{Changes, GuestError};
use crate::plugin::{CallError, Choice};
use crate::store::Outcome;

impl Run<'_> {
    /// Pick targets within the blast radius, and break them.
    pub(super) async fn inject(&mut self) -> Result<(), Failed> {
        let Some((plugin, fault)) = &self.trial.fault else {
            return Ok(());
        };
        let candidates = self.candidates(fault).await?;
        let targets = match fault.choice {
            Choice::ByFault => candidates,
            Choice::ByHost => self.pick(candidates),
        };
        self.end.targets.clone_from(&targets);
        // The radius is set once; a trial injects once.
        let _ = self
            .scope
            .blast_radius
            .set(targets.iter().cloned().collect());
        self.host.store.post_targets(&self.trial.id, &targets);

        let parameters = self
            .trial
            .spec
            .fault
            .as_ref()
            .map(|fault| fault.parameters.clone());
        let parameters = serde_json::Value::Object(parameters.unwrap_or_default());
        let scope = self.scope_of(plugin);
        let injecting = plugin.plugin.inject(
            &scope,
            &fault.name,
            &parameters,
            &targets,
            self.limits.fault,
        );
        let injected = self.unless_cancelled(injecting).await?;
        let metadata = injected.map_err(|error| self.not_injected(error))?;
        self.end.injected_at = Some(now());
        self.host
            .store
            .record_injected(&self.trial.id, &metadata, now())
            .await
            .map_err(|error| {
                Failed::new(
                    Outcome::Environment,
                    error.context("store what the fault needs for its cleanup"),
                )
            })?;
        self.end.metadata = Some(metadata);
        self.show_recorded();
        Ok(())
    }

    fn not_injected(&self, error: CallError) -> Failed {
        let missing =
            matches!(&self.scope.changes, Changes::Made(journal) if journal.effect_was_missing());
        let outcome = if missing {
            Outcome::Invalid
        } else {
            Outcome::Failed
        };
        let denied = matches!(
            &error,
            CallError::Guest {
                error: GuestError::Denied(_),
                ..
            }
        );
        let mut error = Error::from(error).context("inject the fault");
        if denied {
            error = error.hint(format!(
                "`duress show {} --audit` lists what was asked for",
                self.trial.id
            ));
        }
        Failed::new(outcome, error)
    }

    /// In a dry run, what would have been done.
    fn show_recorded(&self) {
        let Changes::Recorded(changes) = &self.scope.changes else {
            return;
        };
        let changes = changes
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for change in changes.iter() {
            self.observer.important(format!(
                "would change {}: {}",
                change.container_name, change.summary
            ));
            for action in &change.apply {
                self.observer.important(format!("  apply  {action}"));
            }
            for action in &change.revert {
                self.observer.important(format!("  revert {action}"));
            }
        }
    }
}
