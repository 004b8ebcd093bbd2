//! `files`: files that are replaced while a change is in force. The target and what its files are shared with are checked here; the
//! journal keeps the original, and the engine writes.

use serde_json::json;
use wasmtime::component::Resource;

use super::bindings::duress::plugin::changes::{Action as WitAction, Probe};
use super::bindings::duress::plugin::files::{Host, HostFileReplacement};
use super::{Ctx, GuestError, TrialScope, changes, checks};
use duress_engine::{Container, ENGINE_FILES, Standing};
use duress_journal::change::{self, Action, Change};
use duress_journal::comparison::Comparison;

/// A file with new contents, before they are written.
#[derive(Debug, Clone)]
pub struct FileReplacement {
    container: String,
    summary: String,
    path: String,
    contents: Vec<u8>,
    notify: Vec<Action>,
    /// The first action that cannot be one of `notify`.
    unfit: Option<String>,
    probe: Option<change::Probe>,
    check: Option<Comparison>,
    is_applied: bool,
}

impl Host for Ctx {
    async fn read(
        &mut self,
        container: String,
        path: String,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, GuestError>> {
        let arguments = json!({ "container": container, "path": path });
        self.audited("files.read", arguments, |scope| async move {
            let trial = scope.trial()?;
            Action::restore_file(path.clone())
                .check()
                .map_err(GuestError::Invalid)?;
            scope.refuse(scope.grants.missing_read(&path))?;
            let target = trial.container(&container).await?;
            match trial.engine()?.read_file(&target.id, &path).await? {
                Standing::Absent => Ok(None),
                Standing::File(file) => Ok(Some(file.contents)),
                Standing::Other(why) => Err(GuestError::Failed(format!(
                    "read {path} of {container}: it {why}"
                ))),
            }
        })
        .await
    }
}

impl HostFileReplacement for Ctx {
    async fn new(
        &mut self,
        container: String,
        summary: String,
        path: String,
        contents: Vec<u8>,
    ) -> wasmtime::Result<Resource<FileReplacement>> {
        self.count()?;
        let replacement = FileReplacement {
            container,
            summary,
            path,
            contents,
            notify: Vec::new(),
            unfit: None,
            probe: None,
            check: None,
            is_applied: false,
        };
        Ok(self.table.push(replacement)?)
    }

    async fn notify_with(
        &mut self,
        replacement: Resource<FileReplacement>,
        action: WitAction,
    ) -> wasmtime::Result<()> {
        self.count()?;
        let replacement = self.table.get_mut(&replacement)?;
        match Action::try_from(action) {
            Ok(
                action @ (Action::Run(_)
                | Action::Ask(_)
                | Action::Signal(_)
                | Action::Restart { .. }),
            ) => {
                // A change has a bounded number of actions, which is checked when it is applied.
                if replacement.notify.len() <= change::ACTION_LIMIT {
                    replacement.notify.push(action);
                }
            }
            Ok(action) => {
                let why = format!(
                    "`notify-with` takes a program, a request, a signal or a restart, and not `{action}`"
                );
                replacement.unfit.get_or_insert(why);
            }
            Err(error) => {
                replacement.unfit.get_or_insert(super::describe(&error));
            }
        }
        Ok(())
    }

    async fn check_with(
        &mut self,
        replacement: Resource<FileReplacement>,
        probe: Probe,
    ) -> wasmtime::Result<()> {
        self.count()?;
        self.table.get_mut(&replacement)?.probe = Some(probe.into());
        Ok(())
    }

    async fn compare_with(
        &mut self,
        replacement: Resource<FileReplacement>,
        check: Resource<Comparison>,
    ) -> wasmtime::Result<()> {
        self.count()?;
        let check = self.table.get(&check)?.clone();
        self.table.get_mut(&replacement)?.check = Some(check);
        Ok(())
    }

    async fn apply(
        &mut self,
        replacement: Resource<FileReplacement>,
    ) -> wasmtime::Result<Result<String, GuestError>> {
        let asked = self.table.get(&replacement)?.clone();
        let arguments = json!({
            "container": asked.container, "summary": asked.summary, "path": asked.path, "bytes": asked.contents.len(),
        });
        let applied = self
            .audited("files.apply", arguments, |scope| async move {
                if asked.is_applied {
                    return Err(GuestError::Invalid(
                        "this replacement was applied before; make another".into(),
                    ));
                }
                if let Some(why) = asked.unfit {
                    return Err(GuestError::Invalid(why));
                }
                let trial = scope.trial()?;
                let target = changes::target(trial, &asked.container).await?;
                let mut apply = vec![Action::replace_file(asked.path.clone(), asked.contents)];
                let mut revert = vec![Action::restore_file(asked.path.clone())];
                apply.extend(asked.notify.iter().cloned());
                revert.extend(asked.notify);
                let touched = target.clone();
                let change = Change {
                    project: trial.project.clone(),
                    container: target.id,
                    container_name: target.name,
                    summary: asked.summary,
                    apply,
                    revert,
                    in_force: checks::joined(asked.probe, asked.check),
                    http_hosts: scope.grants.hosts(),
                    effect_wait_ms: None,
                };
                change.check().map_err(GuestError::Invalid)?;
                scope.refuse(scope.grants.missing(&change))?;
                let mut affected = check_place(trial, &touched, &asked.path).await?;
                if change.touches_network() {
                    affected.extend(trial.check_network(&touched).await?);
                }
                changes::claim(trial, &affected, &touched.name)?;
                changes::make(trial, change).await
            })
            .await?;
        if applied.is_ok() {
            self.table.get_mut(&replacement)?.is_applied = true;
        }
        Ok(applied)
    }

    async fn drop(&mut self, replacement: Resource<FileReplacement>) -> wasmtime::Result<()> {
        self.table.delete(replacement)?;
        Ok(())
    }
}

/// Refuses a file that is the machine's, or that a container outside the blast radius reads. The containers within it that share the
/// file.
async fn check_place(
    trial: &TrialScope,
    target: &Container,
    path: &str,
) -> Result<Vec<String>, GuestError> {
    // Containers that share a network share these.
    if ENGINE_FILES.contains(&path) {
        return trial.check_network(target).await;
    }
    if trial.engine()?.is_of_machine(&target.id, path).await? {
        return Err(GuestError::Denied(format!(
            "replacing {path} of {} was refused: it is in a folder of the machine that is mounted into the container (a bind \
             mount), and would change there; copy it into the container or onto a volume when the container starts",
            target.name
        )));
    }
    changes::check_sharers(trial, &target.id, &target.name, "replacing", path).await
}
