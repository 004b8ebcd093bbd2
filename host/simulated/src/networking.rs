//! Connections, answered by the script.

use std::net::SocketAddr;
use std::sync::Arc;

use async_trait::async_trait;
use duress_engine::{Connection, ContainerId, EngineError, EngineResult, Networking, State};

use super::conversation::Conversation;
use super::engine::{SimulatedEngine, running};

#[async_trait]
impl Networking for SimulatedEngine {
    /// Returns an address where nothing listens: requests are answered by the script ([`World::answer_request`]).
    async fn endpoint(&self, id: &ContainerId, port: u16) -> EngineResult<SocketAddr> {
        self.look("ask for an address", |machine| {
            let container = running(machine.container(&id.0)?)?;
            Ok((container.address, port).into())
        })
        .await
    }

    async fn connect(&self, id: &ContainerId, port: u16) -> EngineResult<Box<dyn Connection>> {
        let place = self
            .look("connect", |machine| {
                let script = Arc::clone(&machine.script);
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
}
