//! The engine itself.

use std::time::Duration;

use async_trait::async_trait;
use duress_engine::{Daemon, EngineError, EngineInfo, EngineResult};

use super::{Docker, calls};

/// Time limit for the engine's answer to a ping.
const PING_PATIENCE: Duration = Duration::from_secs(10);

#[async_trait]
impl Daemon for Docker {
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

    async fn until_it_ends(&self) {
        self.until_end().await;
    }
}
