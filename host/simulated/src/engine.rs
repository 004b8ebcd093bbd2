//! A container engine in memory: every operation is a step of the world.

use std::time::Duration;

use async_trait::async_trait;

use super::conversation::Conversation;
use super::network::output;
use super::world::{Machine, World};
use super::{container, network, world};
use duress_engine::{
    Arranged, Arrangement, Connection, Container, ContainerId, Details, Engine, EngineError,
    EngineInfo, EngineResult, FileCopy, FileSystem, Fill, LABEL_DATABASE, LABEL_DATABASE_ID,
    LABEL_HOST, LABEL_TRIAL, Leftover, Limits, LimitsRecord, LogLine, LogsAsked, NetDriver,
    Network, Output, OwnedReplacement, Process, Program, Project, Replacement, Requirement, Sharer,
    Snapshot, Stack, Standing, State, Work, compose, network_program,
};

/// What a file system of a container holds, in bytes.
const CAPACITY: u64 = 64 << 20;

/// The memory of the machine, in bytes.
const MEMORY: u64 = 16 << 30;

/// A file that was not there before.
const ROOTS_FILE: FileCopy = FileCopy {
    contents: Vec::new(),
    mode: 0o644,
    user: 0,
    group: 0,
};

/// When every container was started, in milliseconds since the Unix epoch.
const STARTED: u64 = 1_767_225_600_000;

/// The engine of a [`World`].
#[derive(Debug, Clone)]
pub struct SimulatedEngine(pub World);

impl SimulatedEngine {
    /// Looks at something.
    pub(super) async fn look<T>(
        &self,
        what: &str,
        look: impl FnOnce(&mut Machine) -> EngineResult<T> + Send,
    ) -> EngineResult<T> {
        self.0.step(what).await?;
        look(&mut self.0.lock())
    }

    /// Change something.
    pub(super) async fn change<T>(
        &self,
        what: &str,
        change: impl FnOnce(&mut Machine) -> EngineResult<T> + Send,
    ) -> EngineResult<T> {
        self.0.step(what).await?;
        let result = change(&mut self.0.lock());
        self.0.answer(what).await?;
        result
    }

    /// Change something that needs the container's processes.
    async fn change_inside<T>(
        &self,
        what: &str,
        id: &ContainerId,
        change: impl FnOnce(&mut container::Container) -> EngineResult<T> + Send,
    ) -> EngineResult<T> {
        self.change(what, |machine| change(running(machine.touch(&id.0)?)?))
            .await
    }

    /// Waits as the engine does for a first process that is to stop.
    async fn await_stop(&self, id: &ContainerId, grace: Duration) {
        let ignores = {
            let mut machine = self.0.lock();
            let container = machine.container(&id.0);
            container.is_ok_and(|one| one.ignores_stop && one.state == State::Running)
        };
        if ignores {
            tokio::time::sleep(grace).await;
        }
    }

    async fn remove(&self, project: &Project) -> EngineResult<()> {
        loop {
            self.0.step("remove a container").await?;
            {
                let mut machine = self.0.lock();
                if machine.sticky {
                    return Err(EngineError::Failed(
                        "remove a container: it is stuck".into(),
                    ));
                }
                let Some(stack) = machine.stacks.get_mut(project) else {
                    return Ok(());
                };
                if stack.containers.pop().is_none() {
                    if machine.sticky_volumes {
                        return Err(EngineError::Failed("remove a volume: it is in use".into()));
                    }
                    machine.stacks.remove(project);
                }
            }
            self.0.answer("remove a container").await?;
        }
    }
}

fn running(container: &mut container::Container) -> EngineResult<&mut container::Container> {
    match container.state {
        State::Running => Ok(container),
        state => Err(EngineError::NotRunning {
            container: container.service.clone(),
            state,
        }),
    }
}

#[async_trait]
impl Engine for SimulatedEngine {
    async fn info(&self) -> EngineResult<EngineInfo> {
        Ok(EngineInfo {
            version: "simulated".into(),
            address: "memory".into(),
            cgroup_version: 2,
            local: true,
            net_driver: NetDriver::Namespace,
            toolbox: true,
        })
    }

    async fn ping(&self) -> EngineResult<()> {
        self.look("ping", |_| Ok(())).await
    }

    async fn stack_up(&self, stack: &Stack, _: Duration) -> EngineResult<()> {
        let services = compose::services(&stack.compose_file)
            .map_err(|error| EngineError::Failed(error.to_string()))?;
        let label = |name: &str| stack.labels.get(name).cloned().unwrap_or_default();
        self.change("make the network", |machine| {
            machine
                .stacks
                .entry(stack.project.clone())
                .or_insert_with(|| world::Stack {
                    trial: label(LABEL_TRIAL),
                    database: label(LABEL_DATABASE),
                    database_id: label(LABEL_DATABASE_ID),
                    host: label(LABEL_HOST),
                    ..world::Stack::default()
                });
            Ok(())
        })
        .await?;
        for service in services {
            self.change("make a container", |machine| {
                machine.make(&stack.project, &service);
                Ok(())
            })
            .await?;
        }
        Ok(())
    }

    async fn stack_down(&self, stack: &Stack, _: Duration) -> EngineResult<()> {
        self.remove(&stack.project).await
    }

    async fn remove_project(&self, project: &Project) -> EngineResult<()> {
        self.remove(project).await
    }

    async fn leftovers(&self) -> EngineResult<Vec<Leftover>> {
        self.look("list what is left", |machine| {
            let left = machine.stacks.iter().map(|(project, stack)| Leftover {
                kind: "network",
                name: project.0.clone(),
                project: project.clone(),
                trial: stack.trial.clone(),
                database: stack.database.clone(),
                database_id: stack.database_id.clone(),
                host: stack.host.clone(),
                machine: String::new(),
            });
            Ok(left.collect())
        })
        .await
    }

    async fn containers(&self, project: &Project) -> EngineResult<Vec<Container>> {
        self.look("list the containers", |machine| {
            let stack = machine.stacks.get(project).cloned().unwrap_or_default();
            let in_place = stack.containers.into_iter().filter(|one| one.is_in_place());
            let containers = in_place.map(|one| Container {
                health: one.health(),
                id: ContainerId(one.id.clone()),
                name: one.service.clone(),
                service: one.service_of_compose().to_owned(),
                state: one.state,
                addresses: match one.state {
                    State::Exited => Vec::new(),
                    _ => vec![("default".to_owned(), one.address)],
                },
                network: Network::Own,
            });
            Ok(containers.collect())
        })
        .await
    }

    async fn snapshots(&self, project: &Project) -> EngineResult<Vec<Snapshot>> {
        self.look("look at the containers", |machine| {
            let stack = machine.stacks.get(project).cloned().unwrap_or_default();
            Ok(stack
                .containers
                .iter()
                .filter(|one| one.is_in_place())
                .map(container::Container::snapshot)
                .collect())
        })
        .await
    }

    async fn state(&self, id: &ContainerId) -> EngineResult<State> {
        self.look("ask for a state", |machine| {
            Ok(machine.container(&id.0)?.state)
        })
        .await
    }

    async fn has(&self, _: &Requirement) -> EngineResult<bool> {
        self.look("look for what is needed", |machine| Ok(!machine.bare))
            .await
    }

    /// Returns an address where nothing listens: requests are answered by the script ([`World::answer_request`]).
    async fn endpoint(&self, id: &ContainerId, port: u16) -> EngineResult<std::net::SocketAddr> {
        self.look("ask for an address", |machine| {
            let container = running(machine.container(&id.0)?)?;
            Ok((container.address, port).into())
        })
        .await
    }

    async fn connect(&self, id: &ContainerId, port: u16) -> EngineResult<Box<dyn Connection>> {
        let place = self
            .look("connect", |machine| {
                let script = std::sync::Arc::clone(&machine.script);
                let container = machine.container(&id.0)?;
                let place = format!("{}:{port}", container.service);
                match container.state {
                    State::Running | State::Paused if script.listens(&place) => Ok(place),
                    State::Running | State::Paused => Err(EngineError::Failed(format!(
                        "connect to {place}: connection refused"
                    ))),
                    _ => running(container).map(|_| place),
                }
            })
            .await?;
        Ok(Box::new(Conversation::new(
            self.0.clone(),
            id.0.clone(),
            place,
        )))
    }

    async fn details(&self, id: &ContainerId) -> EngineResult<Details> {
        self.look("ask how it is", |machine| {
            let container = machine.container(&id.0)?;
            let ended = container.state == State::Exited;
            Ok(Details {
                image: "simulated".into(),
                started_ms: Some(STARTED),
                finished_ms: ended.then_some(STARTED + 1000),
                exit_code: ended.then_some(137),
                ..Details::default()
            })
        })
        .await
    }

    async fn logs(&self, id: &ContainerId, asked: LogsAsked) -> EngineResult<Vec<LogLine>> {
        self.look("read a log", |machine| {
            let script = std::sync::Arc::clone(&machine.script);
            let service = &machine.container(&id.0)?.service;
            let lines = script.logs.get(service).map_or(&[][..], Vec::as_slice);
            let line = |text: &String| LogLine {
                at_ms: asked.since_ms.unwrap_or(STARTED),
                is_error: false,
                text: text.clone(),
            };
            let newest = lines.len().saturating_sub(asked.lines as usize);
            Ok(lines[newest..].iter().map(line).collect())
        })
        .await
    }

    async fn exec(&self, id: &ContainerId, program: &Program) -> EngineResult<Output> {
        self.change("run a program", |machine| {
            let script = std::sync::Arc::clone(&machine.script);
            let container = running(machine.container(&id.0)?)?;
            if let Some(output) = network::run(container, &program.command) {
                return Ok(output);
            }
            let marks = container.all_marks();
            if let Some(answer) = script.program(&container.service, &program.command, &marks) {
                answer.mark(&mut container.marks);
                return Ok(output(answer.exit_code, answer.stdout.clone(), ""));
            }
            Ok(machine.unanswered_program(&program.command))
        })
        .await
    }

    async fn run_in_network(&self, id: &ContainerId, program: &Program) -> EngineResult<Output> {
        let command = &program.command;
        network_program::check(command).map_err(EngineError::Failed)?;
        let run = |machine: &mut Machine| {
            let container = machine.container(&id.0)?;
            if container.state == State::Exited {
                return running(container).map(|_| output(0, "", ""));
            }
            match network::run(container, command) {
                Some(output) => Ok(output),
                None => Ok(machine.unanswered_program(command)),
            }
        };
        if network::looks(command) {
            return self.look("look at a network", run).await;
        }
        self.change("change a network", |machine| {
            machine.touch(&id.0)?;
            run(machine)
        })
        .await
    }

    async fn start_task(
        &self,
        id: &ContainerId,
        task: &str,
        work: &Work,
        ends_after: Option<Duration>,
    ) -> EngineResult<()> {
        self.change("start a task", |machine| {
            let script = std::sync::Arc::clone(&machine.script);
            let container = running(machine.touch(&id.0)?)?;
            let started = container::Task {
                work: work.clone(),
                ends_after,
            };
            container.tasks.insert(task.to_owned(), started);
            if let Some(answer) = script.lasting(&container.service, work, &container.all_marks()) {
                answer.mark(&mut container.marks);
            }
            Ok(())
        })
        .await
    }

    async fn task_works(&self, id: &ContainerId, task: &str, _: &Work) -> EngineResult<bool> {
        self.look("look for a task", |machine| {
            Ok(running(machine.container(&id.0)?)?.tasks.contains_key(task))
        })
        .await
    }

    async fn stop_task(&self, id: &ContainerId, task: &str, work: &Work) -> EngineResult<()> {
        self.change("end a task", |machine| {
            let script = std::sync::Arc::clone(&machine.script);
            let container = running(machine.touch(&id.0)?)?;
            container.tasks.remove(task);
            // What holds while a program runs ends with it.
            if let Some(answer) = script.lasting(&container.service, work, &container.all_marks()) {
                container.marks.retain(|mark| !answer.sets.contains(mark));
            }
            Ok(())
        })
        .await
    }

    async fn processes(&self, id: &ContainerId) -> EngineResult<Vec<Process>> {
        self.look("list processes", |machine| {
            Ok(running(machine.container(&id.0)?)?.processes.clone())
        })
        .await
    }

    async fn signal_processes(
        &self,
        id: &ContainerId,
        processes: &[(i32, u64)],
        signal: &str,
    ) -> EngineResult<()> {
        self.change_inside("signal a process", id, |container| {
            let meant = |one: &Process| processes.contains(&(one.pid, one.started));
            match signal {
                "SIGSTOP" | "SIGCONT" => {
                    for process in container.processes.iter_mut().filter(|one| meant(one)) {
                        process.stopped = signal == "SIGSTOP";
                    }
                }
                _ => container.processes.retain(|one| !meant(one)),
            }
            Ok(())
        })
        .await
    }

    async fn signal(&self, id: &ContainerId, signal: &str) -> EngineResult<()> {
        self.change("signal a container", |machine| {
            let container = machine.touch(&id.0)?;
            if signal == "SIGKILL" {
                container.end();
            }
            Ok(())
        })
        .await
    }

    async fn pause(&self, id: &ContainerId) -> EngineResult<()> {
        self.change("pause", |machine| {
            let container = machine.touch(&id.0)?;
            if container.state != State::Paused {
                running(container)?.state = State::Paused;
            }
            Ok(())
        })
        .await
    }

    async fn unpause(&self, id: &ContainerId) -> EngineResult<()> {
        self.change("unpause", |machine| {
            let container = machine.touch(&id.0)?;
            if container.state == State::Paused {
                container.state = State::Running;
            }
            Ok(())
        })
        .await
    }

    async fn stop(&self, id: &ContainerId, grace: Duration) -> EngineResult<()> {
        self.await_stop(id, grace).await;
        self.change("stop", |machine| {
            machine.touch(&id.0)?.end();
            Ok(())
        })
        .await
    }

    async fn start(&self, id: &ContainerId) -> EngineResult<()> {
        self.change("start", |machine| {
            machine.touch(&id.0)?.start();
            Ok(())
        })
        .await
    }

    async fn restart(&self, id: &ContainerId, grace: Duration) -> EngineResult<()> {
        self.await_stop(id, grace).await;
        self.change("restart", |machine| {
            let container = machine.touch(&id.0)?;
            container.end();
            container.start();
            Ok(())
        })
        .await
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
        self.look("look at an arrangement", |machine| {
            machine.arranged(project, arrangement)
        })
        .await
    }

    async fn run_offline(&self, id: &ContainerId, program: &Program) -> EngineResult<Output> {
        self.stop(id, Duration::ZERO).await?;
        self.change("run a program on volumes", |machine| {
            let script = std::sync::Arc::clone(&machine.script);
            let container = machine.touch(&id.0)?;
            let marks = container.all_marks();
            match script.program(&container.service, &program.command, &marks) {
                Some(answer) => {
                    answer.mark(&mut container.stored);
                    Ok(output(answer.exit_code, answer.stdout.clone(), ""))
                }
                None => Ok(machine.unanswered_program(&program.command)),
            }
        })
        .await
    }

    async fn memory_in_use(&self, id: &ContainerId) -> EngineResult<u64> {
        self.look("measure memory", |machine| {
            machine.container(&id.0).map(|_| 10 << 20)
        })
        .await
    }

    async fn machine_memory(&self) -> EngineResult<u64> {
        self.look("ask for the machine's memory", |_| Ok(MEMORY))
            .await
    }

    async fn limits_record(&self, id: &ContainerId) -> EngineResult<LimitsRecord> {
        self.look("ask for limits", |machine| {
            Ok(machine.container(&id.0)?.limits.into())
        })
        .await
    }

    async fn set_limits(&self, id: &ContainerId, limits: Limits) -> EngineResult<()> {
        self.change("set limits", |machine| {
            let now = &mut machine.touch(&id.0)?.limits;
            *now = Limits {
                cpus: limits.cpus.or(now.cpus),
                memory_bytes: limits.memory_bytes.or(now.memory_bytes),
                pids: limits.pids.or(now.pids),
            };
            Ok(())
        })
        .await
    }

    async fn restore_limits(
        &self,
        id: &ContainerId,
        before: &LimitsRecord,
        kinds: &Limits,
    ) -> EngineResult<()> {
        let before = *before;
        let kinds = *kinds;
        self.change("restore limits", move |machine| {
            let now = &mut machine.touch(&id.0)?.limits;
            *now = LimitsRecord::from(*now)
                .with_earlier(&before, &kinds)
                .limits();
            Ok(())
        })
        .await
    }

    async fn file_system(&self, id: &ContainerId, _: &str) -> EngineResult<FileSystem> {
        self.look("look at a file system", |machine| {
            let used: u64 = machine.container(&id.0)?.files.values().sum();
            Ok(FileSystem {
                capacity: CAPACITY,
                available: CAPACITY.saturating_sub(used),
                root: false,
            })
        })
        .await
    }

    async fn fill_disk(&self, id: &ContainerId, fill: Fill<'_>) -> EngineResult<()> {
        let (path, size) = (fill.path.to_owned(), fill.size);
        self.change("fill a disk", move |machine| {
            machine.touch(&id.0)?.files.insert(path, size);
            Ok(())
        })
        .await
    }

    async fn fill_is_there(&self, id: &ContainerId, fill: Fill<'_>) -> EngineResult<bool> {
        let (path, size) = (fill.path.to_owned(), fill.size);
        self.look("look at a file", move |machine| {
            Ok(machine.container(&id.0)?.files.get(&path) == Some(&size))
        })
        .await
    }

    async fn remove_fill(&self, id: &ContainerId, fill: Fill<'_>) -> EngineResult<()> {
        let path = fill.path.to_owned();
        self.change("remove a file", move |machine| {
            machine.touch(&id.0)?.files.remove(&path);
            Ok(())
        })
        .await
    }

    async fn read_file(&self, id: &ContainerId, path: &str) -> EngineResult<Standing> {
        self.look("look at a file", |machine| {
            let file = machine.container(&id.0)?.kept_files.get(path);
            Ok(Standing::from(file))
        })
        .await
    }

    async fn replace_file(&self, id: &ContainerId, new: Replacement<'_>) -> EngineResult<()> {
        let new = OwnedReplacement::from(new);
        self.change("replace a file", move |machine| {
            let new = new.wanted();
            let files = &mut machine.touch(&id.0)?.kept_files;
            let there = files.get(new.path);
            if there.is_some_and(|file| file.contents == new.contents) {
                return Ok(());
            }
            if there != new.original {
                return Err(EngineError::Failed(format!(
                    "replace {}: it was changed since it was recorded",
                    new.path
                )));
            }
            let file = FileCopy {
                contents: new.contents.to_vec(),
                ..new.original.cloned().unwrap_or(ROOTS_FILE)
            };
            files.insert(new.path.to_owned(), file);
            Ok(())
        })
        .await
    }

    async fn restore_file(&self, id: &ContainerId, new: Replacement<'_>) -> EngineResult<()> {
        let new = OwnedReplacement::from(new);
        self.change("restore a file", move |machine| {
            let new = new.wanted();
            let files = &mut machine.touch(&id.0)?.kept_files;
            match new.original {
                Some(original) => files.insert(new.path.to_owned(), original.clone()),
                None => files.remove(new.path),
            };
            Ok(())
        })
        .await
    }

    async fn is_of_machine(&self, id: &ContainerId, _: &str) -> EngineResult<bool> {
        self.look("look at a mount", |machine| {
            machine.container(&id.0).map(|_| false)
        })
        .await
    }

    async fn volume_sharers(&self, id: &ContainerId, _: &str) -> EngineResult<Vec<Sharer>> {
        self.look("look for who shares a volume", |machine| {
            machine.container(&id.0).map(|_| Vec::new())
        })
        .await
    }
}
