//! What metrics are looked at in.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use duress_engine::{Container, Engine, EngineResult, Project, State};
use duress_http::Anywhere;

use crate::clock::Clock;

/// A stack, and the ways to it.
#[derive(Debug, Clone)]
pub struct Context {
    /// The engine that runs the stack.
    pub engine: Arc<dyn Engine>,
    /// The stack.
    pub project: Project,
    /// For URLs of the stack and elsewhere.
    pub client: Anywhere,
    /// What dates the samples of one trial.
    pub clock: Clock,
    /// What only the trial knows.
    pub inside: Arc<dyn Inside>,
}

/// What only the trial knows: its subject's state, and what its clients saw.
#[async_trait]
pub trait Inside: Send + Sync + fmt::Debug {
    /// Returns the metrics of the subject's state: an object with a value by each name.
    ///
    /// # Errors
    /// The reason for none, in one line.
    async fn state(&self) -> Result<serde_json::Value, String>;

    /// Returns a measure of the workload, e.g. `p99`, over the last whole seconds.
    ///
    /// # Errors
    /// The reason for none, in one line.
    fn workload(&self, measure: &str, window: Duration) -> Result<f64, String>;
}

impl Context {
    /// Returns the containers of a service, or all of the stack.
    pub(crate) async fn containers(&self, service: Option<&str>) -> EngineResult<Vec<Container>> {
        let mut containers = self.engine.containers(&self.project).await?;
        containers.retain(|container| service.is_none_or(|service| container.service == service));
        Ok(containers)
    }
}

/// What a source says when none of the containers runs that it asks.
pub(crate) fn none_runs(service: Option<&str>, containers: &[Container]) -> String {
    let whose = match service {
        Some(service) => format!("service `{service}`"),
        None => "the stack".to_owned(),
    };
    match containers {
        [] => format!("{whose} has no container now"),
        [only] => format!("container `{}` is {}", only.name, in_words(only.state)),
        _ => format!("none of the containers of {whose} runs"),
    }
}

fn in_words(state: State) -> &'static str {
    match state {
        State::Created => "created and not started",
        State::Running => "running",
        State::Paused => "paused",
        State::Restarting => "restarting",
        State::Exited => "not running",
        State::Dead => "dead",
    }
}
