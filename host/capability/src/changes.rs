//! `changes`: everything that a plugin breaks. The target is checked here; the journal does the rest.

use serde_json::json;

use super::bindings::duress::plugin::changes::{Action as Asked, Change, Host, Limits};
use super::{Changes, Ctx, GuestError, PluginScope, TrialScope, checks};
use duress_engine::{Container, ContainerId, Work};
use duress_journal::change;
use duress_journal::change::Action;
use duress_journal::comparison::Comparison;

type Answer<T> = wasmtime::Result<Result<T, GuestError>>;

impl Host for Ctx {
    async fn apply(&mut self, change: Change) -> Answer<String> {
        let arguments = json!({ "container": change.container, "summary": change.summary });
        self.audited("changes.apply", arguments, |scope| async move {
            scope.apply_change(change, None).await
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

impl PluginScope {
    /// Checks a change that says itself how it is reverted, and has it made.
    pub(super) async fn apply_change(
        &self,
        change: Change,
        check: Option<Comparison>,
    ) -> Result<String, GuestError> {
        let trial = self.trial()?;
        let target = target(trial, &change.container).await?;
        let touched = target.clone();
        let mut change = change::Change {
            project: trial.project.clone(),
            container: target.id,
            container_name: target.name,
            summary: change.summary,
            apply: actions(change.apply)?,
            revert: actions(change.revert)?,
            in_force: checks::joined(change.in_force.map(Into::into), check),
            http_hosts: self.grants.hosts(),
            effect_wait_ms: None,
        };
        change.check().map_err(GuestError::Invalid)?;
        self.refuse(self.grants.missing(&change))?;
        let mut affected = vec![touched.name.clone()];
        if change.touches_network() {
            affected.extend(trial.check_network(&touched).await?);
        }
        change.prepare_disks(trial.root_filesystem_allowed);
        affected.extend(check_disks(trial, &change).await?);
        check_memory(trial, &change).await?;
        claim(trial, &affected, &change.container_name)?;
        make(trial, change).await
    }
}

/// Returns the container that a change may touch.
pub(super) async fn target(trial: &TrialScope, name: &str) -> Result<Container, GuestError> {
    let target = trial.container(name).await?;
    if trial.is_targetable(&target.name) {
        return Ok(target);
    }
    let radius = trial.radius().in_words();
    Err(GuestError::Denied(format!(
        "a change to `{}` was refused: it lies outside this trial's blast radius, which is {radius}; \
         `targets` and `target_count` in the campaign widen it, within `targets` of subject.yaml",
        target.name
    )))
}

/// Counts the containers that a change touches against those that the trial may touch.
pub(super) fn claim(
    trial: &TrialScope,
    affected: &[String],
    target: &str,
) -> Result<(), GuestError> {
    let claimed = trial.radius().claim(affected);
    claimed.map_err(|name| {
        GuestError::Denied(format!(
            "a change to `{target}` was refused: it would touch `{name}`, and that is more containers than `target_count` in the \
             campaign allows"
        ))
    })
}

/// Has a change journaled and made, or written down alone in a dry run. Returns its id.
pub(super) async fn make(trial: &TrialScope, change: change::Change) -> Result<String, GuestError> {
    let target = &change.container_name;
    claim(trial, std::slice::from_ref(target), target)?;
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

/// The share of the machine's memory that a container without a limit of its own may be made to hold: one of so many parts.
const SHARE_OF_MACHINE: u64 = 2;

/// Refuses to hold more memory than the container may have, or, without a limit of its own, than the machine can spare.
async fn check_memory(trial: &TrialScope, change: &change::Change) -> Result<(), GuestError> {
    let held = |action: &Action| match action {
        Action::StartTask {
            work: Work::HoldMemory { bytes },
            ..
        } => Some(*bytes),
        _ => None,
    };
    let bytes = change
        .apply
        .iter()
        .filter_map(held)
        .fold(0, u64::saturating_add);
    if bytes == 0 {
        return Ok(());
    }
    let engine = trial.engine()?;
    let limit = engine.limits(&change.container).await?.memory_bytes;
    let (most, whose) = match limit {
        Some(limit) => (limit, "its memory limit"),
        None => (
            engine.machine_memory().await? / SHARE_OF_MACHINE,
            "half of the machine's memory, for it has no limit of its own",
        ),
    };
    if bytes > most {
        return Err(GuestError::Denied(format!(
            "holding {} MiB of memory in {} was refused: at most {} MiB fit, {whose}; give it a memory limit in the compose file, or hold less",
            bytes >> 20,
            change.container_name,
            most >> 20
        )));
    }
    Ok(())
}

/// Refuses to load a disk of the machine, or one that a container outside the blast radius writes to. What the disk is, the engine
/// decides once more on the folder that it opened, at the moment of the action.
///
/// The containers within the blast radius that write to it as well.
async fn check_disks(
    trial: &TrialScope,
    change: &change::Change,
) -> Result<Vec<String>, GuestError> {
    let mut affected = Vec::new();
    let engine = trial.engine()?.as_ref();
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
        let on_root = engine.file_system(&change.container, folder).await?.root;
        if on_root && trial.root_filesystem_allowed {
            continue;
        }
        if on_root {
            return Err(GuestError::Denied(format!(
                "{verb} {folder} of {} was refused: it lies on the container's root file system or on a disk of the machine; \
                 give it a volume of its own with a bounded size in the compose file, or say `allow_root_filesystem: true` in `params`",
                change.container_name
            )));
        }
        let shared = check_sharers(
            trial,
            &change.container,
            &change.container_name,
            verb,
            folder,
        )
        .await?;
        affected.extend(shared);
    }
    Ok(affected)
}

/// Refuses a path on a volume that a container outside the blast radius writes to. The containers within it that write to the volume
/// as well.
pub(super) async fn check_sharers(
    trial: &TrialScope,
    container: &ContainerId,
    container_name: &str,
    verb: &str,
    path: &str,
) -> Result<Vec<String>, GuestError> {
    let engine = trial.engine()?.as_ref();
    let sharers = engine.volume_sharers(container, path).await?;
    if sharers.is_empty() {
        return Ok(Vec::new());
    }
    let stack = engine.containers(&trial.project).await?;
    let targets: Vec<_> = stack
        .iter()
        .filter(|container| trial.is_targetable(&container.name))
        .collect();
    if let Some(other) = sharers
        .iter()
        .find(|sharer| targets.iter().all(|target| target.id != sharer.id))
    {
        let name = stack
            .iter()
            .find(|container| container.id == other.id)
            .map_or(&other.name, |container| &container.name);
        return Err(GuestError::Denied(format!(
            "{verb} {path} of {container_name} was refused: `{name}` writes to the same volume, and lies outside this trial's blast \
             radius; name both in `targets`, with a `target_count` of 2, or mount the volume read-only in `{name}`",
        )));
    }
    let shares = |target: &&&Container| sharers.iter().any(|one| one.id == target.id);
    let shared = targets.iter().filter(shares);
    Ok(shared.map(|target| target.name.clone()).collect())
}

#[cfg(test)]
mod tests {
    use super::super::test_trial::Trial;
    use super::*;
    use duress_engine::{ContainerId, Limits};
    use duress_simulated::Script;

    /// Returns what is said of holding so many MiB in a container with that limit.
    async fn held(sizes: &[u64], limit: Option<u64>) -> Result<(), String> {
        let trial = Trial::new(Script::default());
        let id = {
            let mut machine = trial.world.lock();
            let stack = machine.stacks.get_mut(&trial.project).expect("a stack");
            let limits = Limits {
                memory_bytes: limit.map(|mib| mib << 20),
                ..Limits::default()
            };
            stack.containers[0].limits = limits;
            stack.containers[0].id.clone()
        };
        let hold = |(number, mib): (usize, &u64)| Action::StartTask {
            id: format!("hold-{number}"),
            work: Work::HoldMemory { bytes: mib << 20 },
        };
        let change = change::Change {
            project: trial.project.clone(),
            container: ContainerId(id),
            container_name: "one".into(),
            summary: "hold memory".into(),
            apply: sizes.iter().enumerate().map(hold).collect(),
            revert: Vec::new(),
            in_force: None,
            http_hosts: Vec::new(),
            effect_wait_ms: None,
        };
        let checked = check_memory(&trial.scope(), &change).await;
        checked.map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn no_more_memory_is_held_than_its_container_may_have_or_half_of_the_machine() {
        for (sizes, limit) in [
            (&[256][..], Some(256)),
            (&[100, 100], Some(256)),
            (&[8 << 10], None),
            (&[], Some(1)),
        ] {
            assert_eq!(held(sizes, limit).await, Ok(()), "{sizes:?} of {limit:?}");
        }
        for (sizes, limit, says) in [
            (
                &[257][..],
                Some(256),
                "at most 256 MiB fit, its memory limit",
            ),
            (&[200, 57], Some(256), "holding 257 MiB of memory in one"),
            (&[(8 << 10) + 1], None, "half of the machine's memory"),
            (&[u64::MAX >> 20, 1 << 30], None, "was refused"),
        ] {
            let refused = held(sizes, limit).await.expect_err("too much");
            assert!(refused.contains(says), "{refused}");
        }
    }
}
