//! `deployment`: containers made otherwise. Nothing here has an effect but the three `apply`.

use serde_json::json;
use wasmtime::component::Resource;

use super::bindings::duress::plugin::deployment::{
    Host, HostOfflinePrograms, HostReplacement, HostScaling, Probe,
};
use super::scale::Scale;
use super::{Ctx, GuestError, TrialScope, changes, checks};
use duress_engine::{Arrangement, Container, ContainerCopy, Network, Overrides, State};
use duress_journal::change::{self, Action, Change};
use duress_journal::comparison::Comparison;
use duress_journal::draw_token;

/// The most programs that one change runs offline, each way.
const PROGRAMS_LIMIT: usize = 16;

type Done = wasmtime::Result<()>;
type Applied = wasmtime::Result<Result<String, GuestError>>;

/// What every change here has, before it is applied.
#[derive(Debug, Clone, Default)]
pub struct Draft {
    summary: String,
    probe: Option<change::Probe>,
    check: Option<Comparison>,
    wait_ms: Option<u64>,
    is_applied: bool,
}

/// A container that takes the place of another.
#[derive(Debug, Clone)]
pub struct Replacement {
    container: String,
    overrides: Overrides,
    draft: Draft,
}

/// Another number of containers of a service.
#[derive(Debug, Clone)]
pub struct Scaling {
    service: String,
    replicas: u32,
    draft: Draft,
}

/// Programs on the volumes of a container that is stopped.
#[derive(Debug, Clone)]
pub struct OfflinePrograms {
    container: String,
    apply: Vec<Action>,
    revert: Vec<Action>,
    draft: Draft,
}

impl Draft {
    fn new(summary: String) -> Self {
        Self {
            summary,
            ..Self::default()
        }
    }

    /// Returns the change that is made of it.
    fn change(
        self,
        trial: &TrialScope,
        target: Container,
        apply: Vec<Action>,
        revert: Vec<Action>,
        http_hosts: Vec<String>,
    ) -> Result<Change, GuestError> {
        let change = Change {
            project: trial.project.clone(),
            container: target.id,
            container_name: target.name,
            summary: self.summary,
            apply,
            revert,
            in_force: checks::joined(self.probe, self.check),
            http_hosts,
            effect_wait_ms: self.wait_ms,
        };
        change.check().map_err(GuestError::Invalid)?;
        Ok(change)
    }

    fn refuse_second(&self) -> Result<(), GuestError> {
        match self.is_applied {
            false => Ok(()),
            true => Err(GuestError::Invalid(
                "this change was applied before; make another".into(),
            )),
        }
    }
}

/// A change of this interface that is being put together.
trait Drafted: Send + 'static {
    /// Returns what all of them have.
    fn draft(&mut self) -> &mut Draft;
}

impl Drafted for Replacement {
    fn draft(&mut self) -> &mut Draft {
        &mut self.draft
    }
}

impl Drafted for Scaling {
    fn draft(&mut self) -> &mut Draft {
        &mut self.draft
    }
}

impl Drafted for OfflinePrograms {
    fn draft(&mut self) -> &mut Draft {
        &mut self.draft
    }
}

impl Ctx {
    fn set_probe<T: Drafted>(&mut self, own: &Resource<T>, probe: Probe) -> Done {
        self.count()?;
        self.table.get_mut(own)?.draft().probe = Some(probe.into());
        Ok(())
    }

    fn set_check<T: Drafted>(&mut self, own: &Resource<T>, check: &Resource<Comparison>) -> Done {
        self.count()?;
        let check = self.table.get(check)?.clone();
        self.table.get_mut(own)?.draft().check = Some(check);
        Ok(())
    }

    fn set_wait<T: Drafted>(&mut self, own: &Resource<T>, limit_ms: u64) -> Done {
        self.count()?;
        self.table.get_mut(own)?.draft().wait_ms = Some(limit_ms);
        Ok(())
    }
}

impl Host for Ctx {}

impl HostReplacement for Ctx {
    async fn new(
        &mut self,
        container: String,
        summary: String,
    ) -> wasmtime::Result<Resource<Replacement>> {
        self.count()?;
        Ok(self.table.push(Replacement {
            container,
            overrides: Overrides::default(),
            draft: Draft::new(summary),
        })?)
    }

    async fn set_command(&mut self, own: Resource<Replacement>, command: Vec<String>) -> Done {
        self.count()?;
        self.table.get_mut(&own)?.overrides.command = Some(command);
        Ok(())
    }

    async fn set_environment(
        &mut self,
        own: Resource<Replacement>,
        name: String,
        value: String,
    ) -> Done {
        self.count()?;
        let overrides = &mut self.table.get_mut(&own)?.overrides;
        overrides.environment.insert(name, Some(value));
        Ok(())
    }

    async fn unset_environment(&mut self, own: Resource<Replacement>, name: String) -> Done {
        self.count()?;
        let overrides = &mut self.table.get_mut(&own)?.overrides;
        overrides.environment.insert(name, None);
        Ok(())
    }

    async fn set_image(&mut self, own: Resource<Replacement>, image: String) -> Done {
        self.count()?;
        self.table.get_mut(&own)?.overrides.image = Some(image);
        Ok(())
    }

    async fn check_with(&mut self, own: Resource<Replacement>, probe: Probe) -> Done {
        self.set_probe(&own, probe)
    }

    async fn compare_with(
        &mut self,
        own: Resource<Replacement>,
        check: Resource<Comparison>,
    ) -> Done {
        self.set_check(&own, &check)
    }

    async fn wait_for_effect(&mut self, own: Resource<Replacement>, limit: u64) -> Done {
        self.set_wait(&own, limit)
    }

    async fn apply(&mut self, own: Resource<Replacement>) -> Applied {
        let asked = self.table.get(&own)?.clone();
        let arguments = json!({
            "container": asked.container, "summary": asked.draft.summary, "changes": asked.overrides,
        });
        let applied = self
            .audited("deployment.replace", arguments, |scope| async move {
                asked.draft.refuse_second()?;
                let trial = scope.trial()?;
                let target = changes::target(trial, &asked.container).await?;
                refuse_unfit(trial, std::slice::from_ref(&target)).await?;
                let copy = ContainerCopy {
                    of: target.id.clone(),
                    name: target.name.clone(),
                    number: None,
                    overrides: asked.overrides,
                };
                let arrangement = Arrangement {
                    token: draw_token(),
                    scales: None,
                    aside: vec![target.id.clone()],
                    copies: vec![copy],
                };
                let apply = vec![Action::Rearrange(arrangement)];
                let revert = vec![Action::PutBack];
                let hosts = scope.grants.hosts();
                let change = asked.draft.change(trial, target, apply, revert, hosts)?;
                scope.refuse(scope.grants.missing(&change))?;
                changes::make(trial, change).await
            })
            .await?;
        self.table.get_mut(&own)?.draft.is_applied |= applied.is_ok();
        Ok(applied)
    }

    async fn drop(&mut self, own: Resource<Replacement>) -> Done {
        self.table.delete(own)?;
        Ok(())
    }
}

impl HostScaling for Ctx {
    async fn new(
        &mut self,
        service: String,
        summary: String,
        replicas: u32,
    ) -> wasmtime::Result<Resource<Scaling>> {
        self.count()?;
        Ok(self.table.push(Scaling {
            service,
            replicas,
            draft: Draft::new(summary),
        })?)
    }

    async fn check_with(&mut self, own: Resource<Scaling>, probe: Probe) -> Done {
        self.set_probe(&own, probe)
    }

    async fn compare_with(&mut self, own: Resource<Scaling>, check: Resource<Comparison>) -> Done {
        self.set_check(&own, &check)
    }

    async fn wait_for_effect(&mut self, own: Resource<Scaling>, limit: u64) -> Done {
        self.set_wait(&own, limit)
    }

    async fn apply(&mut self, own: Resource<Scaling>) -> Applied {
        let asked = self.table.get(&own)?.clone();
        let arguments = json!({
            "service": asked.service, "summary": asked.draft.summary, "replicas": asked.replicas,
        });
        let applied = self
            .audited("deployment.scale", arguments, |scope| async move {
                asked.draft.refuse_second()?;
                let trial = scope.trial()?;
                let all = trial.engine()?.containers(&trial.project).await?;
                let plan = Scale::plan(all, &asked.service, asked.replicas)
                    .map_err(GuestError::Invalid)?;
                let mut affected = Vec::new();
                for touched in &plan.touched {
                    affected.push(changes::target(trial, &touched.name).await?.name);
                }
                refuse_unfit(trial, &plan.stopped).await?;
                let apply = vec![Action::Rearrange(plan.arrangement)];
                let revert = vec![Action::PutBack];
                let hosts = scope.grants.hosts();
                let of = plan.of;
                let change = asked.draft.change(trial, of, apply, revert, hosts)?;
                scope.refuse(scope.grants.missing(&change))?;
                changes::claim(trial, &affected, &change.container_name)?;
                changes::make(trial, change).await
            })
            .await?;
        self.table.get_mut(&own)?.draft.is_applied |= applied.is_ok();
        Ok(applied)
    }

    async fn drop(&mut self, own: Resource<Scaling>) -> Done {
        self.table.delete(own)?;
        Ok(())
    }
}

impl HostOfflinePrograms for Ctx {
    async fn new(
        &mut self,
        container: String,
        summary: String,
    ) -> wasmtime::Result<Resource<OfflinePrograms>> {
        self.count()?;
        Ok(self.table.push(OfflinePrograms {
            container,
            apply: Vec::new(),
            revert: Vec::new(),
            draft: Draft::new(summary),
        })?)
    }

    async fn run(
        &mut self,
        own: Resource<OfflinePrograms>,
        command: Vec<String>,
        timeout_ms: u64,
        tolerated: Vec<i32>,
    ) -> Done {
        self.count()?;
        let apply = &mut self.table.get_mut(&own)?.apply;
        // One more than may be is refused when it is applied.
        if apply.len() <= PROGRAMS_LIMIT {
            apply.push(Action::RunOffline {
                command,
                timeout_ms,
                tolerated,
            });
        }
        Ok(())
    }

    async fn run_on_revert(
        &mut self,
        own: Resource<OfflinePrograms>,
        command: Vec<String>,
        timeout_ms: u64,
        tolerated: Vec<i32>,
    ) -> Done {
        self.count()?;
        let revert = &mut self.table.get_mut(&own)?.revert;
        if revert.len() <= PROGRAMS_LIMIT {
            revert.push(Action::RunOffline {
                command,
                timeout_ms,
                tolerated,
            });
        }
        Ok(())
    }

    async fn check_with(&mut self, own: Resource<OfflinePrograms>, probe: Probe) -> Done {
        self.set_probe(&own, probe)
    }

    async fn compare_with(
        &mut self,
        own: Resource<OfflinePrograms>,
        check: Resource<Comparison>,
    ) -> Done {
        self.set_check(&own, &check)
    }

    async fn wait_for_effect(&mut self, own: Resource<OfflinePrograms>, limit: u64) -> Done {
        self.set_wait(&own, limit)
    }

    async fn apply(&mut self, own: Resource<OfflinePrograms>) -> Applied {
        let asked = self.table.get(&own)?.clone();
        let arguments = json!({
            "container": asked.container, "summary": asked.draft.summary,
            "programs": asked.apply, "on_revert": asked.revert,
        });
        let applied = self
            .audited("deployment.run-offline", arguments, |scope| async move {
                asked.draft.refuse_second()?;
                if asked.apply.len().max(asked.revert.len()) > PROGRAMS_LIMIT {
                    return Err(GuestError::Invalid(format!(
                        "a change runs at most {PROGRAMS_LIMIT} programs while a container is stopped"
                    )));
                }
                if asked.apply.is_empty() || asked.revert.is_empty() {
                    return Err(GuestError::Invalid(
                        "a change needs a program to run (`run`), and one that reverts it (`run-on-revert`)".into(),
                    ));
                }
                let trial = scope.trial()?;
                let target = changes::target(trial, &asked.container).await?;
                refuse_stopped(&target)?;
                let mut apply = asked.apply;
                apply.push(Action::Start);
                let mut revert = asked.revert;
                revert.push(Action::Start);
                let hosts = scope.grants.hosts();
                let change = asked.draft.change(trial, target, apply, revert, hosts)?;
                scope.refuse(scope.grants.missing(&change))?;
                changes::make(trial, change).await
            })
            .await?;
        self.table.get_mut(&own)?.draft.is_applied |= applied.is_ok();
        Ok(applied)
    }

    async fn drop(&mut self, own: Resource<OfflinePrograms>) -> Done {
        self.table.delete(own)?;
        Ok(())
    }
}

/// Refuses what cannot be brought back as it was.
async fn refuse_unfit(trial: &TrialScope, targets: &[Container]) -> Result<(), GuestError> {
    let stack = trial.engine()?.containers(&trial.project).await?;
    for target in targets {
        refuse_stopped(target)?;
        let shares = |other: &&Container| other.network == Network::Of(target.id.clone());
        if let Some(other) = stack.iter().find(shares) {
            return Err(GuestError::Denied(format!(
                "replacing or removing `{}` was refused: `{}` is in its network (`network_mode`), and would stay without one until \
                 it is restarted",
                target.name, other.name
            )));
        }
    }
    Ok(())
}

fn refuse_stopped(target: &Container) -> Result<(), GuestError> {
    match target.state {
        State::Running => Ok(()),
        state => Err(GuestError::Unavailable(format!(
            "container {} does not run: it is {state:?}; start it first",
            target.name
        ))),
    }
}
