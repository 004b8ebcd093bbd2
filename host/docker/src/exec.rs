//! Programs in a container, by the engine's `exec`.

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures::{Stream, StreamExt as _};

use super::calls::{call, call_within};
use super::{Docker, short};
use duress_engine::{ContainerId, EngineError, EngineResult, OUTPUT_LIMIT, Output, Program};

impl Docker {
    /// Runs a program in the container. The engine offers no way to end one that takes too long: it is left running, and said so.
    pub(super) async fn run_inside(
        &self,
        id: &ContainerId,
        program: &Program,
    ) -> EngineResult<Output> {
        let name = program.command.first().map_or("", String::as_str);
        let what = format!("run `{name}` in container {}", short(id));
        let options = CreateExecOptions {
            cmd: Some(program.command.clone()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..CreateExecOptions::default()
        };
        let made = call(&what, id, self.api.create_exec(&id.0, options)).await?;
        let running = async {
            match self.api.start_exec(&made.id, None).await? {
                StartExecResults::Attached { output, .. } => self.collect(&made.id, output).await,
                StartExecResults::Detached => {
                    self.collect(&made.id, futures::stream::empty()).await
                }
            }
        };
        let output = call_within(&what, id, program.timeout, running).await?;
        if matches!(output.exit_code, 126 | 127)
            && String::from_utf8_lossy(&output.stdout).contains("exec failed")
        {
            return Err(EngineError::Missing {
                message: format!("{what}: its image has no such program"),
                hint: "run duress as root beside the engine, so that this machine's own tools are used, or use an image that holds it"
                    .into(),
            });
        }
        Ok(output)
    }

    /// Returns what a program says until it ends, and how it ended.
    pub(super) async fn collect(
        &self,
        exec: &str,
        output: impl Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin,
    ) -> Result<Output, bollard::errors::Error> {
        self.collect_at_most(OUTPUT_LIMIT, exec, output).await
    }

    /// As [`Docker::collect`], with at most so many bytes of each output.
    pub(super) async fn collect_at_most(
        &self,
        limit: usize,
        exec: &str,
        mut output: impl Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin,
    ) -> Result<Output, bollard::errors::Error> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(chunk) = output.next().await {
            match chunk? {
                LogOutput::StdErr { message } => keep(limit, &mut stderr, &message),
                LogOutput::StdOut { message } | LogOutput::Console { message } => {
                    keep(limit, &mut stdout, &message);
                }
                LogOutput::StdIn { .. } => {}
            }
        }
        let ended = self.api.inspect_exec(exec).await?;
        let exit_code = ended.exit_code.and_then(|code| i32::try_from(code).ok());
        Ok(Output {
            exit_code: exit_code.unwrap_or(-1),
            stdout,
            stderr,
        })
    }
}

pub(super) fn keep(limit: usize, kept: &mut Vec<u8>, more: &[u8]) {
    let room = limit.saturating_sub(kept.len());
    kept.extend_from_slice(&more[..more.len().min(room)]);
}
