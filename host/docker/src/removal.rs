//! Removes everything that carries a project's label, in any state.

use std::time::Duration;

use backon::{ConstantBuilder, Retryable as _};
use bollard::errors::Error;
use bollard::models::ContainerSummaryStateEnum;
use bollard::query_parameters::{RemoveContainerOptions, RemoveVolumeOptions};
use futures::future::join_all;

use super::Docker;
use super::listing::{COMPOSE_PROJECT, within};
use duress_engine::{EngineResult, Project, compose};

/// How often a network or volume is tried that the engine still counts as used.
const ATTEMPTS: usize = 25;
/// How long the engine may take to make what it was asked for by a program that has been ended.
const AFTERMATH: Duration = Duration::from_secs(2);
/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(200);

impl Docker {
    /// Unfreezes a stack's containers: a frozen one can be neither stopped nor removed in good order.
    pub(super) async fn thaw(&self, project: &Project) {
        let Ok(containers) = self.summaries(&label(project)).await else {
            return;
        };
        for container in containers {
            if container.state == Some(ContainerSummaryStateEnum::PAUSED)
                && let Some(id) = container.id
                && let Err(error) = within("unpause", self.api.unpause_container(&id)).await
            {
                tracing::info!("{error}");
            }
        }
    }

    /// Removes everything, and what a compose tool that outlived its duress had just asked for.
    pub(super) async fn remove_all(&self, project: &Project) -> EngineResult<()> {
        let at_work = compose::end_orphans(project).await;
        self.remove_labelled(project).await?;
        if at_work {
            // What the engine was asked to make it makes, though nobody waits for it any more.
            tokio::time::sleep(AFTERMATH).await;
            self.remove_labelled(project).await?;
        }
        Ok(())
    }

    /// Removes containers, then networks and volumes.
    async fn remove_labelled(&self, project: &Project) -> EngineResult<()> {
        let label = label(project);
        let containers = self.summaries(&label).await?;
        let removals = containers
            .into_iter()
            .filter_map(|container| container.id)
            .map(|id| async move {
                let what = format!("remove container {id:.12}");
                repeated(&what, || {
                    let options = RemoveContainerOptions {
                        force: true,
                        v: true,
                        ..RemoveContainerOptions::default()
                    };
                    self.api.remove_container(&id, Some(options))
                })
                .await
            });
        join_all(removals)
            .await
            .into_iter()
            .collect::<EngineResult<()>>()?;
        for (name, _) in self.networks(&label).await? {
            let what = format!("remove network {name}");
            repeated(&what, || self.api.remove_network(&name)).await?;
        }
        for (name, _) in self.volumes(&label).await? {
            let what = format!("remove volume {name}");
            repeated(&what, || {
                self.api
                    .remove_volume(&name, Some(RemoveVolumeOptions { force: true }))
            })
            .await?;
        }
        Ok(())
    }
}

fn label(project: &Project) -> String {
    format!("{COMPOSE_PROJECT}={project}")
}

/// Removes one thing. One that is not there is not an error; one that is in use or already being removed is tried again.
async fn repeated<F>(what: &str, remove: impl Fn() -> F) -> EngineResult<()>
where
    F: Future<Output = Result<(), Error>>,
{
    let once = || async {
        match remove().await {
            Err(Error::DockerResponseServerError {
                status_code: 404, ..
            }) => Ok(()),
            other => other,
        }
    };
    let busy = |error: &Error| {
        matches!(
            error,
            Error::DockerResponseServerError {
                status_code: 403 | 409 | 500,
                ..
            }
        )
    };
    let attempts = ConstantBuilder::default()
        .with_delay(PAUSE)
        .with_max_times(ATTEMPTS);
    within(what, once.retry(attempts).when(busy)).await
}
