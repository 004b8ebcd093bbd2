//! The program as a whole: its memory, and how many trials it gets through.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::{Row, repository};

const TRIALS: u32 = 1_000;
/// In KiB.
const MEMORY: u64 = 60 << 10;

pub(crate) fn measure() -> Result<Vec<Row>> {
    Ok(vec![memory()?, throughput()?])
}

/// Returns the program with a database of its own.
pub(crate) fn duress(folder: &tempfile::TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(repository().join("target/release/duress"));
    command
        .args(arguments)
        .current_dir(repository())
        .env("DURESS_DB", folder.path().join("bench.db"))
        .env("DURESS_PATH", repository().join("tests/noop"))
        .env("DURESS_MACHINE_DIR", folder.path().join("machine"))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Returns the most memory that the program held while four trials ran.
fn memory() -> Result<Row> {
    let folder = tempfile::tempdir()?;
    let arguments = [
        "run",
        "--subject",
        "etcd",
        "--chaos",
        "network_partition",
        "--trials",
        "4",
        "--parallel",
        "4",
        "--duration",
        "5",
    ];
    let mut child = duress(&folder, &arguments)
        .spawn()
        .context("start duress")?;
    let mut most = 0;
    let status = loop {
        // proc_pid_status(5): the peak of the resident set.
        let status =
            std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|text| text.trim().trim_end_matches(" kB").parse().ok());
        most = most.max(peak.unwrap_or(0));
        if let Some(status) = child.try_wait()? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    if !status.success() {
        bail!("four trials on etcd did not pass: {status}");
    }
    Ok(Row {
        what: "the host's memory with four trials on etcd",
        measured: format!("{:.1} MB", most as f64 * 1024.0 / 1e6),
        promised: "< 60 MB",
        kept: most < MEMORY,
    })
}

fn throughput() -> Result<Row> {
    let folder = tempfile::tempdir()?;
    let trials = TRIALS.to_string();
    let arguments = [
        "run",
        "--subject",
        "noop",
        "--chaos",
        "nothing",
        "--trials",
        &trials,
        "--parallel",
        "8",
        "--duration",
        "0",
    ];
    let began = Instant::now();
    let status = duress(&folder, &arguments)
        .status()
        .context("start duress")?;
    let took = began.elapsed();
    if !status.success() {
        bail!("{TRIALS} trials that do nothing did not pass: {status}");
    }
    let rate = f64::from(TRIALS) / took.as_secs_f64();
    Ok(Row {
        what: "trials that do nothing, 1,000 of them, 8 at a time, each durable",
        measured: format!("{rate:.0} / s"),
        promised: "> 300 / s",
        kept: rate > 300.0,
    })
}
