//! The processes of a container, seen from within its pid namespace (proc(5)).
//!
//! A pid namespace may hold more than one container (`pid: host`, `pid: service:NAME`), and the
//! container that lends this program. What belongs to a container is told by its cgroup.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use procfs::process::Process;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

use crate::program;

/// How long a process that was killed may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Serialize)]
struct Line {
    pid: i32,
    /// The program's name, at most 15 characters.
    name: String,
    command: Vec<String>,
    /// When it started, in clock ticks since the machine did: with the pid, it names a process for ever.
    started: u64,
    /// A signal has stopped it.
    stopped: bool,
}

/// Whose processes are meant.
#[derive(Debug, Args)]
pub(crate) struct Whose {
    /// The engine's full ID of the container; without it, every process that can be seen
    #[arg(long)]
    container: Option<String>,
}

/// Processes, and what is sent to them.
#[derive(Debug, Args)]
pub(crate) struct Meant {
    /// Once for each process
    #[arg(long, required = true)]
    pid: Vec<i32>,
    /// When each started, in clock ticks since the machine did, in the same order
    #[arg(long, required = true)]
    started: Vec<u64>,
    /// The signal's name, e.g. SIGKILL
    #[arg(long, value_parser = named)]
    signal: Signal,
    #[command(flatten)]
    whose: Whose,
}

/// Returns the signals that can be asked for, by name (signal(7)).
fn named(name: &str) -> Result<Signal, String> {
    Ok(match name {
        "SIGKILL" => Signal::KILL,
        "SIGTERM" => Signal::TERM,
        "SIGINT" => Signal::INT,
        "SIGQUIT" => Signal::QUIT,
        "SIGABRT" => Signal::ABORT,
        "SIGHUP" => Signal::HUP,
        "SIGSTOP" => Signal::STOP,
        "SIGCONT" => Signal::CONT,
        "SIGUSR1" => Signal::USR1,
        "SIGUSR2" => Signal::USR2,
        other => return Err(format!("`{other}` is not a signal that can be sent")),
    })
}

/// Every process but this one, and but those that have ended and wait to be seen.
pub(crate) fn print(whose: &Whose) -> Result<()> {
    for process in others(whose)? {
        // What ends while it is looked at is no longer a process.
        let (Ok(stat), Ok(command)) = (process.stat(), process.cmdline()) else {
            continue;
        };
        if stat.state == 'Z' {
            continue;
        }
        let line = Line {
            pid: process.pid,
            name: stat.comm,
            command,
            started: stat.starttime,
            stopped: stat.state == 'T',
        };
        println!("{}", serde_json::to_string(&line)?);
    }
    Ok(())
}

/// Sends the signal, unless a process has ended; a pid that now belongs to another process is left
/// alone. A failure with one does not keep it from the others.
pub(crate) fn signal(meant: &Meant) -> Result<()> {
    let mut failed = None;
    for (pid, started) in meant.pid.iter().zip(&meant.started) {
        let is_meant = Process::new(*pid).is_ok_and(|process| {
            process.stat().is_ok_and(|stat| stat.starttime == *started)
                && meant.whose.owns(&process)
        });
        if is_meant {
            let sent = kill_process(
                Pid::from_raw(*pid).context("a pid is above 0")?,
                meant.signal,
            );
            match sent {
                // It has ended just now.
                Ok(()) | Err(Errno::SRCH) => {}
                Err(error) => failed = Some((pid, error)),
            }
        }
    }
    match failed {
        None => Ok(()),
        Some((pid, error)) => Err(error).with_context(|| format!("send a signal to {pid}")),
    }
}

/// The first process of a container, and a signal that it may heed.
#[derive(Debug, Args)]
pub(crate) struct First {
    /// The signal's name, e.g. SIGTERM
    #[arg(long, value_parser = named)]
    signal: Signal,
    #[command(flatten)]
    whose: Whose,
}

/// Returns whether a signal has any effect on the first process of a container. The kernel drops
/// what number 1 of a pid namespace neither handles nor blocks (pid_namespaces(7)).
pub(crate) fn heeds(first: &First) -> Result<bool> {
    let process = Process::new(1).context("look at process 1")?;
    // In a namespace of several containers the first process is an ordinary one.
    if !first.whose.owns(&process) {
        return Ok(true);
    }
    let status = process.status().context("look at process 1")?;
    let bit = 1_u64 << (first.signal.as_raw() - 1);
    // What is blocked may be waited for (sigwait(3), signalfd(2)).
    Ok((status.sigcgt | status.sigblk) & bit != 0)
}

/// Returns the processes that work at a task.
pub(crate) fn of_task(id: &str, whose: &Whose) -> Result<Vec<i32>> {
    let mine = |process: &Process| {
        let Ok(command) = process.cmdline() else {
            return false;
        };
        // Behind `--` stands a program of a plugin's own, with whatever words.
        let command = command
            .split(|word| word == "--")
            .next()
            .unwrap_or_default();
        // `stop --id X` and `runs --id X` name the task too.
        let works = !command
            .iter()
            .any(|word| matches!(word.as_str(), "stop" | "runs"));
        works && command.windows(2).any(|pair| pair == ["--id", id])
    };
    Ok(others(whose)?
        .into_iter()
        .filter(mine)
        .map(|process| process.pid)
        .collect())
}

/// Ends a task, and sees that it has ended.
pub(crate) fn stop(id: &str, whose: &Whose) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let tasks = of_task(id, whose)?;
        if tasks.is_empty() {
            return Ok(());
        }
        // A program's own processes first: as long as its supervisor lives, whatever they start is found below it.
        let below = program::descendants(&tasks)?;
        let running = if below.is_empty() { tasks } else { below };
        if Instant::now() > deadline {
            bail!("the processes {running:?} do not end");
        }
        for pid in running.into_iter().filter_map(Pid::from_raw) {
            // One that has ended meanwhile is what is wanted.
            let _ = kill_process(pid, Signal::KILL);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn others(whose: &Whose) -> Result<Vec<Process>> {
    let own = std::process::id();
    let all = procfs::process::all_processes().context("read /proc")?;
    Ok(all
        .flatten()
        .filter(|process| u32::try_from(process.pid) != Ok(own))
        .filter(|process| whose.owns(process))
        .collect())
}

impl Whose {
    /// Returns whether a process is in the container's cgroup, or in one beneath it. The ID is part
    /// of the cgroup's path with every driver of the engine, in both versions of cgroups.
    fn owns(&self, process: &Process) -> bool {
        let Some(id) = &self.container else {
            return true;
        };
        process
            .cgroups()
            .is_ok_and(|groups| groups.0.iter().any(|group| holds(&group.pathname, id)))
    }
}

/// Returns whether a cgroup's path leads through the container: `/docker/ID`, `/../ID/own`, or
/// `/system.slice/docker-ID.scope`.
fn holds(path: &str, id: &str) -> bool {
    path.split('/').any(|part| {
        let name = part.strip_suffix(".scope").unwrap_or(part);
        name == id || name.rsplit('-').next() == Some(id)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cgroup_tells_whose_a_process_is() {
        let id = "0123456789abcdef";
        for path in [
            "/docker/0123456789abcdef",
            "/../0123456789abcdef/system.slice",
            "/system.slice/docker-0123456789abcdef.scope",
        ] {
            assert!(holds(path, id), "{path}");
        }
        for path in [
            "/",
            "/docker/0123456789abcdef0",
            "/docker",
            "/a0123456789abcdef",
        ] {
            assert!(!holds(path, id), "{path}");
        }
    }

    #[test]
    fn a_process_of_another_cgroup_is_not_listed() {
        let nobodys = Whose {
            container: Some("no-such-container".into()),
        };
        assert!(others(&nobodys).expect("processes").is_empty());
        let all = Whose { container: None };
        let mut child = std::process::Command::new("sleep")
            .arg("60")
            .spawn()
            .expect("a process");
        let seen = others(&all).expect("processes");
        let found = seen
            .iter()
            .any(|process| u32::try_from(process.pid) == Ok(child.id()));
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        assert!(found);
    }
}
