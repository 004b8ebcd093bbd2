//! A container engine in memory: every operation is a step of the world.

use duress_engine::{ContainerId, EngineError, EngineResult, State};

use super::container;
use super::world::{Machine, World};

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
    pub(super) async fn change_inside<T>(
        &self,
        what: &str,
        id: &ContainerId,
        change: impl FnOnce(&mut container::Container) -> EngineResult<T> + Send,
    ) -> EngineResult<T> {
        self.change(what, |machine| change(running(machine.touch(&id.0)?)?))
            .await
    }
}

pub(super) fn running(
    container: &mut container::Container,
) -> EngineResult<&mut container::Container> {
    match container.state {
        State::Running => Ok(container),
        state => Err(EngineError::NotRunning {
            container: container.service.clone(),
            state,
        }),
    }
}
