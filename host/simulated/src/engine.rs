//! A container engine in memory: every operation is a step of the world.

use std::time::Duration;

use async_trait::async_trait;

use super::conversation::Conversation;
use super::network::output;
use super::world::{Machine, World};
use super::{container, network};
use duress_engine::{
    Arranged, Arrangement, Connection, Container, ContainerId, Details, Engine, EngineError,
    EngineInfo, EngineResult, FileSystem, Fill, Leftover, Limits, LimitsRecord, LogLine, LogsAsked,
    NetDriver, Output, Process, Program, Project, Replacement, Requirement, Sharer, Snapshot,
    Stack, Standing, State, Work, network_program,
};

/// What a file system of a container holds, in bytes.
const CAPACITY: u64 = 64 << 20;

/// The memory of the machine, in bytes.
const MEMORY: u64 = 16 << 30;

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
        self.make_stack(stack).await
    }

    async fn stack_down(&self, stack: &Stack, _: Duration) -> EngineResult<()> {
        self.remove(&stack.project).await
    }

    async fn remove_project(&self, project: &Project) -> EngineResult<()> {
        self.remove(project).await
    }

    async fn leftovers(&self) -> EngineResult<Vec<Leftover>> {
        self.list_leftovers().await
    }

    async fn containers(&self, project: &Project) -> EngineResult<Vec<Container>> {
        self.list_containers(project).await
    }

    async fn snapshots(&self, project: &Project) -> EngineResult<Vec<Snapshot>> {
        self.look_at_containers(project).await
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
        self.put_file(id, new).await
    }

    async fn restore_file(&self, id: &ContainerId, new: Replacement<'_>) -> EngineResult<()> {
        self.put_file_back(id, new).await
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
