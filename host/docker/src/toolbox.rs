//! The toolbox: an image with `tc`, `iptables` and duress's helper, for containers that hold none of them.
//!
//! What works in a container's network runs in a container of the toolbox's image that shares the network: one for each target, kept as
//! long as its stack. What looks at processes, signals them or ends them runs in another one, which shares the pid namespace: it needs
//! neither space nor memory nor processes of the target, where a fault may have used them up. What loads a container is the helper
//! alone, by the engine's `exec`: [`super::lend`] brings its file there.

use std::collections::HashMap;
use std::pin::Pin;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerSummaryStateEnum, HostConfig,
};
use bollard::query_parameters::{CreateContainerOptions, StartContainerOptions};
use duress_tasks::{ArgumentError, Request, TOOLBOX_IMAGE, Task};
use futures::{Stream, TryStreamExt as _};
use tokio::io::{AsyncWrite, AsyncWriteExt as _};

use super::calls::{PATIENCE, call, call_within};
use super::lend::Lent;
use super::{Docker, listing, short};
use duress_engine::{
    Beside, ContainerId, EngineError, EngineResult, LABEL_ARRANGEMENT, LABEL_DATABASE,
    LABEL_DATABASE_ID, LABEL_HOST, LABEL_MACHINE, LABEL_OFFLINE, LABEL_PROJECT, LABEL_TRIAL,
    Output, Program, Project, Work,
};

/// The label that names the container whose network a toolbox shares.
const LABEL_TARGET: &str = "io.duress.toolbox-of";
/// The label that says what a toolbox shares with that container.
const LABEL_SHARES: &str = "io.duress.toolbox-shares";
/// The label that says since when that container has run: started again, it has another network.
const LABEL_SINCE: &str = "io.duress.toolbox-since";
/// The helper, in the image and, for a moment, in a target.
pub(super) const HELPER: &str = "/duress-helper";
/// The most processes and threads in a toolbox of the network: a few tasks, a few tools at a time.
const PROCESSES: i64 = 256;
/// How long a task may take until it works: to take a large amount of memory, seconds.
const READY: Duration = Duration::from_secs(60);

/// What a program says, piece by piece.
type Said = Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>;

/// What a toolbox shares with the container that it serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shares {
    /// Its network namespace: for rules, queues and servers.
    Network,
    /// Its pid namespace: for looking at processes, signalling and ending them.
    Processes,
}

impl Shares {
    fn name(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Processes => "processes",
        }
    }

    /// Returns the least that the work needs: a program in the container must gain nothing by the toolbox.
    fn host_config(self, id: &ContainerId) -> HostConfig {
        let of_target = Some(format!("container:{}", id.0));
        let words = |words: &[&str]| Some(words.iter().map(|&word| word.to_owned()).collect());
        match self {
            Self::Network => HostConfig {
                network_mode: of_target,
                // As narrow as the driver `namespace`. The user stays root, without root's capabilities: the engine gives none to others.
                cap_drop: words(&["ALL"]),
                cap_add: words(&["NET_ADMIN", "NET_RAW"]),
                security_opt: words(&["no-new-privileges"]),
                readonly_rootfs: Some(true),
                // The lock of iptables' older variant.
                tmpfs: Some(HashMap::from([(
                    "/run".to_owned(),
                    "size=64k,mode=0755,noexec,nosuid,nodev".to_owned(),
                )])),
                ipc_mode: Some("none".to_owned()),
                pids_limit: Some(PROCESSES),
                ..HostConfig::default()
            },
            Self::Processes => HostConfig {
                network_mode: Some("none".to_owned()),
                pid_mode: of_target,
                cap_drop: words(&["ALL"]),
                // Processes of any user.
                cap_add: words(&["KILL"]),
                security_opt: words(&["no-new-privileges"]),
                readonly_rootfs: Some(true),
                ..HostConfig::default()
            },
        }
    }
}

/// Returns the toolbox's image: [`TOOLBOX_IMAGE`], unless `DURESS_TOOLBOX_IMAGE` says otherwise.
pub(super) fn image() -> String {
    std::env::var("DURESS_TOOLBOX_IMAGE")
        .ok()
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| TOOLBOX_IMAGE.to_owned())
}

pub(super) fn missing() -> EngineError {
    EngineError::Missing {
        message: format!("image {} not found (it holds duress's helper)", image()),
        hint: "`cargo xtask setup` makes it; DURESS_TOOLBOX_IMAGE names another".into(),
    }
}

impl Docker {
    /// Runs one of the toolbox's programs in a container's network.
    pub(super) async fn run_in_toolbox(
        &self,
        id: &ContainerId,
        program: &Program,
    ) -> EngineResult<Output> {
        let toolbox = self.toolbox(id, Shares::Network).await?;
        self.run_inside(&toolbox, program).await
    }

    /// Returns the container that lends its tools to a target: the one that is there, or a new one.
    pub(super) async fn toolbox(
        &self,
        id: &ContainerId,
        shares: Shares,
    ) -> EngineResult<ContainerId> {
        let target = self.inspect(id).await?;
        let state = target.state.as_ref();
        let since = state
            .and_then(|state| state.started_at.clone())
            .unwrap_or_default();
        if state.and_then(|state| state.pid).unwrap_or(0) == 0 {
            return Err(EngineError::NotRunning {
                container: listing::name_of(&target).unwrap_or_else(|| short(id).to_owned()),
                state: listing::state_of(&target),
            });
        }
        let _one_at_a_time = self.toolboxes.lock().await;
        let adopted = self.adopted_labels(id);
        for summary in self.summaries(&format!("{LABEL_TARGET}={}", id.0)).await? {
            let label = |name: &str| summary.labels.as_ref().and_then(|labels| labels.get(name));
            if label(LABEL_SHARES).is_some_and(|other| other != shares.name()) {
                continue;
            }
            // Beside a container that duress did not make, each run has a toolbox of its own: it is removed with the run.
            let of_this_run = |labels: &HashMap<String, String>| {
                labels.get(LABEL_PROJECT) == label(LABEL_PROJECT)
            };
            if adopted.as_ref().is_some_and(|labels| !of_this_run(labels)) {
                continue;
            }
            let of_now = label(LABEL_SINCE) == Some(&since);
            let Some(found) = summary.id.clone().map(ContainerId) else {
                continue;
            };
            if of_now && summary.state == Some(ContainerSummaryStateEnum::RUNNING) {
                return Ok(found);
            }
            self.remove_container(&found).await?;
        }
        self.make_toolbox(id, &target, since, shares).await
    }

    async fn make_toolbox(
        &self,
        id: &ContainerId,
        target: &ContainerInspectResponse,
        since: String,
        shares: Shares,
    ) -> EngineResult<ContainerId> {
        let what = format!("lend tools to container {}", short(id));
        let of_target = target
            .config
            .as_ref()
            .and_then(|config| config.labels.as_ref());
        let kept = [
            LABEL_PROJECT,
            LABEL_TRIAL,
            LABEL_DATABASE,
            LABEL_DATABASE_ID,
            LABEL_HOST,
            LABEL_MACHINE,
        ];
        let mut labels: HashMap<String, String> = kept
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), of_target?.get(name)?.clone())))
            .collect();
        labels.extend(self.adopted_labels(id).unwrap_or_default());
        labels.insert(LABEL_TARGET.to_owned(), id.0.clone());
        labels.insert(LABEL_SINCE.to_owned(), since);
        labels.insert(LABEL_SHARES.to_owned(), shares.name().to_owned());
        let body = ContainerCreateBody {
            image: Some(image()),
            entrypoint: Some(vec![HELPER.to_owned()]),
            cmd: Some(vec!["wait".to_owned()]),
            labels: Some(labels),
            host_config: Some(shares.host_config(id)),
            ..ContainerCreateBody::default()
        };
        let made = self
            .api
            .create_container(None::<CreateContainerOptions>, body);
        let made = match call(&what, id, made).await {
            Ok(made) => ContainerId(made.id),
            Err(EngineError::Failed(why)) if why.contains("No such image") => {
                return Err(missing());
            }
            Err(error) => return Err(error),
        };
        let started = self
            .api
            .start_container(&made.0, None::<StartContainerOptions>);
        if let Err(error) = call(&what, id, started).await {
            self.remove_container(&made).await?;
            return Err(error);
        }
        Ok(made)
    }

    /// Removes the toolboxes of one container.
    pub(super) async fn remove_toolboxes_of(&self, id: &ContainerId) -> EngineResult<()> {
        for summary in self.summaries(&format!("{LABEL_TARGET}={}", id.0)).await? {
            if let Some(toolbox) = summary.id {
                self.remove_container(&ContainerId(toolbox)).await?;
            }
        }
        Ok(())
    }

    /// Removes the toolboxes of a stack, of which the compose tool knows nothing, and containers that changes have made from others:
    /// a volume without a name is removed with the container that had it first, once nobody else uses it.
    pub(super) async fn remove_made(&self, project: &Project) -> EngineResult<()> {
        for summary in self
            .summaries(&format!("{LABEL_PROJECT}={project}"))
            .await?
        {
            let labels = summary.labels.unwrap_or_default();
            let is_made = [LABEL_TARGET, LABEL_ARRANGEMENT, LABEL_OFFLINE];
            if let Some(id) = summary.id
                && is_made.iter().any(|label| labels.contains_key(*label))
            {
                self.remove_container(&ContainerId(id)).await?;
            }
        }
        Ok(())
    }

    /// Starts a task beside a container. When it returns, the task works.
    pub(super) async fn start_helper(
        &self,
        id: &ContainerId,
        task: &str,
        work: &Work,
        ends_after: Option<Duration>,
    ) -> EngineResult<()> {
        let what = format!("start work beside container {}", short(id));
        let user = match work {
            Work::RunProgram { .. } => self
                .inspect(id)
                .await?
                .config
                .and_then(|config| config.user),
            _ => None,
        };
        let arguments = Task {
            work: work.clone(),
            user: user.unwrap_or_default(),
            ends_after_seconds: ends_after.map(|limit| limit.as_secs()),
        };
        let arguments = arguments.arguments(task).map_err(unsendable(&what))?;
        let mut output = self
            .exec_helper(&what, id, work.beside(), arguments)
            .await?
            .1;
        let mut said = Vec::new();
        let ready = async {
            while let Some(chunk) = output.try_next().await? {
                if matches!(&chunk, LogOutput::StdOut { message } if message.starts_with(b"ready"))
                {
                    return Ok(true);
                }
                said.extend_from_slice(&chunk.into_bytes());
            }
            Ok(false)
        };
        if call_within(&what, id, READY, ready).await? {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&said);
        let said = match said.trim() {
            "" => "it was ended before it worked, most often by the kernel, for want of memory",
            said => said,
        };
        Err(EngineError::Failed(format!("{what}: {said}")))
    }

    /// Runs the helper to its end.
    pub(super) async fn run_helper(
        &self,
        id: &ContainerId,
        beside: Beside,
        request: &Request,
    ) -> EngineResult<Output> {
        let what = format!("{} beside container {}", request.name(), short(id));
        let arguments = request.arguments().map_err(unsendable(&what))?;
        let (exec, output) = self.exec_helper(&what, id, beside, arguments).await?;
        let ended = self.collect(&exec, output);
        call_within(&what, id, PATIENCE, ended).await
    }

    /// As [`Docker::run_helper`], for what must succeed; its standard output.
    pub(super) async fn helper_says(
        &self,
        id: &ContainerId,
        beside: Beside,
        request: &Request,
    ) -> EngineResult<String> {
        let output = self.run_helper(id, beside, request).await?;
        if output.exit_code == 0 {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(failed(request.name(), id, &output))
    }

    /// Runs the helper to its end with something to read, and returns at most `limit` bytes of what it prints.
    pub(super) async fn converse(
        &self,
        id: &ContainerId,
        beside: Beside,
        request: &Request,
        message: Vec<u8>,
        limit: usize,
    ) -> EngineResult<Output> {
        let what = format!("{} beside container {}", request.name(), short(id));
        let arguments = request.arguments().map_err(unsendable(&what))?;
        let options = CreateExecOptions {
            attach_stdin: Some(true),
            ..CreateExecOptions::default()
        };
        let (exec, output, mut input) = self
            .start_exec(&what, id, beside, arguments, options)
            .await?;
        let ended = async {
            // One that has failed does not read, and says why.
            let _ = input.write_all(&message).await;
            let _ = input.flush().await;
            self.collect_at_most(limit, &exec, output).await
        };
        call_within(&what, id, PATIENCE, ended).await
    }

    /// Begins to run the helper; its name at the engine, and what it says.
    async fn exec_helper(
        &self,
        what: &str,
        id: &ContainerId,
        beside: Beside,
        arguments: Vec<String>,
    ) -> EngineResult<(String, Said)> {
        let options = CreateExecOptions::default();
        let begun = self.start_exec(what, id, beside, arguments, options).await;
        begun.map(|(exec, output, _)| (exec, output))
    }

    async fn start_exec(
        &self,
        what: &str,
        id: &ContainerId,
        beside: Beside,
        mut arguments: Vec<String>,
        options: CreateExecOptions<String>,
    ) -> EngineResult<(String, Said, Pin<Box<dyn AsyncWrite + Send>>)> {
        let (container, lent) = match beside {
            Beside::Network => (self.toolbox(id, Shares::Network).await?, Lent::there()),
            Beside::PidNamespace => (self.toolbox(id, Shares::Processes).await?, Lent::there()),
            Beside::Processes => (id.clone(), self.lend_helper(id).await?),
        };
        if lent.vanishes {
            arguments.insert(0, "--vanish".to_owned());
        }
        arguments.insert(0, lent.path);
        let options = CreateExecOptions {
            cmd: Some(arguments),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            user: lent.as_root.then(|| "0:0".to_owned()),
            ..options
        };
        let made = call(what, id, self.api.create_exec(&container.0, options)).await?;
        let begun = call(what, id, self.api.start_exec(&made.id, None)).await?;
        match begun {
            StartExecResults::Attached { output, input } => Ok((made.id, output, input)),
            StartExecResults::Detached => Err(EngineError::Failed(format!(
                "{what}: the engine gave no output"
            ))),
        }
    }
}

/// How the helper ends that does not understand its arguments.
const NOT_UNDERSTOOD: i32 = 2;

/// Returns what the helper said when it failed.
pub(super) fn failed(what: &str, id: &ContainerId, output: &Output) -> EngineError {
    let what = format!("{what} beside container {}", short(id));
    if output.exit_code == NOT_UNDERSTOOD {
        return EngineError::Missing {
            message: format!(
                "{what}: the helper in image {} is of another version of duress",
                image()
            ),
            hint: "`cargo xtask setup` makes the image".into(),
        };
    }
    let said = String::from_utf8_lossy(&output.stderr);
    EngineError::Failed(format!("{what}: {}", said.trim()))
}

fn unsendable(what: &str) -> impl Fn(ArgumentError) -> EngineError {
    move |error| EngineError::Failed(format!("{what}: what the helper is to do {error}"))
}
