//! Docker Engine, through its API ([Docker Engine API](https://docs.docker.com/reference/api/engine/)) and its compose tool.

mod accounts;
mod address;
mod arrange;
mod attached;
mod calls;
mod confined;
mod connect;
mod copy;
mod daemon;
mod endpoint;
mod exec;
mod files;
mod files_inside;
mod filesystem;
mod lend;
mod lifecycle;
mod limits;
mod listing;
mod logs;
mod namespace;
mod networking;
mod offline;
mod open;
mod processes;
mod programs;
mod removal;
mod replacing;
mod resources;
mod sharing;
mod stacks;
mod toolbox;
mod watch;

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::InspectContainerOptions;
use tokio::sync::{Mutex, OnceCell};

use self::calls::call;
use duress_engine::{ContainerId, EngineError, EngineInfo, EngineResult};

/// A connection to a Docker Engine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Docker {
    api: bollard::Docker,
    info: EngineInfo,
    /// Where published ports are reached when containers' own addresses are not.
    host: IpAddr,
    /// Where the engine keeps everything.
    data_root: PathBuf,
    /// The helper's file, once it was needed.
    helper: Arc<OnceCell<lend::Helper>>,
    /// Held while a toolbox is looked for and made, so that none is made twice.
    toolboxes: Arc<Mutex<()>>,
    /// The labels for what is made beside containers that duress did not make.
    adopted: Arc<std::sync::Mutex<attached::Adopted>>,
}

impl Docker {
    async fn inspect(&self, id: &ContainerId) -> EngineResult<ContainerInspectResponse> {
        let asked = self
            .api
            .inspect_container(&id.0, None::<InspectContainerOptions>);
        call(&format!("inspect container {}", short(id)), id, asked).await
    }

    /// Returns the container's first process as this machine's kernel knows it.
    async fn process(&self, id: &ContainerId) -> EngineResult<namespace::Process> {
        let found = self.inspect(id).await?;
        let pid = found
            .state
            .as_ref()
            .and_then(|state| state.pid)
            .filter(|pid| *pid > 0);
        match pid {
            Some(pid) => namespace::Process::new(pid, &id.0),
            None => Err(EngineError::NotRunning {
                container: listing::name_of(&found).unwrap_or_else(|| short(id).to_owned()),
                state: listing::state_of(&found),
            }),
        }
    }
}

/// As people know it from `docker ps`.
fn short(id: &ContainerId) -> &str {
    id.0.get(..12).unwrap_or(&id.0)
}
