//! This machine's own programs in a container's network namespace (network_namespaces(7)): for images without tools, and in a few
//! milliseconds.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::process::Stdio;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::{EngineError, EngineResult, OUTPUT_LIMIT, Output, Program};

/// Where administrators' programs are, which a user's path may lack.
const PATHS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether this process may enter the namespaces of others.
pub(super) fn may_enter() -> bool {
    rustix::process::geteuid().is_root()
        && PATHS
            .split(':')
            .any(|folder| std::path::Path::new(folder).join("nsenter").is_file())
}

/// A container's first process.
#[derive(Debug)]
pub(super) struct Process {
    pid: i64,
    container: String,
}

impl Process {
    /// The process of that number, if it is the container's.
    pub(super) fn new(pid: i64, container: &str) -> EngineResult<Self> {
        let process = Self {
            pid,
            container: container.to_owned(),
        };
        process.check()?;
        Ok(process)
    }

    /// Open something of the process, and only then see that the process is still the container's: a number may be given again.
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

/// Run one of this machine's programs in the network of a container.
pub(super) async fn run_in_network(process: &Process, program: &Program) -> EngineResult<Output> {
    let namespace = process.open("ns/net", |path| File::open(path))?;
    let name = program.command.first().map_or("", String::as_str);
    let what = format!(
        "run `{name}` in the network of container {:.12}",
        process.container
    );
    let mut child = Command::new("nsenter")
        // By the file that was checked: this process keeps it open until the program has ended.
        .arg(format!(
            "--net=/proc/{}/fd/{}",
            std::process::id(),
            namespace.as_raw_fd()
        ))
        .arg("--")
        .args(&program.command)
        .env("PATH", PATHS)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl+C at the terminal is for duress alone.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| EngineError::Missing {
            message: format!("{what}: start nsenter: {error}"),
            hint: "on Debian and Ubuntu: apt-get install util-linux".into(),
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
    drop(namespace);
    let exit_code = exit_code(status);
    if exit_code == 127
        && String::from_utf8_lossy(&stderr).starts_with("nsenter: failed to execute")
    {
        return Err(EngineError::Missing {
            message: format!("{what}: this machine has no program `{name}`"),
            hint: "`duress doctor` says what is missing and how to get it".into(),
        });
    }
    Ok(Output {
        exit_code,
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

/// Read all of a stream, and keep the beginning.
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
