//! Picking the targets and injecting the fault.

use std::time::Duration;

use serde_json::Value;

use super::timeline::Due;
use super::{Failed, Injected, Run, now};
use crate::Error;
use crate::capability::{Changes, GuestError};
use crate::plugin::{CallError, Choice};
use crate::store::Outcome;

impl Run<'_> {
    /// Inject the faults of the first moment.
    pub(super) async fn inject_first(&mut self) -> Result<(), Failed> {
        while let Some(due) = self.timeline.due(Duration::ZERO) {
            self.perform(due).await?;
        }
        self.show_recorded();
        Ok(())
    }

    /// What the timeline says is due.
    pub(super) async fn perform(&mut self, due: Due) -> Result<(), Failed> {
        match due {
            Due::Inject(fault) => self.inject(fault).await,
            Due::TakeBack(fault) => {
                let place = self.injected.iter().position(|one| one.fault == fault);
                if let Some(place) = place {
                    let injected = self.injected.remove(place);
                    self.clean_up(&injected).await;
                }
                Ok(())
            }
        }
    }

    /// Pick targets within the blast radius, and break them.
    async fn inject(&mut self, number: usize) -> Result<(), Failed> {
        let (plugin, fault) = &self.trial.faults[number];
        let planned = &self.trial.spec.faults[number];
        let candidates = self.candidates(fault, planned).await?;
        let targets = match fault.choice {
            Choice::ByFault => candidates,
            Choice::ByHost => self.pick(candidates, planned.target_count),
        };
        for target in &targets {
            if !self.end.targets.contains(target) {
                self.end.targets.push(target.clone());
            }
        }
        self.scope.radius().extend(targets.iter().cloned());
        self.host
            .store
            .post_targets(&self.trial.id, &self.end.targets);

        let parameters = Value::Object(planned.parameters.clone());
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
        self.injected.push(Injected {
            fault: number,
            metadata: metadata.clone(),
        });
        let at = *self.end.injected_at.get_or_insert_with(now);
        let all = self.end.metadata.take();
        let all = self.with_metadata(all, metadata);
        // The fault is in force: nothing waits for the store. What takes it back after a crash is in the journal.
        self.host.store.post_injected(&self.trial.id, &all, at);
        self.end.metadata = Some(all);
        Ok(())
    }

    /// One fault's metadata as it is; that of several as a list, in the order of time.
    fn with_metadata(&self, all: Option<Value>, more: Value) -> Value {
        if self.trial.faults.len() == 1 {
            return more;
        }
        let mut list = match all {
            Some(Value::Array(list)) => list,
            _ => Vec::new(),
        };
        list.push(more);
        Value::Array(list)
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
