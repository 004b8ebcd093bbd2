//! Tasks and processes of containers.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use duress_engine::{ContainerId, EngineResult, Process, Tasks, Work};

use super::container;
use super::engine::{SimulatedEngine, running};

#[async_trait]
impl Tasks for SimulatedEngine {
    async fn start_task(
        &self,
        id: &ContainerId,
        task: &str,
        work: &Work,
        ends_after: Option<Duration>,
    ) -> EngineResult<()> {
        self.change("start a task", |machine| {
            let script = Arc::clone(&machine.script);
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
            let script = Arc::clone(&machine.script);
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
}
