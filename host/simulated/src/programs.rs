//! Programs, answered by the script.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use duress_engine::{
    ContainerId, EngineError, EngineResult, Lifecycle as _, Output, Program, Programs, State,
    network_program,
};

use super::engine::{SimulatedEngine, running};
use super::network;
use super::network::output;
use super::world::Machine;

#[async_trait]
impl Programs for SimulatedEngine {
    async fn exec(&self, id: &ContainerId, program: &Program) -> EngineResult<Output> {
        self.change("run a program", |machine| {
            let script = Arc::clone(&machine.script);
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

    async fn run_offline(&self, id: &ContainerId, program: &Program) -> EngineResult<Output> {
        self.stop(id, Duration::ZERO).await?;
        self.change("run a program on volumes", |machine| {
            let script = Arc::clone(&machine.script);
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
}
