//! Docker Engine, through its API ([Docker Engine API](https://docs.docker.com/reference/api/engine/)) and its compose tool.

mod address;
mod arrange;
mod calls;
mod confined;
mod connect;
mod copy;
mod endpoint;
mod exec;
mod files;
mod files_inside;
mod lend;
mod limits;
mod listing;
mod logs;
mod memory;
mod namespace;
mod offline;
mod open;
mod processes;
mod removal;
mod replacing;
mod sharing;
mod toolbox;
mod watch;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bollard::models::{ContainerInspectResponse, ContainerUpdateBody};
use bollard::query_parameters::{
    InspectContainerOptions, KillContainerOptions, RestartContainerOptions, StartContainerOptions,
    StopContainerOptions,
};
use tokio::sync::{Mutex, OnceCell};

use self::calls::{PATIENCE, call};
use duress_engine::{
    Arranged, Arrangement, Connection, Container, ContainerId, Details, Engine, EngineError,
    EngineInfo, EngineResult, FileSystem, Fill, Leftover, Limits, LimitsRecord, LogLine, LogsAsked,
    NetDriver, Output, Process, Program, Project, Replacement, Sharer, Snapshot, Stack, Standing,
    State, Transport, Work, compose, network_program,
};

/// Time limit for the engine's answer to a ping.
const PING_PATIENCE: Duration = Duration::from_secs(10);

/// A connection to a Docker Engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Docker {
    api: bollard::Docker,
    info: EngineInfo,
    /// Where published ports are reached when containers' own addresses are not.
    host: IpAddr,
    /// Where the engine keeps everything.
    data_root: PathBuf,
    /// The helper's file, once it was needed.
    helper: Arc<OnceCell<lend::Helper>>,
    /// Held while a toolbox is looked for and made, so that none is made twice.
    toolboxes: Arc<Mutex<()>>,
}

impl Docker {
    async fn inspect(&self, id: &ContainerId) -> EngineResult<ContainerInspectResponse> {
        let asked = self
            .api
            .inspect_container(&id.0, None::<InspectContainerOptions>);
        call(&format!("inspect container {}", short(id)), id, asked).await
    }

    /// Returns the container's first process as this machine's kernel knows it.
    async fn process(&self, id: &ContainerId) -> EngineResult<namespace::Process> {
        let found = self.inspect(id).await?;
        let pid = found
            .state
            .as_ref()
            .and_then(|state| state.pid)
            .filter(|pid| *pid > 0);
        match pid {
            Some(pid) => namespace::Process::new(pid, &id.0),
            None => Err(EngineError::NotRunning {
                container: listing::name_of(&found).unwrap_or_else(|| short(id).to_owned()),
                state: listing::state_of(&found),
            }),
        }
    }

    async fn update_limits(
        &self,
        id: &ContainerId,
        update: ContainerUpdateBody,
    ) -> EngineResult<()> {
        let what = format!("change the limits of container {}", short(id));
        call(&what, id, self.api.update_container(&id.0, update)).await
    }

    /// Returns where the kernel shows a container's file system to this process; none when only the engine can reach it.
    async fn root(&self, id: &ContainerId) -> EngineResult<Option<files::Root>> {
        if self.info.net_driver != NetDriver::Namespace {
            return Ok(None);
        }
        match self.process(id).await {
            Ok(process) => Ok(Some(files::Root::Process(process))),
            // Its volumes can still be reached where they lie on this machine.
            Err(error @ EngineError::NotRunning { .. }) => {
                let mounts = self.inspect(id).await?.mounts.unwrap_or_default();
                let mounts = mounts
                    .into_iter()
                    .filter_map(|mount| Some((mount.destination?, mount.source?)));
                Ok(Some(files::Root::Stopped {
                    mounts: mounts.collect(),
                    error,
                }))
            }
            Err(error) => Err(error),
        }
    }
}

/// As people know it from `docker ps`.
fn short(id: &ContainerId) -> &str {
    id.0.get(..12).unwrap_or(&id.0)
}

#[async_trait]
impl Engine for Docker {
    async fn info(&self) -> EngineResult<EngineInfo> {
        Ok(self.info.clone())
    }

    async fn ping(&self) -> EngineResult<()> {
        let missing = |why: String| EngineError::Missing {
            message: format!(
                "the container engine at {} does not answer any more: {why}",
                self.info.address
            ),
            hint: "start it again; `duress recover` then reverts what is left".into(),
        };
        match tokio::time::timeout(PING_PATIENCE, self.api.ping()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(missing(calls::reason(&error))),
            Err(_) => Err(missing("no response".into())),
        }
    }

    async fn stack_up(&self, stack: &Stack, timeout: Duration) -> EngineResult<()> {
        compose::up(stack, &self.info.address, timeout).await
    }

    async fn stack_down(&self, stack: &Stack, timeout: Duration) -> EngineResult<()> {
        self.thaw(&stack.project).await;
        self.remove_made(&stack.project).await?;
        // Whatever the compose tool could not do, the removal by label does; its failure is the one that counts.
        if let Err(error) = compose::down(stack, &self.info.address, timeout).await {
            tracing::info!("{error}; what is left is removed by label");
        }
        self.remove_all(&stack.project).await
    }

    async fn remove_project(&self, project: &Project) -> EngineResult<()> {
        self.thaw(project).await;
        self.remove_made(project).await?;
        self.remove_all(project).await
    }

    async fn leftovers(&self) -> EngineResult<Vec<Leftover>> {
        self.labelled().await
    }

    async fn containers(&self, project: &Project) -> EngineResult<Vec<Container>> {
        self.list(project).await
    }

    async fn snapshots(&self, project: &Project) -> EngineResult<Vec<Snapshot>> {
        self.look_at(project).await
    }

    async fn until_it_ends(&self) {
        self.until_end().await;
    }

    async fn state(&self, container: &ContainerId) -> EngineResult<State> {
        Ok(listing::state_of(&self.inspect(container).await?))
    }

    async fn endpoint(&self, container: &ContainerId, port: u16) -> EngineResult<SocketAddr> {
        self.address_of(container, port).await
    }

    async fn connect(
        &self,
        container: &ContainerId,
        port: u16,
    ) -> EngineResult<Box<dyn Connection>> {
        self.connect_to(container, port).await
    }

    async fn details(&self, container: &ContainerId) -> EngineResult<Details> {
        Ok(listing::details_of(self.inspect(container).await?))
    }

    async fn logs(&self, container: &ContainerId, asked: LogsAsked) -> EngineResult<Vec<LogLine>> {
        self.read_logs(container, asked).await
    }

    async fn exec(&self, container: &ContainerId, program: &Program) -> EngineResult<Output> {
        self.run_inside(container, program).await
    }

    async fn run_in_network(
        &self,
        container: &ContainerId,
        program: &Program,
    ) -> EngineResult<Output> {
        network_program::check(&program.command).map_err(EngineError::Failed)?;
        match self.info.net_driver {
            NetDriver::Namespace => {
                namespace::run_in_network(&self.process(container).await?, program).await
            }
            NetDriver::Toolbox => self.run_in_toolbox(container, program).await,
            NetDriver::Container => self.run_inside(container, program).await,
        }
    }

    async fn send_packets(
        &self,
        container: &ContainerId,
        places: &[(SocketAddr, Transport)],
    ) -> EngineResult<bool> {
        if self.info.net_driver != NetDriver::Namespace {
            return Ok(false);
        }
        namespace::send_packets(&self.process(container).await?, places.to_vec()).await?;
        Ok(true)
    }

    async fn start_task(
        &self,
        container: &ContainerId,
        id: &str,
        work: &Work,
        ends_after: Option<Duration>,
    ) -> EngineResult<()> {
        self.start_helper(container, id, work, ends_after).await
    }

    async fn task_works(
        &self,
        container: &ContainerId,
        id: &str,
        work: &Work,
    ) -> EngineResult<bool> {
        self.task_runs(container, id, work).await
    }

    async fn stop_task(&self, container: &ContainerId, id: &str, work: &Work) -> EngineResult<()> {
        self.end_task(container, id, work).await
    }

    async fn processes(&self, container: &ContainerId) -> EngineResult<Vec<Process>> {
        self.list_processes(container).await
    }

    async fn signal_processes(
        &self,
        container: &ContainerId,
        processes: &[(i32, u64)],
        signal: &str,
    ) -> EngineResult<()> {
        self.send_signal(container, processes, signal).await
    }

    async fn signal(&self, container: &ContainerId, signal: &str) -> EngineResult<()> {
        let options = KillContainerOptions {
            signal: signal.to_owned(),
        };
        let what = format!("send {signal} to container {}", short(container));
        let sent = call(
            &what,
            container,
            self.api.kill_container(&container.0, Some(options)),
        )
        .await;
        match sent {
            // What is ended already cannot be ended again, and need not be.
            Err(EngineError::NotRunning { .. }) => Ok(()),
            other => other,
        }
    }

    async fn pause(&self, container: &ContainerId) -> EngineResult<()> {
        if self.state(container).await? == State::Paused {
            return Ok(());
        }
        let what = format!("pause container {}", short(container));
        call(&what, container, self.api.pause_container(&container.0)).await
    }

    async fn unpause(&self, container: &ContainerId) -> EngineResult<()> {
        if self.state(container).await? != State::Paused {
            return Ok(());
        }
        let what = format!("unpause container {}", short(container));
        call(&what, container, self.api.unpause_container(&container.0)).await
    }

    async fn stop(&self, container: &ContainerId, grace: Duration) -> EngineResult<()> {
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptions {
            t: Some(seconds),
            ..StopContainerOptions::default()
        };
        let what = format!("stop container {}", short(container));
        let stopped = self.api.stop_container(&container.0, Some(options));
        calls::call_within(&what, container, PATIENCE + grace, stopped).await
    }

    async fn start(&self, container: &ContainerId) -> EngineResult<()> {
        if matches!(self.state(container).await?, State::Running | State::Paused) {
            return Ok(());
        }
        let what = format!("start container {}", short(container));
        let started = self
            .api
            .start_container(&container.0, None::<StartContainerOptions>);
        call(&what, container, started).await
    }

    async fn restart(&self, container: &ContainerId, grace: Duration) -> EngineResult<()> {
        // The engine would wait the whole grace for a process that never hears of it.
        let grace = match self.heeds_stop(container).await {
            false => Duration::ZERO,
            true => grace,
        };
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let options = RestartContainerOptions {
            t: Some(seconds),
            ..RestartContainerOptions::default()
        };
        let what = format!("restart container {}", short(container));
        let restarted = self.api.restart_container(&container.0, Some(options));
        calls::call_within(&what, container, PATIENCE + grace, restarted).await
    }

    async fn arrange(&self, project: &Project, arrangement: &Arrangement) -> EngineResult<()> {
        self.make_arrangement(project, arrangement).await
    }

    async fn put_back(&self, project: &Project, arrangement: &Arrangement) -> EngineResult<()> {
        self.end_arrangement(project, arrangement).await
    }

    async fn arranged(
        &self,
        project: &Project,
        arrangement: &Arrangement,
    ) -> EngineResult<Arranged> {
        self.look_at_arrangement(project, arrangement).await
    }

    async fn run_offline(
        &self,
        container: &ContainerId,
        program: &Program,
    ) -> EngineResult<Output> {
        self.run_on_volumes(container, program).await
    }

    async fn memory_in_use(&self, container: &ContainerId) -> EngineResult<u64> {
        self.measure_memory(container).await
    }

    async fn machine_memory(&self) -> EngineResult<u64> {
        let info = listing::within("ask for the machine's memory", self.api.info()).await?;
        Ok(info.mem_total.map_or(u64::MAX, i64::unsigned_abs))
    }

    async fn limits_record(&self, container: &ContainerId) -> EngineResult<LimitsRecord> {
        Ok(limits::read(&self.inspect(container).await?))
    }

    async fn set_limits(&self, container: &ContainerId, limits: Limits) -> EngineResult<()> {
        let now = self.limits_record(container).await?;
        self.update_limits(container, limits::tighten(&now, limits))
            .await
    }

    async fn restore_limits(
        &self,
        container: &ContainerId,
        before: &LimitsRecord,
        kinds: &Limits,
    ) -> EngineResult<()> {
        let now = self.limits_record(container).await?;
        self.update_limits(container, limits::restore(&now, before, kinds))
            .await
    }

    async fn file_system(&self, container: &ContainerId, path: &str) -> EngineResult<FileSystem> {
        match self.root(container).await? {
            Some(root) => files::file_system(root, path, self.data_root.clone()).await,
            None => self.file_system_inside(container, path).await,
        }
    }

    async fn fill_disk(&self, container: &ContainerId, fill: Fill<'_>) -> EngineResult<()> {
        match self.root(container).await? {
            Some(root) => files::fill(root, fill, self.data_root.clone()).await,
            None => self.fill_inside(container, fill).await,
        }
    }

    async fn fill_is_there(&self, container: &ContainerId, fill: Fill<'_>) -> EngineResult<bool> {
        match self.root(container).await? {
            Some(root) => files::is_there(root, fill).await,
            None => self.fill_is_inside(container, fill).await,
        }
    }

    async fn remove_fill(&self, container: &ContainerId, fill: Fill<'_>) -> EngineResult<()> {
        match self.root(container).await? {
            Some(root) => files::remove(root, fill).await,
            None => self.remove_inside(container, fill).await,
        }
    }

    async fn read_file(&self, container: &ContainerId, path: &str) -> EngineResult<Standing> {
        self.look_at_file(container, path).await
    }

    async fn replace_file(
        &self,
        container: &ContainerId,
        new: Replacement<'_>,
    ) -> EngineResult<()> {
        self.put_file(container, new, replacing::Way::There).await
    }

    async fn restore_file(
        &self,
        container: &ContainerId,
        new: Replacement<'_>,
    ) -> EngineResult<()> {
        self.put_file(container, new, replacing::Way::Back).await
    }

    async fn is_of_machine(&self, container: &ContainerId, path: &str) -> EngineResult<bool> {
        self.lies_on_machine(container, path).await
    }

    async fn volume_sharers(
        &self,
        container: &ContainerId,
        path: &str,
    ) -> EngineResult<Vec<Sharer>> {
        self.sharers(container, path).await
    }
}
