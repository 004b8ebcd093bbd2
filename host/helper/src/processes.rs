//! The processes of the container that this one runs in (proc(5)).

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use clap::Args;
use procfs::process::Process;
use rustix::process::{Pid, Signal, kill_process};
use serde::Serialize;

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

/// A process, and what is sent to it.
#[derive(Debug, Args)]
pub(crate) struct Meant {
    #[arg(long)]
    pid: i32,
    /// When it started, in clock ticks since the machine did
    #[arg(long)]
    started: u64,
    /// The signal's name, e.g. SIGKILL
    #[arg(long, value_parser = named)]
    signal: Signal,
}

/// The signals that can be asked for, by name (signal(7)).
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
        other => return Err(format!("`{other}` is no signal that can be sent")),
    })
}

/// Every process but this one, and but those that have ended and wait to be seen.
pub(crate) fn print() -> Result<()> {
    for process in others()? {
        // What ends while it is looked at is no process any more.
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

/// Send it, unless the process has ended; a pid that now belongs to another process is left alone.
pub(crate) fn signal(meant: &Meant) -> Result<()> {
    let process = Process::new(meant.pid).and_then(|process| process.stat());
    if process.is_ok_and(|stat| stat.starttime == meant.started) {
        let pid = Pid::from_raw(meant.pid).context("a pid is above 0")?;
        kill_process(pid, meant.signal)
            .with_context(|| format!("send a signal to {}", meant.pid))?;
    }
    Ok(())
}

/// The processes that work at a task.
pub(crate) fn of_task(id: &str) -> Result<Vec<i32>> {
    let mine = |process: &Process| {
        let Ok(command) = process.cmdline() else {
            return false;
        };
        // `stop --id X` and `runs --id X` name the task too.
        let works = !command
            .iter()
            .any(|word| matches!(word.as_str(), "stop" | "runs"));
        works && command.windows(2).any(|pair| pair == ["--id", id])
    };
    Ok(others()?
        .into_iter()
        .filter(mine)
        .map(|process| process.pid)
        .collect())
}

/// End a task, and see that it has ended.
pub(crate) fn stop(id: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let running = of_task(id)?;
        if running.is_empty() {
            return Ok(());
        }
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

fn others() -> Result<Vec<Process>> {
    let own = std::process::id();
    let all = procfs::process::all_processes().context("read /proc")?;
    Ok(all
        .flatten()
        .filter(|process| u32::try_from(process.pid) != Ok(own))
        .collect())
}
