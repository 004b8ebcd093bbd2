//! This machine's own programs in a container's network namespace (network_namespaces(7)): for images without tools, and in a few
//! milliseconds.

use std::fs::File;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::os::fd::AsFd as _;
use std::time::Duration;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::confined;
use super::confined::SpawnError;
use duress_engine::{EngineError, EngineResult, OUTPUT_LIMIT, Output, Program, Transport};

/// Returns whether this process may enter the namespaces of others, and confine what it runs there.
pub(super) fn may_enter() -> bool {
    rustix::process::geteuid().is_root() && confined::is_possible()
}

/// A container's first process.
#[derive(Debug)]
pub(super) struct Process {
    pid: i64,
    container: String,
}

impl Process {
    /// Returns the process of that number, if it is the container's.
    pub(super) fn new(pid: i64, container: &str) -> EngineResult<Self> {
        let process = Self {
            pid,
            container: container.to_owned(),
        };
        process.check()?;
        Ok(process)
    }

    /// Opens something of the process, and only then sees that the process is still the container's: a number may be given again.
    pub(super) fn open<T>(
        &self,
        what: &str,
        open: impl FnOnce(&str) -> std::io::Result<T>,
    ) -> EngineResult<T> {
        let path = format!("/proc/{}/{what}", self.pid);
        let opened =
            open(&path).map_err(|error| EngineError::Failed(format!("open {path}: {error}")))?;
        self.check()?;
        Ok(opened)
    }

    fn check(&self) -> EngineResult<()> {
        let path = format!("/proc/{}/cgroup", self.pid);
        let groups = std::fs::read_to_string(&path).unwrap_or_default();
        if groups.contains(&self.container) {
            return Ok(());
        }
        Err(EngineError::Failed(format!(
            "process {} is not one of container {:.12} on this machine",
            self.pid, self.container
        )))
    }
}

/// How long the first packet of a TCP connection may go unanswered: it is sent at once.
const NO_ANSWER: Duration = Duration::from_millis(20);

/// Sends a packet to each of some places from the network of a container.
pub(super) async fn send_packets(
    process: &Process,
    places: Vec<(SocketAddr, Transport)>,
) -> EngineResult<()> {
    let namespace = process.open("ns/net", |path| File::open(path))?;
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let send = move || -> std::io::Result<()> {
        // A network namespace belongs to a thread, and this one ends at once.
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
        for (place, transport) in places {
            // A refusal, an answer or none: all that counts is that a packet was sent.
            match transport {
                Transport::Tcp => drop(TcpStream::connect_timeout(&place, NO_ANSWER)),
                Transport::Udp => {
                    let any: IpAddr = match place {
                        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
                        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
                    };
                    drop(UdpSocket::bind((any, 0)).and_then(|from| from.send_to(&[], place)));
                }
            }
        }
        Ok(())
    };
    let failed = |error: std::io::Error| {
        EngineError::Failed(format!(
            "send packets from the network of container {:.12}: {error}",
            process.container
        ))
    };
    std::thread::Builder::new()
        .name("packets".into())
        .spawn(move || drop(sender.send(send())))
        .map_err(failed)?;
    receiver
        .await
        .unwrap_or_else(|_| Err(std::io::Error::other("its thread ended early")))
        .map_err(failed)
}

/// Runs one of this machine's programs in the network of a container, confined.
pub(super) async fn run_in_network(process: &Process, program: &Program) -> EngineResult<Output> {
    let namespace = process.open("ns/net", |path| File::open(path))?;
    let name = program.command.first().map_or("", String::as_str);
    let what = format!(
        "run `{name}` in the network of container {:.12}",
        process.container
    );
    let spawned = confined::spawn(&namespace, &program.command).await;
    let mut child = spawned.map_err(|error| {
        let message = format!("{what}: {error}");
        match error {
            SpawnError::NoProgram(_) => EngineError::Missing {
                message,
                hint: "`duress doctor` says what is missing and how to get it".into(),
            },
            SpawnError::Failed { .. } => EngineError::Failed(message),
        }
    })?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let ended = async {
        let (stdout, stderr, status) = tokio::join!(limited(stdout), limited(stderr), child.wait());
        status.map(|status| (stdout, stderr, status))
    };
    let (stdout, stderr, status) = tokio::time::timeout(program.timeout, ended)
        .await
        .map_err(|_| EngineError::Timeout {
            what: what.clone(),
            after: program.timeout,
        })?
        .map_err(|error| EngineError::Failed(format!("{what}: {error}")))?;
    Ok(Output {
        exit_code: exit_code(status),
        stdout,
        stderr,
    })
}

/// As a shell counts: 128 and the signal's number for a program that a signal ended.
fn exit_code(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt as _;
    status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// Reads all of a stream, and keeps the beginning.
async fn limited(stream: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut kept = Vec::new();
    if let Some(mut stream) = stream {
        // What cannot be read is missing from the output; the exit code says how the program did.
        let _ = (&mut stream)
            .take(OUTPUT_LIMIT as u64)
            .read_to_end(&mut kept)
            .await;
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    }
    kept
}
