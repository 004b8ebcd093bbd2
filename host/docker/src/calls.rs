//! One call of the API: limited in time, its failure in words.

use std::time::Duration;

use bollard::errors::Error;

use duress_engine::{ContainerId, EngineError, EngineResult, State};

/// The longest that one call of the API may take: an engine under load takes seconds to remove a container.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for a call on a container, for at most [`PATIENCE`].
pub(super) async fn call<T>(
    what: &str,
    container: &ContainerId,
    asked: impl Future<Output = Result<T, Error>>,
) -> EngineResult<T> {
    call_within(what, container, PATIENCE, asked).await
}

/// Waits for a call on a container, for at most so long.
pub(super) async fn call_within<T>(
    what: &str,
    container: &ContainerId,
    limit: Duration,
    asked: impl Future<Output = Result<T, Error>>,
) -> EngineResult<T> {
    let answer = tokio::time::timeout(limit, asked)
        .await
        .map_err(|_| EngineError::Timeout {
            what: what.to_owned(),
            after: limit,
        })?;
    answer.map_err(|error| explain(what, container, &error))
}

fn explain(what: &str, container: &ContainerId, error: &Error) -> EngineError {
    let name = super::short(container).to_owned();
    match error {
        Error::DockerResponseServerError {
            status_code: 404,
            message,
        } if message.contains("No such container") => EngineError::Gone(name),
        Error::DockerResponseServerError {
            status_code: 409,
            message,
        } => match stopped_state(message) {
            Some(state) => EngineError::NotRunning {
                container: name,
                state,
            },
            None => EngineError::Failed(format!("{what}: {message}")),
        },
        other => EngineError::Failed(format!("{what}: {}", reason(other))),
    }
}

/// Returns what the engine says of a container that cannot be used because it does not run.
fn stopped_state(message: &str) -> Option<State> {
    if message.contains("is not running") {
        Some(State::Exited)
    } else if message.contains("is paused") {
        Some(State::Paused)
    } else if message.contains("is restarting") {
        Some(State::Restarting)
    } else {
        None
    }
}

/// Returns the engine's own words, or the innermost cause.
pub(super) fn reason(error: &Error) -> String {
    if let Error::DockerResponseServerError { message, .. } = error {
        return message.clone();
    }
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
