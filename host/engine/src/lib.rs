//! Containers: what the host asks of the container engine, and nothing of what it is asked for.
//!
//! [`Engine`] is the seam: [`docker`] is the real one. Everything above this module speaks to the trait alone.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use strum::{Display, EnumString, VariantNames};

mod address_book;
mod arrangement;
pub mod compose;
mod contract;
mod limits;
mod near;
pub mod network_program;
mod requirement;
mod selection;
mod snapshot;

pub use address_book::{AddressBook, Place};
pub use arrangement::{
    Arranged, Arrangement, ContainerCopy, LABEL_ARRANGEMENT, LABEL_OFFLINE, Overrides,
};
pub use contract::{
    Accounts, Arrangements, Daemon, Engine, Files, Lifecycle, Networking, Programs, Resources,
    Stacks, Tasks,
};
pub use duress_tasks::{Beside, Distribution, DnsLie, PacketQueue, Process, Work};
pub use limits::{Limits, LimitsRecord, PERIOD};
pub use near::is_near;
pub use requirement::Requirement;
pub use requirement::which;
pub use selection::Selection;
pub use snapshot::{Attachment, Snapshot};

/// The label that names the compose project of everything that duress made.
pub const LABEL_PROJECT: &str = "io.duress.project";
/// The label that names the trial for which it was made.
pub const LABEL_TRIAL: &str = "io.duress.trial";
/// The label that names the database which holds that trial.
pub const LABEL_DATABASE: &str = "io.duress.database";
/// The label with the identity of that database, which stays when the file is moved: [`duress_store::Store::identity`].
pub const LABEL_DATABASE_ID: &str = "io.duress.database-id";
/// The label that names the process which runs that trial.
pub const LABEL_HOST: &str = "io.duress.host";
/// The label that names the machine of that process: only there it is known whether it lives.
pub const LABEL_MACHINE: &str = "io.duress.machine";

/// A compose project of duress's own, e.g. `duress-3f9a1c02`: one for each trial.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Project(pub String);

impl fmt::Display for Project {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The engine's own name for a container; it stays when the container is restarted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ContainerId(pub String);

/// See `containers.state` in `wit/plugin.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Made, and not started yet.
    Created,
    /// Its first process runs.
    Running,
    /// All of its processes are frozen.
    Paused,
    /// It ended, and the engine is starting it again.
    Restarting,
    /// Its first process has ended.
    Exited,
    /// The engine could not end or remove it.
    Dead,
}

/// What the container's own health check says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// It has no health check.
    None,
    /// Within its start period.
    Starting,
    /// The last check passed.
    Healthy,
    /// The last checks failed.
    Unhealthy,
}

/// A container of a stack, as it was when it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The engine's name for it.
    pub id: ContainerId,
    /// What plugins call it: the service, or `service-N` from the second container of a service on.
    pub name: String,
    /// Its service in the compose file.
    pub service: String,
    /// Whether it runs.
    pub state: State,
    /// Its own health check's word.
    pub health: Health,
    /// Network (its name in the compose file) and address, one pair for each address; none while it does not run.
    pub addresses: Vec<(String, std::net::IpAddr)>,
    /// Whose network it is in.
    pub network: Network,
}

/// Whose network a container is in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Network {
    /// Its own.
    Own,
    /// That of the machine that runs the engine, and with it the engine's own.
    Machine,
    /// Another container's.
    Of(ContainerId),
}

/// What carries a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

/// A program to run, as an argument vector: no shell reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The program and its arguments; at least one.
    pub command: Vec<String>,
    /// After this it is given up.
    pub timeout: Duration,
}

/// What a program left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// 128 and above for a signal.
    pub exit_code: i32,
    /// Cut at [`OUTPUT_LIMIT`].
    pub stdout: Vec<u8>,
    /// Cut at [`OUTPUT_LIMIT`].
    pub stderr: Vec<u8>,
}

/// How a container came to what it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Details {
    /// The image that it was made from.
    pub image: String,
    /// When it was started last, in milliseconds since the Unix epoch; `None`: never.
    pub started_ms: Option<u64>,
    /// When it ended last; `None`: never.
    pub finished_ms: Option<u64>,
    /// How its first process ended; `None` while it runs and before its first start.
    pub exit_code: Option<i32>,
    /// The kernel killed one of its processes for want of memory since it was started last.
    pub oom_killed: bool,
    /// How often the engine restarted it by its restart policy.
    pub restart_count: u32,
}

/// Which part of a container's log is wanted: the newest lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogsAsked {
    /// None that is older, in milliseconds since the Unix epoch.
    pub since_ms: Option<u64>,
    /// At most so many, and never more than [`LOG_LINES_LIMIT`].
    pub lines: u32,
    /// At most so much text.
    pub bytes: usize,
}

/// A line of a container's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When the engine received it, in milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// It was written to standard error.
    pub is_error: bool,
    /// Without its line break.
    pub text: String,
}

/// The most lines of a container's log that are read at once: the engine reads a log from its end, so that even a huge one is
/// read quickly.
pub const LOG_LINES_LIMIT: u32 = 10_000;

/// A connection to a TCP port of a container.
pub trait Connection: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin {}

impl<T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin> Connection for T {}

/// The most that is kept of each of a program's two outputs, in bytes: enough for any diagnosis, and no way to fill the host's memory.
pub const OUTPUT_LIMIT: usize = 1 << 20;

/// The file system that holds a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct FileSystem {
    /// All of it, in bytes.
    pub capacity: u64,
    /// What an ordinary user could still write, in bytes.
    pub available: u64,
    /// It is the container's root file system, or a disk of the engine's machine: filling it would harm more than the container.
    pub root: bool,
}

pub use duress_disk::{
    ENGINE_FILES, FILE_LIMIT, FileCopy, OwnedReplacement, Replacement, Standing,
};
/// A file that takes up space, as the journal keeps it.
pub use duress_disk::{Fill, LEAST as SMALLEST_FILL};

/// A container that can write to another's volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sharer {
    /// The engine's name for it.
    pub id: ContainerId,
    /// As people know it.
    pub name: String,
}

/// A stack to bring up.
#[derive(Debug, Clone)]
pub struct Stack {
    /// Whose it is: every container, network and volume belongs to it.
    pub project: Project,
    /// The compose file.
    pub compose_file: PathBuf,
    /// Put on every container, network and volume.
    pub labels: BTreeMap<String, String>,
}

/// Something that duress made and that is still there.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Leftover {
    /// `container`, `network` or `volume`.
    pub kind: &'static str,
    /// The engine's name for it.
    pub name: String,
    /// Its project.
    pub project: Project,
    /// The trial's name, from [`LABEL_TRIAL`].
    pub trial: String,
    /// The database, from [`LABEL_DATABASE`].
    pub database: String,
    /// Its identity, from [`LABEL_DATABASE_ID`]; empty on what an older duress made.
    pub database_id: String,
    /// The process, from [`LABEL_HOST`]; empty on what an older duress made.
    pub host: String,
    /// Its machine, from [`LABEL_MACHINE`].
    pub machine: String,
}

/// Where a program for `network-of-container` runs.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Display, EnumString, VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum NetDriver {
    /// The host's own tool, in the container's network namespace: needs root on the engine's machine.
    Namespace,
    /// The toolbox's tool, in a container that shares the container's network.
    Toolbox,
    /// The container's own tool, by `exec`.
    Container,
}

/// What the engine is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EngineInfo {
    /// e.g. `20.10.24`.
    pub version: String,
    /// Where it listens, e.g. `unix:///var/run/docker.sock`.
    pub address: String,
    /// 1 or 2.
    pub cgroup_version: u8,
    /// It runs on this machine and its processes are visible here.
    pub local: bool,
    /// Where programs for a container's network run.
    pub net_driver: NetDriver,
    /// It has the toolbox's image, and so duress's helper.
    pub toolbox: bool,
}

/// Why an engine's operation did not succeed. Messages are whole: what, on what, why.
#[derive(Debug, Clone, thiserror::Error)]
pub enum EngineError {
    /// The container was removed.
    #[error("container {0} is gone")]
    Gone(String),
    /// The container is there and does not run.
    #[error("container {container} does not run: it is {state:?}")]
    NotRunning {
        /// Its name.
        container: String,
        /// What it is instead.
        state: State,
    },
    /// It did not finish in time.
    #[error("{what} did not finish within {}", humantime_seconds(.after))]
    Timeout {
        /// What was tried.
        what: String,
        /// The limit.
        after: Duration,
    },
    /// The environment lacks something: the engine, the compose tool, a program.
    #[error("{message}")]
    Missing {
        /// What, for what.
        message: String,
        /// What to do.
        hint: String,
    },
    /// It ran, and failed.
    #[error("{0}")]
    Failed(String),
}

fn humantime_seconds(duration: &Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

impl From<EngineError> for duress_model::Error {
    fn from(error: EngineError) -> Self {
        let message = error.to_string();
        match error {
            EngineError::Missing { hint, .. } => Self::environment(message).hint(hint),
            _ => Self::failed(message),
        }
    }
}

/// Waits for an engine to answer, for at most so long. Its last word, where it does not.
///
/// # Errors
/// As for [`Daemon::ping`].
pub async fn await_answer(engine: &dyn Engine, limit: Duration) -> EngineResult<()> {
    let end = tokio::time::Instant::now() + limit;
    loop {
        match engine.ping().await {
            Err(_) if tokio::time::Instant::now() < end => {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            answer => return answer,
        }
    }
}

/// What an operation on the engine returns.
pub type EngineResult<T> = Result<T, EngineError>;
