//! Taking back what dead hosts left: their changes, newest first, then their stacks.

use super::Executor;
use super::revert::{REVERT_LIMIT, revert};
use duress_engine::{LABEL_HOST, LABEL_PROJECT, LABEL_TRIAL, Project};
use duress_model::Result;
use duress_store::{ChangeRow, Store, TrialRow};

/// What a recovery found and did.
#[derive(Debug, Clone, Default, serde::Serialize)]
pub struct Recovered {
    /// Changes that were reverted, as `summary on container (trial)`.
    pub reverted: Vec<String>,
    /// Trials whose stacks were removed and that are recorded as cancelled.
    pub trials: Vec<String>,
    /// What could not be done, and why.
    pub left: Vec<String>,
}

impl Recovered {
    /// Nothing was there to do.
    pub fn is_empty(&self) -> bool {
        self.reverted.is_empty() && self.trials.is_empty() && self.left.is_empty()
    }
}

/// Settles these changes, then removes the stacks of these trials and records them as cancelled. One failure does not stop the others.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn recover(
    store: &Store,
    executor: &Executor,
    changes: Vec<ChangeRow>,
    trials: Vec<TrialRow>,
) -> Result<Recovered> {
    let mut recovered = Recovered::default();
    let mut notes = Vec::new();
    let mut in_force = changes.clone();
    for row in &trials {
        adopt(executor, row).await;
    }
    for row in changes {
        let what = format!("{} on {}", row.summary, row.container_name);
        match revert(store, executor, &row, &in_force, REVERT_LIMIT).await {
            Ok(status) => {
                in_force.retain(|other| other.id != row.id);
                notes.push(store.note_change(&row.id, status));
                recovered.reverted.push(what);
            }
            Err(error) => recovered.left.push(error.to_string()),
        }
    }
    let mut removed = Vec::new();
    for row in trials {
        match executor
            .engine
            .remove_project(&Project(row.project.clone()))
            .await
        {
            Ok(()) => {
                removed.push(row.id);
                recovered.trials.push(row.name);
            }
            Err(error) => recovered
                .left
                .push(format!("the stack of {}: {error}", row.name)),
        }
    }
    // Nothing waited for the store while something was in force; what cannot be recorded is found again the next time.
    for note in notes {
        note.written().await?;
    }
    for trial in removed {
        store.abandon_trial(&trial).await?;
    }
    Ok(recovered)
}

/// What is made to revert a fault in a system that runs on is found and removed with what its trial made.
async fn adopt(executor: &Executor, row: &TrialRow) {
    let labels = [
        (LABEL_PROJECT, &row.project),
        (LABEL_TRIAL, &row.id),
        (LABEL_HOST, &row.host_id),
    ];
    let labels = labels.map(|(label, value)| (label.to_owned(), value.clone()));
    let project = Project(row.project.clone());
    // Without it the revert works all the same.
    if let Err(error) = executor.engine.adopt(&project, &labels.into()).await {
        tracing::info!("{error}");
    }
}
