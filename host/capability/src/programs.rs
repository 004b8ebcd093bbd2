//! `programs`: programs of a plugin's own that go on in a container until they are reverted.

use serde_json::json;
use wasmtime::component::Resource;

use super::bindings::duress::plugin::programs::{Host, HostLastingProgram, Probe};
use super::{Ctx, GuestError, changes, checks};
use duress_engine::Work;
use duress_journal::change;
use duress_journal::change::{Action, Change};
use duress_journal::comparison::Comparison;

/// A program, before it is started.
#[derive(Debug, Clone)]
pub struct LastingProgram {
    container: String,
    summary: String,
    command: Vec<String>,
    probe: Option<change::Probe>,
    check: Option<Comparison>,
    is_started: bool,
}

impl Host for Ctx {}

impl HostLastingProgram for Ctx {
    async fn new(
        &mut self,
        container: String,
        summary: String,
        command: Vec<String>,
    ) -> wasmtime::Result<Resource<LastingProgram>> {
        self.count()?;
        let program = LastingProgram {
            container,
            summary,
            command,
            probe: None,
            check: None,
            is_started: false,
        };
        Ok(self.table.push(program)?)
    }

    async fn check_with(
        &mut self,
        program: Resource<LastingProgram>,
        probe: Probe,
    ) -> wasmtime::Result<()> {
        self.count()?;
        self.table.get_mut(&program)?.probe = Some(probe.into());
        Ok(())
    }

    async fn compare_with(
        &mut self,
        program: Resource<LastingProgram>,
        check: Resource<Comparison>,
    ) -> wasmtime::Result<()> {
        self.count()?;
        let check = self.table.get(&check)?.clone();
        self.table.get_mut(&program)?.check = Some(check);
        Ok(())
    }

    async fn start(
        &mut self,
        program: Resource<LastingProgram>,
    ) -> wasmtime::Result<Result<String, GuestError>> {
        let asked = self.table.get(&program)?.clone();
        let arguments = json!({
            "container": asked.container, "summary": asked.summary, "command": asked.command,
        });
        let started = self
            .audited("programs.start", arguments, |scope| async move {
                if asked.is_started {
                    return Err(GuestError::Invalid(
                        "this program was started before; make another".into(),
                    ));
                }
                let trial = scope.trial()?;
                let target = changes::target(trial, &asked.container).await?;
                // The host's own name for it, unique among the tasks of the trial.
                let id = format!("program-{:016x}", trial.draw());
                let change = Change {
                    project: trial.project.clone(),
                    container: target.id,
                    container_name: target.name,
                    summary: asked.summary,
                    apply: vec![Action::StartTask {
                        id: id.clone(),
                        work: Work::RunProgram {
                            command: asked.command,
                        },
                    }],
                    revert: vec![Action::StopTask { id }],
                    in_force: checks::joined(asked.probe, asked.check),
                    http_hosts: scope.grants.hosts(),
                    effect_wait_ms: None,
                };
                change.check().map_err(GuestError::Invalid)?;
                scope.refuse(scope.grants.missing(&change))?;
                changes::make(trial, change).await
            })
            .await?;
        if started.is_ok() {
            self.table.get_mut(&program)?.is_started = true;
        }
        Ok(started)
    }

    async fn drop(&mut self, program: Resource<LastingProgram>) -> wasmtime::Result<()> {
        self.table.delete(program)?;
        Ok(())
    }
}
