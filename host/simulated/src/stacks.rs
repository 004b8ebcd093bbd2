//! The stacks of the machine: made, listed and removed, a step for each container.

use std::time::Duration;

use async_trait::async_trait;
use duress_engine::{
    Container, ContainerId, EngineError, EngineResult, LABEL_DATABASE, LABEL_DATABASE_ID,
    LABEL_HOST, LABEL_TRIAL, Leftover, Network, Project, Snapshot, Stack, Stacks, State, compose,
};

use super::engine::SimulatedEngine;
use super::{container, world};

#[async_trait]
impl Stacks for SimulatedEngine {
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

    async fn remove_project(&self, project: &Project) -> EngineResult<()> {
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
}
