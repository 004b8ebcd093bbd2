//! Picking the targets and injecting the fault.

use std::time::Duration;

use serde_json::Value;
use tokio::time::Instant;

use super::{Failed, Injected, Run, now};
use duress_capability::{Changes, GuestError};
use duress_journal::Held;
use duress_model::{Choice, Error, Outcome};
use duress_plugin::CallError;

impl Run<'_> {
    /// Injects the faults of the first moment.
    pub(super) async fn inject_first(&mut self) -> Result<(), Failed> {
        while let Some(fault) = self.timeline.due(Duration::ZERO) {
            self.inject(fault).await?;
        }
        self.show_recorded();
        Ok(())
    }

    /// Reverts the faults that have held for as long as planned.
    pub(super) async fn revert_due(&mut self) {
        let is_due = |one: &Injected| one.due.is_some_and(|due| due <= Instant::now());
        while let Some(place) = self.injected.iter().position(is_due) {
            let injected = self.injected.remove(place);
            let held = injected.since.elapsed();
            if let Some(due) = injected.due {
                self.check_hold(injected.fault, due - injected.since, held);
            }
            self.count_packets(injected.fault, &injected.changes).await;
            self.clean_up(&injected).await;
        }
    }

    /// When the next fault is to be reverted.
    pub(super) fn next_revert(&self) -> Option<Instant> {
        self.injected.iter().filter_map(|one| one.due).min()
    }

    /// Picks targets within the blast radius, and injects the fault.
    pub(super) async fn inject(&mut self, number: usize) -> Result<(), Failed> {
        let (plugin, fault) = &self.trial.faults[number];
        let planned = &self.trial.spec.faults[number];
        let candidates = self.candidates(fault, planned).await?;
        let count = self.count(&candidates, planned)?;
        self.check_left_healthy(&candidates, count, planned).await?;
        let targets = match fault.choice {
            Choice::ByFault => candidates,
            Choice::ByHost => self.pick(candidates, count),
        };
        // A fault that picks by itself picks as many as the campaign says; the host counts.
        match fault.choice {
            Choice::ByFault => self
                .scope
                .radius()
                .may_choose(targets.iter().cloned(), count),
            Choice::ByHost => self.scope.radius().extend(targets.iter().cloned()),
        }
        let before = self.held().len();

        let parameters = Value::Object(planned.parameters.clone());
        let scope = self.scope_of(plugin);
        let injecting = plugin.component.inject(
            &scope,
            &fault.name,
            &parameters,
            &targets,
            self.limits.fault,
        );
        let injected = self.unless_cancelled(injecting).await;
        // What was changed is known however the call ended.
        self.end.targets = self.changed_containers();
        self.context
            .store
            .post_targets(&self.trial.id, &self.end.targets);
        let metadata = injected?.map_err(|error| self.not_injected(error))?;
        let changes = self.held().split_off(before);
        let since = Instant::now();
        // In a dry run nothing holds for any time.
        let hold = planned.hold_ms.filter(|_| !self.trial.dry_run);
        let hold = hold.map(Duration::from_millis);
        self.injected.push(Injected {
            fault: number,
            metadata: metadata.clone(),
            changes: changes.iter().map(|held| held.id.clone()).collect(),
            since,
            due: hold.map(|hold| since + hold),
        });
        self.check_in_force(&fault.name, &changes)?;
        let at = *self.end.injected_at.get_or_insert_with(now);
        let all = self.end.metadata.take();
        let all = self.with_metadata(all, metadata);
        // The fault is in force: nothing waits for the store. How to revert it after a crash is in the journal.
        self.context.store.post_injected(&self.trial.id, &all, at);
        self.end.metadata = Some(all);
        Ok(())
    }

    /// Returns the containers that were changed, or would be in a dry run, in the order of their first change.
    fn changed_containers(&self) -> Vec<String> {
        let names: Vec<String> = match &self.scope.changes {
            Changes::Made(journal) => journal
                .held()
                .into_iter()
                .map(|held| held.container_name)
                .collect(),
            Changes::Recorded(changes) => changes
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .iter()
                .map(|change| change.container_name.clone())
                .collect(),
        };
        let mut each_once: Vec<String> = Vec::new();
        for name in names {
            if !each_once.contains(&name) {
                each_once.push(name);
            }
        }
        each_once
    }

    /// A fault is evidence only while a change of it is in force: its own word that it was injected is not enough.
    fn check_in_force(&self, fault: &str, changes: &[Held]) -> Result<(), Failed> {
        if self.trial.dry_run || changes.iter().any(Held::is_in_force) {
            return Ok(());
        }
        let why = match changes.is_empty() {
            true => "it made no change",
            false => "every change that it made was reverted before `inject` returned",
        };
        Err(Failed::new(
            Outcome::Invalid,
            Error::failed(format!(
                "`{fault}` reported success, and nothing of it is in force: {why}"
            ))
            .hint("only changes made by `changes.apply` count; `duress plugin test` finds such a fault"),
        ))
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
