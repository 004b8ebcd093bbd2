//! Containers of the simulated machine that are set aside or made from others, each step a step of the world.

use std::sync::Arc;

use async_trait::async_trait;
use duress_engine::{
    Arranged, Arrangement, Arrangements, EngineError, EngineResult, Project, State,
};

use super::engine::SimulatedEngine;
use super::world::Machine;

#[async_trait]
impl Arrangements for SimulatedEngine {
    async fn arrange(&self, project: &Project, arrangement: &Arrangement) -> EngineResult<()> {
        let token = &arrangement.token;
        for copy in &arrangement.copies {
            self.change("make a container", |machine| {
                machine.make_copy(project, token, copy)
            })
            .await?;
        }
        for id in &arrangement.aside {
            self.change("stop", |machine| {
                machine.touch(&id.0)?.end();
                Ok(())
            })
            .await?;
            self.change("rename", |machine| {
                machine.touch(&id.0)?.is_aside = true;
                Ok(())
            })
            .await?;
        }
        self.change("start what was made", |machine| {
            let script = Arc::clone(&machine.script);
            let stack = machine.stacks.get_mut(project);
            let all = stack.into_iter().flat_map(|stack| &mut stack.containers);
            for copy in all.filter(|one| one.is_copy(token)) {
                copy.is_aside = false;
                copy.start();
                script.mark_made(&copy.service, &copy.overrides, &mut copy.marks);
            }
            Ok(())
        })
        .await
    }

    async fn put_back(&self, project: &Project, arrangement: &Arrangement) -> EngineResult<()> {
        self.change("remove what was made", |machine| {
            if let Some(stack) = machine.stacks.get_mut(project) {
                let is_copy = |one: &super::Container| one.is_copy(&arrangement.token);
                stack.containers.retain(|one| !is_copy(one));
            }
            Ok(())
        })
        .await?;
        let mut gone = None;
        for id in &arrangement.aside {
            let renamed = self
                .change("rename", |machine| {
                    machine.touch(&id.0)?.is_aside = false;
                    Ok(())
                })
                .await;
            let started = match renamed {
                Ok(()) => {
                    self.change("start", |machine| {
                        machine.touch(&id.0)?.start();
                        Ok(())
                    })
                    .await
                }
                failed => failed,
            };
            match started {
                Err(error @ EngineError::Gone(_)) => gone = Some(error),
                other => other?,
            }
        }
        gone.map_or(Ok(()), Err)
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
}

impl Machine {
    /// Returns how much of an arrangement is there.
    pub(super) fn arranged(
        &mut self,
        project: &Project,
        arrangement: &Arrangement,
    ) -> EngineResult<Arranged> {
        let (mut done, mut undone) = (0, 0);
        for id in &arrangement.aside {
            let container = self.container(&id.0)?;
            let is_up = container.state != State::Exited;
            done += usize::from(container.is_aside && !is_up);
            undone += usize::from(!container.is_aside && is_up);
        }
        let stack = self.stacks.get(project);
        let all = stack.into_iter().flat_map(|stack| &stack.containers);
        let copies: Vec<_> = all.filter(|one| one.is_copy(&arrangement.token)).collect();
        for copy in &arrangement.copies {
            let found = copies.iter().find(|one| one.service == copy.name);
            let runs = found.is_some_and(|one| one.is_in_place() && one.state != State::Exited);
            done += usize::from(runs);
            undone += usize::from(found.is_none());
        }
        let parts = arrangement.aside.len() + arrangement.copies.len();
        Ok(match (done, undone) {
            (done, _) if done == parts => Arranged::Whole,
            (_, undone) if undone == parts => Arranged::Not,
            _ => Arranged::Partly,
        })
    }
}
