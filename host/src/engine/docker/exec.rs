//! Programs in a container, by the engine's `exec`; and what is done with the container's own tools when its file system cannot be
//! reached otherwise.

use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures::{Stream, StreamExt as _};

use super::calls::{call, call_within};
use super::{Docker, short};
use crate::engine::{
    ContainerId, EngineError, EngineResult, FileSystem, OUTPUT_LIMIT, Output, Program,
};

/// For a tool that looks at or changes one file.
const TOOL: std::time::Duration = std::time::Duration::from_secs(30);

impl Docker {
    /// Run a program in the container. The engine offers no way to end one that takes too long: it is left running, and said so.
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

    /// What a program says until it ends, and how it ended.
    pub(super) async fn collect(
        &self,
        exec: &str,
        mut output: impl Stream<Item = Result<LogOutput, bollard::errors::Error>> + Unpin,
    ) -> Result<Output, bollard::errors::Error> {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(chunk) = output.next().await {
            match chunk? {
                LogOutput::StdErr { message } => keep(&mut stderr, &message),
                LogOutput::StdOut { message } | LogOutput::Console { message } => {
                    keep(&mut stdout, &message);
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

    /// Run a tool that must succeed; its standard output.
    async fn tool(&self, id: &ContainerId, command: &[&str]) -> EngineResult<String> {
        let command = command
            .iter()
            .map(|&argument| argument.to_owned())
            .collect::<Vec<_>>();
        let shown = command.join(" ");
        let output = self
            .run_inside(
                id,
                &Program {
                    command,
                    timeout: TOOL,
                },
            )
            .await?;
        if output.exit_code != 0 {
            let said = String::from_utf8_lossy(&output.stderr);
            return Err(EngineError::Failed(format!(
                "`{shown}` in container {}: {}",
                short(id),
                said.trim()
            )));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    pub(super) async fn file_system_inside(
        &self,
        id: &ContainerId,
        path: &str,
    ) -> EngineResult<FileSystem> {
        // stat(1): the block size, all blocks, those free for ordinary users; the number of the file system.
        let said = self
            .tool(id, &["stat", "-f", "-c", "%S %b %a %i", path])
            .await?;
        let root = self.tool(id, &["stat", "-f", "-c", "%i", "/"]).await?;
        let mut words = said.split_whitespace();
        let mut number = || words.next().and_then(|word| word.parse::<u64>().ok());
        let (Some(block), Some(all), Some(free)) = (number(), number(), number()) else {
            return Err(EngineError::Failed(format!(
                "`stat -f` of {path} said: {}",
                said.trim()
            )));
        };
        Ok(FileSystem {
            capacity: block.saturating_mul(all),
            available: block.saturating_mul(free),
            root: said.split_whitespace().next_back() == Some(root.trim()),
        })
    }

    pub(super) async fn fill_inside(
        &self,
        id: &ContainerId,
        path: &str,
        size: u64,
    ) -> EngineResult<()> {
        if self.size_inside(id, path).await?.is_some() {
            return Err(EngineError::Failed(format!("{path} is there already")));
        }
        let filled = self
            .tool(id, &["fallocate", "-l", &size.to_string(), path])
            .await;
        if filled.is_err() {
            self.remove_inside(id, path).await?;
        }
        filled.map(drop)
    }

    pub(super) async fn size_inside(
        &self,
        id: &ContainerId,
        path: &str,
    ) -> EngineResult<Option<u64>> {
        let command = ["stat", "-c", "%s", path].map(str::to_owned).to_vec();
        let output = self
            .run_inside(
                id,
                &Program {
                    command,
                    timeout: TOOL,
                },
            )
            .await?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok())
    }

    pub(super) async fn remove_inside(&self, id: &ContainerId, path: &str) -> EngineResult<()> {
        self.tool(id, &["rm", "-f", path]).await.map(drop)
    }
}

fn keep(kept: &mut Vec<u8>, more: &[u8]) {
    let room = OUTPUT_LIMIT.saturating_sub(kept.len());
    kept.extend_from_slice(&more[..more.len().min(room)]);
}
