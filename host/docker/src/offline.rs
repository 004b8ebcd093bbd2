//! A program on the volumes of a container that is stopped, in a container of its own: of the same image, as the same user, with the
//! same mounts, rights and limits, and without a network.

use bollard::container::LogOutput;
use bollard::query_parameters::{LogsOptions, StartContainerOptions, WaitContainerOptions};
use futures::StreamExt as _;

use super::calls::{call, call_within};
use super::copy::Copied;
use super::exec::keep;
use super::{Docker, listing, short};
use duress_engine::{
    ContainerId, EngineError, EngineResult, LABEL_ARRANGEMENT, LABEL_OFFLINE, OUTPUT_LIMIT, Output,
    Program,
};

/// Labels that tell what a container belongs to. With one of these as its service, it would count as one of its stack.
const LEFT_OUT: [&str; 2] = [listing::COMPOSE_SERVICE, listing::COMPOSE_NUMBER];

impl Docker {
    /// See [`duress_engine::Programs::run_offline`].
    pub(super) async fn run_on_volumes(
        &self,
        id: &ContainerId,
        program: &Program,
    ) -> EngineResult<Output> {
        self.stop_gently(id).await?;
        // Of a run that was cut off.
        self.remove_offline(id).await?;
        let original = self.inspect(id).await?;
        let own = original.config.as_ref();
        let mut labels = own.and_then(|own| own.labels.clone()).unwrap_or_default();
        labels.retain(|name, _| !LEFT_OUT.contains(&name.as_str()) && name != LABEL_ARRANGEMENT);
        labels.insert(LABEL_OFFLINE.to_owned(), id.0.clone());
        let name = program.command.first().map_or("", String::as_str);
        let what = format!("run `{name}` on the volumes of container {}", short(id));
        let copied = Copied::for_program(&original, program.command.clone(), labels);
        let made = self.create(&what, id, None, copied).await?;
        let ended = self.run_to_end(&what, &made, program).await;
        self.remove_container(&made).await?;
        ended
    }

    /// Removes the containers of programs that were cut off.
    pub(super) async fn remove_offline(&self, id: &ContainerId) -> EngineResult<()> {
        let label = format!("{LABEL_OFFLINE}={}", id.0);
        for summary in self.summaries(&label).await? {
            if let Some(id) = summary.id {
                self.remove_container(&ContainerId(id)).await?;
            }
        }
        Ok(())
    }

    async fn run_to_end(
        &self,
        what: &str,
        id: &ContainerId,
        program: &Program,
    ) -> EngineResult<Output> {
        let started = self
            .api
            .start_container(&id.0, None::<StartContainerOptions>);
        call(what, id, started).await?;
        let ended = async {
            let mut wait = self.api.wait_container(&id.0, None::<WaitContainerOptions>);
            // An exit code other than 0 is an error here; what it is stands in the container's state.
            while let Some(Ok(_)) = wait.next().await {}
            Ok(())
        };
        call_within(what, id, program.timeout, ended).await?;
        let details = listing::details_of(self.inspect(id).await?);
        let Some(exit_code) = details.exit_code else {
            return Err(EngineError::Failed(format!("{what}: it has not ended")));
        };
        let options = LogsOptions {
            stdout: true,
            stderr: true,
            ..LogsOptions::default()
        };
        let mut log = self.api.logs(&id.0, Some(options));
        let read = async {
            let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
            while let Some(chunk) = log.next().await {
                match chunk? {
                    LogOutput::StdErr { message } => keep(OUTPUT_LIMIT, &mut stderr, &message),
                    LogOutput::StdOut { message } | LogOutput::Console { message } => {
                        keep(OUTPUT_LIMIT, &mut stdout, &message);
                    }
                    LogOutput::StdIn { .. } => {}
                }
            }
            Ok((stdout, stderr))
        };
        let (stdout, stderr) = call(what, id, read).await?;
        Ok(Output {
            exit_code,
            stdout,
            stderr,
        })
    }
}
