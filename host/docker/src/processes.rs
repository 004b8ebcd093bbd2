//! A container's processes and tasks, seen and ended from a toolbox that shares the container's pid namespace.

use std::time::Duration;

use async_trait::async_trait;

use duress_tasks::Request;

use super::toolbox::failed;
use super::{Docker, listing, short};
use duress_engine::{Beside, ContainerId, EngineError, EngineResult, Process, State, Tasks, Work};

/// The most processes that are signalled by one request: each takes at most 35 bytes of its argument.
const AT_ONCE: usize = 1_000;

#[async_trait]
impl Tasks for Docker {
    async fn start_task(
        &self,
        id: &ContainerId,
        task: &str,
        work: &Work,
        ends_after: Option<Duration>,
    ) -> EngineResult<()> {
        self.start_helper(id, task, work, ends_after).await
    }

    async fn processes(&self, id: &ContainerId) -> EngineResult<Vec<Process>> {
        // Of frozen processes the kernel does not say whether a signal has stopped them.
        self.refuse_frozen(id).await?;
        let container = Some(id.0.clone());
        let request = Request::Processes { container };
        let said = self.helper_says(id, Beside::PidNamespace, &request).await?;
        let read: Result<_, serde_json::Error> = said.lines().map(serde_json::from_str).collect();
        read.map_err(|error| {
            EngineError::Failed(format!(
                "read the processes of container {}: {error}",
                short(id)
            ))
        })
    }

    async fn task_works(&self, id: &ContainerId, task: &str, work: &Work) -> EngineResult<bool> {
        let (beside, container) = reached(work, id);
        let request = Request::Runs {
            id: task.to_owned(),
            container,
        };
        let output = self.run_helper(id, beside, &request).await?;
        match output.exit_code {
            0 => Ok(true),
            1 if output.stderr.is_empty() => Ok(false),
            _ => Err(failed(request.name(), id, &output)),
        }
    }

    async fn stop_task(&self, id: &ContainerId, task: &str, work: &Work) -> EngineResult<()> {
        let (beside, container) = reached(work, id);
        let request = Request::Stop {
            id: task.to_owned(),
            container,
        };
        if beside == Beside::PidNamespace {
            self.refuse_frozen(id).await?;
        }
        self.helper_says(id, beside, &request).await.map(drop)
    }

    async fn signal_processes(
        &self,
        id: &ContainerId,
        processes: &[(i32, u64)],
        signal: &str,
    ) -> EngineResult<()> {
        self.refuse_frozen(id).await?;
        for processes in processes.chunks(AT_ONCE) {
            let request = Request::Signal {
                signal: signal.to_owned(),
                processes: processes.to_vec(),
                container: Some(id.0.clone()),
            };
            self.helper_says(id, Beside::PidNamespace, &request).await?;
        }
        Ok(())
    }
}

impl Docker {
    /// Returns whether the signal that asks a container to stop has any effect on its first process.
    /// Where that cannot be known, it may.
    pub(super) async fn heeds_stop(&self, id: &ContainerId) -> bool {
        if !self.info.toolbox {
            return true;
        }
        let signal = match self.inspect(id).await {
            Ok(found) => found.config.and_then(|config| config.stop_signal),
            Err(_) => return true,
        };
        let signal = signal.unwrap_or_else(|| "SIGTERM".to_owned());
        let container = Some(id.0.clone());
        let request = Request::Heeds { signal, container };
        let heeds = self.run_helper(id, Beside::PidNamespace, &request).await;
        !heeds.is_ok_and(|output| output.exit_code == 1 && output.stderr.is_empty())
    }

    /// A frozen process neither ends nor stops before it goes on.
    async fn refuse_frozen(&self, id: &ContainerId) -> EngineResult<()> {
        let found = self.inspect(id).await?;
        match listing::state_of(&found) {
            state @ State::Paused => Err(EngineError::NotRunning {
                container: listing::name_of(&found).unwrap_or_else(|| short(id).to_owned()),
                state,
            }),
            _ => Ok(()),
        }
    }
}

/// Returns where a task that was started is found again: in the network's toolbox, or among the container's processes.
fn reached(work: &Work, id: &ContainerId) -> (Beside, Option<String>) {
    match work.beside() {
        Beside::Network => (Beside::Network, None),
        Beside::Processes | Beside::PidNamespace => (Beside::PidNamespace, Some(id.0.clone())),
    }
}
