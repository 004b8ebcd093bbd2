//! `changes`: everything that a plugin breaks. The target is checked here; the journal does the rest.

use serde_json::json;

use super::bindings::duress::plugin::changes::{Action as Asked, Change, Host, Limits};
use super::{Changes, Ctx, GuestError, TrialScope};
use crate::engine::{Container, Engine, Work};
use crate::journal::change::{self, Action};

type Answer<T> = wasmtime::Result<Result<T, GuestError>>;

impl Host for Ctx {
    async fn apply(&mut self, change: Change) -> Answer<String> {
        let arguments = json!({ "container": change.container, "summary": change.summary });
        self.audited("changes.apply", arguments, |scope| async move {
            let trial = scope.trial()?;
            let target = target(trial, &change.container).await?;
            let touched = target.clone();
            let change = change::Change {
                project: trial.project.clone(),
                container: target.id,
                container_name: target.name,
                summary: change.summary,
                apply: actions(change.apply)?,
                revert: actions(change.revert)?,
                in_force: change.in_force.map(Into::into),
                http_hosts: scope.grants.hosts(),
                effect_wait_ms: None,
            };
            change.check().map_err(GuestError::Invalid)?;
            scope.refuse(scope.grants.unasked(&change))?;
            if change.touches_network() {
                trial.check_network(&touched).await?;
            }
            if !trial.root_filesystem_allowed {
                check_disks(trial.engine()?.as_ref(), &change).await?;
            }
            make(trial, change).await
        })
        .await
    }

    async fn revert(&mut self, id: String) -> Answer<()> {
        self.audited("changes.revert", json!({ "id": id }), |scope| async move {
            match &scope.trial()?.changes {
                Changes::Made(journal) => Ok(journal.revert(&id).await?),
                Changes::Recorded(_) => Ok(()),
            }
        })
        .await
    }

    async fn current_limits(&mut self, container: String) -> Answer<Limits> {
        self.audited(
            "changes.current-limits",
            json!({ "container": container }),
            |scope| async move {
                let trial = scope.trial()?;
                let target = trial.container(&container).await?;
                Ok(trial.engine()?.limits(&target.id).await?.into())
            },
        )
        .await
    }
}

/// The container that a change may touch.
pub(super) async fn target(trial: &TrialScope, name: &str) -> Result<Container, GuestError> {
    let target = trial.container(name).await?;
    if trial.is_targetable(&target.name) {
        return Ok(target);
    }
    let radius: Vec<_> = trial.radius().iter().cloned().collect();
    let radius = if radius.is_empty() {
        "nothing yet".into()
    } else {
        radius.join(", ")
    };
    Err(GuestError::Denied(format!(
        "a change to `{}` was refused: it lies outside this trial's blast radius, which is {radius}; \
         `targets` and `target_count` in the campaign widen it, within `targets` of subject.yaml",
        target.name
    )))
}

/// Have a change journaled and made, or written down alone in a dry run. Returns its id.
pub(super) async fn make(trial: &TrialScope, change: change::Change) -> Result<String, GuestError> {
    match &trial.changes {
        Changes::Made(journal) => Ok(journal.apply(change).await?),
        Changes::Recorded(changes) => {
            let mut changes = changes
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            changes.push(change);
            Ok(format!("dry-run-{}", changes.len()))
        }
    }
}

fn actions(asked: Vec<Asked>) -> Result<Vec<Action>, GuestError> {
    asked.into_iter().map(Action::try_from).collect()
}

/// A disk of the machine is nobody's to load: other containers, other people and duress itself live on it.
async fn check_disks(engine: &dyn Engine, change: &change::Change) -> Result<(), GuestError> {
    for action in &change.apply {
        let (verb, folder) = match action {
            Action::FillDisk { path, .. } => {
                let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
                ("filling", folder)
            }
            Action::StartTask {
                work: Work::WriteDisk { folder, .. },
                ..
            } => ("writing to", folder.as_str()),
            _ => continue,
        };
        let folder = if folder.is_empty() { "/" } else { folder };
        if engine.file_system(&change.container, folder).await?.root {
            return Err(GuestError::Denied(format!(
                "{verb} {folder} of {} was refused: it lies on the container's root file system or on a disk of the machine; \
                 give it a volume of its own with a bounded size in the compose file, or say `allow_root_filesystem: true` in `params`",
                change.container_name
            )));
        }
    }
    Ok(())
}
