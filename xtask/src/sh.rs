//! Running programs, in the workspace's folder.

use std::process::Command;

use anyhow::{Context as _, Result, bail};
use xshell::{Cmd, Shell};

use crate::workspace;

/// How many lines of a failed program's messages an error shows.
const SHOWN_LINES: usize = 12;

/// Opens a shell in the workspace's folder. Each thread needs its own.
pub(crate) fn shell() -> Result<Shell> {
    let sh = Shell::new().context("find the current folder")?;
    sh.change_dir(workspace::root());
    Ok(sh)
}

/// Ways to run a command that `xshell` lacks.
pub(crate) trait CmdExt {
    /// Runs it with its output on this terminal. Fails when the program fails.
    fn show(self) -> Result<()>;
    /// Runs it with its output on this terminal. Returns whether it succeeded.
    fn succeeds(self) -> Result<bool>;
    /// Runs it silently and returns its standard output. An error shows the end of its messages.
    fn capture(self) -> Result<String>;
    /// Runs it silently. Returns whether it exists and succeeded.
    fn works(self) -> bool;
}

impl CmdExt for Cmd<'_> {
    fn show(self) -> Result<()> {
        let text = self.to_string();
        if !self.succeeds()? {
            bail!("`{text}` failed");
        }
        Ok(())
    }

    fn succeeds(self) -> Result<bool> {
        let text = self.to_string();
        let status = Command::from(self)
            .status()
            .with_context(|| format!("start `{text}`"))?;
        Ok(status.success())
    }

    fn capture(self) -> Result<String> {
        let text = self.to_string();
        let output = self.quiet().ignore_status().output()?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            let lines: Vec<_> = said.lines().collect();
            let end = lines[lines.len().saturating_sub(SHOWN_LINES)..].join("\n");
            bail!("`{text}` failed ({}):\n{end}", output.status);
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    fn works(self) -> bool {
        let output = self.quiet().ignore_status().output();
        output.is_ok_and(|output| output.status.success())
    }
}
