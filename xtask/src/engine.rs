//! The container engine: used where it runs, started where it does not.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use crate::packages::is_root;
use crate::sh::Sh;
use crate::workspace;

/// How long the daemon may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sees that an engine answers.
pub(crate) fn start() -> Result<()> {
    let asked = Sh::new("docker").args(["info", "--format", "{{.ServerVersion}}"]);
    if asked.works() {
        return Ok(());
    }
    if !is_root() {
        let said = asked
            .read()
            .err()
            .map(|error| error.to_string())
            .unwrap_or_default();
        bail!(
            "no Docker Engine answers, and starting one needs root: `sudo systemctl start docker`, or add yourself to the group `docker`\n{said}"
        );
    }
    if Sh::new("systemctl").args(["start", "docker"]).works() && asked.works() {
        println!("The Docker daemon did not run: systemctl has started it");
        return Ok(());
    }
    let log = workspace::scratch()?.join("dockerd.log");
    println!(
        "The Docker daemon does not run: starting `dockerd`, its log in {}",
        log.display()
    );
    let file = File::create(&log).with_context(|| format!("write {}", log.display()))?;
    let mut daemon = Sh::new("dockerd")
        .command()
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        // It outlives this program, and Ctrl+C here.
        .process_group(0)
        .spawn()
        .context("start dockerd")?;
    let deadline = Instant::now() + PATIENCE;
    while !asked.works() {
        if let Some(status) = daemon.try_wait()? {
            bail!("dockerd ended ({status}); its log is {}", log.display());
        }
        if Instant::now() > deadline {
            bail!(
                "dockerd does not answer after {} s; its log is {}",
                PATIENCE.as_secs(),
                log.display()
            );
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}
