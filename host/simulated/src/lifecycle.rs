//! A container's life.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use duress_engine::{ContainerId, Details, EngineResult, Lifecycle, LogLine, LogsAsked, State};

use super::engine::{SimulatedEngine, running};

/// When every container was started, in milliseconds since the Unix epoch.
const STARTED: u64 = 1_767_225_600_000;

impl SimulatedEngine {
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

#[async_trait]
impl Lifecycle for SimulatedEngine {
    async fn state(&self, id: &ContainerId) -> EngineResult<State> {
        self.look("ask for a state", |machine| {
            Ok(machine.container(&id.0)?.state)
        })
        .await
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
            let script = Arc::clone(&machine.script);
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
}
