//! Values that a program in a container prints, or ends with.

use std::time::Duration;

use async_trait::async_trait;
use duress_engine::{EngineResult, Output, Program, State};
use duress_experiment::Parse;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::context::{Context, none_runs};
use crate::look::{Found, Look, Nothing};
use crate::number;
use crate::words::quoted;

/// How long a program is waited for beside later looks. The engine cannot end it: after this time it is started again beside itself.
const GIVEN_UP: Duration = Duration::from_secs(300);

pub(crate) struct Command {
    command: Vec<String>,
    service: String,
    parse: Parse,
    context: Context,
    /// The program that did not end within its look, and when it was started.
    late: Option<(JoinHandle<EngineResult<Output>>, Instant)>,
}

impl Drop for Command {
    fn drop(&mut self) {
        if let Some((late, _)) = self.late.take() {
            late.abort();
        }
    }
}

impl Command {
    pub(crate) fn new(command: &[String], service: &str, parse: Parse, context: Context) -> Self {
        Self {
            command: command.to_vec(),
            service: service.to_owned(),
            parse,
            context,
            late: None,
        }
    }

    pub(crate) fn resolved(&self) -> String {
        format!("{} in {}", quoted(&self.command.join(" ")), self.service)
    }

    fn name(&self) -> &str {
        self.command.first().map_or("", String::as_str)
    }

    fn value(&self, output: &Output) -> Result<f64, String> {
        if self.parse == Parse::ExitCode {
            return Ok(f64::from(output.exit_code));
        }
        let name = self.name();
        if output.exit_code != 0 {
            let said = [&output.stderr, &output.stdout]
                .map(|text| quoted(&String::from_utf8_lossy(text)))
                .into_iter()
                .find(|text| !text.is_empty());
            return Err(match said {
                Some(said) => format!("`{name}` ended with exit code {}: {said}", output.exit_code),
                None => format!("`{name}` ended with exit code {}", output.exit_code),
            });
        }
        let printed = String::from_utf8_lossy(&output.stdout);
        number::of_text(&printed).ok_or_else(|| match quoted(&printed) {
            nothing if nothing.is_empty() => format!("`{name}` printed nothing"),
            text => format!("`{name}` printed `{text}`, which is not a number"),
        })
    }
}

#[async_trait]
impl Look for Command {
    async fn look(&mut self, limit: Duration) -> Result<Found, Nothing> {
        let end = Instant::now() + limit;
        if let Some((late, since)) = &self.late {
            if !late.is_finished() {
                return Err(format!(
                    "`{}` of {:.1} s ago has not ended: it is not started again meanwhile",
                    self.name(),
                    since.elapsed().as_secs_f64()
                )
                .into());
            }
            self.late = None;
        }
        let service = Some(self.service.as_str());
        let containers = self.context.containers(service).await;
        let containers = containers.map_err(|error| quoted(&error.to_string()))?;
        let Some(container) = containers
            .iter()
            .find(|container| container.state == State::Running)
        else {
            return Err(none_runs(service, &containers).into());
        };
        let program = Program {
            command: self.command.clone(),
            timeout: GIVEN_UP,
        };
        let (engine, id) = (self.context.engine.clone(), container.id.clone());
        let started = Instant::now();
        // In a task of its own: a program cannot be ended, so none is started beside one that goes on.
        let running = tokio::spawn(async move { engine.exec(&id, &program).await });
        let (running, _) = self.late.insert((running, started));
        let Ok(ended) = tokio::time::timeout_at(end, running).await else {
            return Err(format!(
                "`{}` did not end within {} ms",
                self.name(),
                limit.as_millis()
            )
            .into());
        };
        self.late = None;
        let output = ended
            .map_err(|error| error.to_string())
            .and_then(|output| output.map_err(|error| error.to_string()))
            .map_err(|why| quoted(&why))?;
        Ok(Found::now(self.value(&output)?))
    }
}
