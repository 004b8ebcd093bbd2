//! A container's life, by the engine's API.

use std::time::Duration;

use async_trait::async_trait;
use bollard::query_parameters::{
    KillContainerOptions, RestartContainerOptions, StartContainerOptions, StopContainerOptions,
};
use duress_engine::{
    ContainerId, Details, EngineError, EngineResult, Lifecycle, LogLine, LogsAsked, State,
};

use super::calls::{PATIENCE, call};
use super::{Docker, calls, listing, short};

#[async_trait]
impl Lifecycle for Docker {
    async fn state(&self, container: &ContainerId) -> EngineResult<State> {
        Ok(listing::state_of(&self.inspect(container).await?))
    }

    async fn details(&self, container: &ContainerId) -> EngineResult<Details> {
        Ok(listing::details_of(self.inspect(container).await?))
    }

    async fn logs(&self, container: &ContainerId, asked: LogsAsked) -> EngineResult<Vec<LogLine>> {
        self.read_logs(container, asked).await
    }

    async fn signal(&self, container: &ContainerId, signal: &str) -> EngineResult<()> {
        let options = KillContainerOptions {
            signal: signal.to_owned(),
        };
        let what = format!("send {signal} to container {}", short(container));
        let sent = call(
            &what,
            container,
            self.api.kill_container(&container.0, Some(options)),
        )
        .await;
        match sent {
            // What is ended already cannot be ended again, and need not be.
            Err(EngineError::NotRunning { .. }) => Ok(()),
            other => other,
        }
    }

    async fn pause(&self, container: &ContainerId) -> EngineResult<()> {
        if self.state(container).await? == State::Paused {
            return Ok(());
        }
        let what = format!("pause container {}", short(container));
        call(&what, container, self.api.pause_container(&container.0)).await
    }

    async fn unpause(&self, container: &ContainerId) -> EngineResult<()> {
        if self.state(container).await? != State::Paused {
            return Ok(());
        }
        let what = format!("unpause container {}", short(container));
        call(&what, container, self.api.unpause_container(&container.0)).await
    }

    async fn stop(&self, container: &ContainerId, grace: Duration) -> EngineResult<()> {
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let options = StopContainerOptions {
            t: Some(seconds),
            ..StopContainerOptions::default()
        };
        let what = format!("stop container {}", short(container));
        let stopped = self.api.stop_container(&container.0, Some(options));
        calls::call_within(&what, container, PATIENCE + grace, stopped).await
    }

    async fn start(&self, container: &ContainerId) -> EngineResult<()> {
        if matches!(self.state(container).await?, State::Running | State::Paused) {
            return Ok(());
        }
        let what = format!("start container {}", short(container));
        let started = self
            .api
            .start_container(&container.0, None::<StartContainerOptions>);
        call(&what, container, started).await
    }

    async fn restart(&self, container: &ContainerId, grace: Duration) -> EngineResult<()> {
        // The engine would wait the whole grace for a process that never hears of it.
        let grace = match self.heeds_stop(container).await {
            false => Duration::ZERO,
            true => grace,
        };
        let seconds = i32::try_from(grace.as_secs()).unwrap_or(i32::MAX);
        let options = RestartContainerOptions {
            t: Some(seconds),
            ..RestartContainerOptions::default()
        };
        let what = format!("restart container {}", short(container));
        let restarted = self.api.restart_container(&container.0, Some(options));
        calls::call_within(&what, container, PATIENCE + grace, restarted).await
    }
}
