//! `containers`: looking at the trial's own containers. Nothing here changes anything but what `exec`'s program does.

use std::net::IpAddr;
use std::time::Duration;

use serde_json::json;

use super::bindings::duress::plugin::containers::{
    Address, Container, ContainerDetails, FileSystem, Host, LogLine, Output, Process,
};
use super::{Ctx, GuestError, LONGEST_OPERATION, interfaces};
use duress_engine::{LOG_LINES_LIMIT, LogsAsked, OUTPUT_LIMIT, Program};

type Answer<T> = wasmtime::Result<Result<T, GuestError>>;

impl Host for Ctx {
    async fn list(&mut self) -> Answer<Vec<Container>> {
        let operations = self.operations();
        self.audited("containers.list", json!({}), |scope| async move {
            let trial = scope.trial()?;
            let containers = match operations {
                Some(operations) => operations.book()?.containers().await?,
                None => trial.engine()?.containers(&trial.project).await?,
            };
            Ok(containers
                .into_iter()
                .map(|container| Container {
                    targetable: trial.is_targetable(&container.name),
                    name: container.name,
                    service: container.service,
                    state: container.state.into(),
                    health: container.health.into(),
                    addresses: container
                        .addresses
                        .into_iter()
                        .map(|(network, ip)| Address {
                            network,
                            ip: ip.to_string(),
                        })
                        .collect(),
                })
                .collect())
        })
        .await
    }

    async fn exec(
        &mut self,
        container: String,
        command: Vec<String>,
        timeout: u64,
    ) -> Answer<Output> {
        let arguments = json!({ "container": container, "command": command, "timeout": timeout });
        self.audited("containers.exec", arguments, |scope| async move {
            if command.is_empty() {
                return Err(GuestError::Invalid("`exec` needs a program".into()));
            }
            if command.iter().any(|argument| argument.contains('\0')) {
                return Err(GuestError::Invalid(
                    "`exec` has an argument with a NUL character".into(),
                ));
            }
            let trial = scope.trial()?;
            scope.refuse(scope.grants.missing_look(&command[0]))?;
            let target = trial.container(&container).await?;
            let timeout = Duration::from_millis(timeout).min(LONGEST_OPERATION);
            let program = Program { command, timeout };
            Ok(trial.engine()?.exec(&target.id, &program).await?.into())
        })
        .await
    }

    async fn endpoint(&mut self, container: String, port: u16) -> Answer<String> {
        let arguments = json!({ "container": container, "port": port });
        self.audited("containers.endpoint", arguments, |scope| async move {
            let trial = scope.trial()?;
            let target = trial.container(&container).await?;
            Ok(trial
                .engine()?
                .endpoint(&target.id, port)
                .await?
                .to_string())
        })
        .await
    }

    async fn stat_file_system(&mut self, container: String, path: String) -> Answer<FileSystem> {
        let arguments = json!({ "container": container, "path": path });
        self.audited(
            "containers.stat-file-system",
            arguments,
            |scope| async move {
                let trial = scope.trial()?;
                let target = trial.container(&container).await?;
                let stat = trial.engine()?.file_system(&target.id, &path).await?;
                Ok(FileSystem {
                    capacity: stat.capacity,
                    available: stat.available,
                    root: stat.root,
                })
            },
        )
        .await
    }

    async fn processes(&mut self, container: String) -> Answer<Vec<Process>> {
        self.audited(
            "containers.processes",
            json!({ "container": container }),
            |scope| async move {
                let trial = scope.trial()?;
                let target = trial.container(&container).await?;
                let processes = trial.engine()?.processes(&target.id).await?;
                Ok(processes.into_iter().map(Into::into).collect())
            },
        )
        .await
    }

    async fn memory_in_use(&mut self, container: String) -> Answer<u64> {
        self.audited(
            "containers.memory-in-use",
            json!({ "container": container }),
            |scope| async move {
                let trial = scope.trial()?;
                let target = trial.container(&container).await?;
                Ok(trial.engine()?.memory_in_use(&target.id).await?)
            },
        )
        .await
    }

    async fn details(&mut self, container: String) -> Answer<ContainerDetails> {
        self.audited(
            "containers.details",
            json!({ "container": container }),
            |scope| async move {
                let trial = scope.trial()?;
                let target = trial.container(&container).await?;
                Ok(trial.engine()?.details(&target.id).await?.into())
            },
        )
        .await
    }

    async fn logs(
        &mut self,
        container: String,
        since: Option<u64>,
        tail: u32,
        max_bytes: u32,
    ) -> Answer<Vec<LogLine>> {
        let arguments = json!({
            "container": container, "since": since, "tail": tail, "max_bytes": max_bytes,
        });
        self.audited("containers.logs", arguments, |scope| async move {
            let trial = scope.trial()?;
            scope.refuse(scope.grants.missing_logs())?;
            let target = trial.container(&container).await?;
            let asked = LogsAsked {
                since_ms: since,
                lines: tail.min(LOG_LINES_LIMIT),
                bytes: (max_bytes as usize).min(OUTPUT_LIMIT),
            };
            let lines = trial.engine()?.logs(&target.id, asked).await?;
            Ok(lines.into_iter().map(Into::into).collect())
        })
        .await
    }

    async fn interfaces(&mut self, container: String) -> Answer<Vec<String>> {
        self.audited(
            "containers.interfaces",
            json!({ "container": container }),
            |scope| async move {
                let trial = scope.trial()?;
                let target = trial.container(&container).await?;
                Ok(interfaces::all(trial.engine()?.as_ref(), &target).await?)
            },
        )
        .await
    }

    async fn interface_to(&mut self, container: String, address: String) -> Answer<String> {
        let arguments = json!({ "container": container, "address": address });
        self.audited("containers.interface-to", arguments, |scope| async move {
            let ip: IpAddr = address.parse().map_err(|_| {
                GuestError::Invalid(format!("`{}` is not an IP address", address.escape_debug()))
            })?;
            let trial = scope.trial()?;
            let target = trial.container(&container).await?;
            Ok(interfaces::to(trial.engine()?.as_ref(), &target, ip).await?)
        })
        .await
    }
}
