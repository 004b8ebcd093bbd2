//! The container engine: used where it runs, started where it does not.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use xshell::cmd;

use crate::progress::say;
use crate::sh::{CmdExt as _, shell};
use crate::workspace;

/// How long the daemon may take to answer.
const START_TIMEOUT: Duration = Duration::from_secs(60);

/// Makes sure that an engine answers.
pub(crate) fn start() -> Result<()> {
    let sh = shell()?;
    let ask = || cmd!(sh, "docker info --format '{{.ServerVersion}}'");
    if ask().works() {
        return Ok(());
    }
    if !rustix::process::geteuid().is_root() {
        let said = ask().capture().err().map(|error| error.to_string());
        bail!(
            "no response from a Docker Engine, and starting one needs root: `sudo systemctl start docker`, or add yourself to the group `docker`\n{}",
            said.unwrap_or_default()
        );
    }
    if cmd!(sh, "systemctl start docker").works() && ask().works() {
        say("The Docker daemon was not running: systemctl has started it");
        return Ok(());
    }
    let log = workspace::scratch()?.join("dockerd.log");
    say(&format!(
        "The Docker daemon is not running: starting `dockerd`, its log in {}",
        log.display()
    ));
    let file = File::create(&log).with_context(|| format!("write {}", log.display()))?;
    let mut daemon = Command::from(cmd!(sh, "dockerd"))
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        // It outlives this program, and Ctrl+C here.
        .process_group(0)
        .spawn()
        .context("start dockerd")?;
    let deadline = Instant::now() + START_TIMEOUT;
    while !ask().works() {
        if let Some(status) = daemon.try_wait()? {
            bail!("dockerd ended ({status}); its log is {}", log.display());
        }
        if Instant::now() > deadline {
            bail!(
                "no response from dockerd within {} s; its log is {}",
                START_TIMEOUT.as_secs(),
                log.display()
            );
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}
