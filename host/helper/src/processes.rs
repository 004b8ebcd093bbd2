//! The processes of a container, seen from within its pid namespace (proc(5)).
//!
//! A pid namespace may hold more than one container (`pid: host`, `pid: service:NAME`), and the
//! container that lends this program. What belongs to a container is told by its cgroup.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use procfs::process::Process;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

use crate::program;

/// How long a process that was killed may take to end.
const PATIENCE: Duration = Duration::from_secs(5);

/// Whose processes are meant: those of the container with this full ID of the engine's; without one, every process that can be
/// seen.
#[derive(Debug)]
pub(crate) struct Whose(pub(crate) Option<String>);

/// Returns the signals that can be asked for, by name (signal(7)).
fn named(name: &str) -> Result<Signal> {
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
        other => bail!("`{other}` is not a signal that can be sent"),
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
        let line = duress_tasks::Process {
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
pub(crate) fn signal(name: &str, meant: &[(i32, u64)], whose: &Whose) -> Result<()> {
    let signal = named(name)?;
    let mut failed = None;
    for (pid, started) in meant {
        let is_meant = Process::new(*pid).is_ok_and(|process| {
            process.stat().is_ok_and(|stat| stat.starttime == *started) && whose.owns(&process)
        });
        if is_meant {
            let sent = kill_process(Pid::from_raw(*pid).context("a pid is above 0")?, signal);
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

/// Returns whether a signal has any effect on the first process of a container. The kernel drops
/// what number 1 of a pid namespace neither handles nor blocks (pid_namespaces(7)).
pub(crate) fn heeds(signal: &str, whose: &Whose) -> Result<bool> {
    let signal = named(signal)?;
    let process = Process::new(1).context("look at process 1")?;
    // In a namespace of several containers the first process is an ordinary one.
    if !whose.owns(&process) {
        return Ok(true);
    }
    let status = process.status().context("look at process 1")?;
    let bit = 1_u64 << (signal.as_raw() - 1);
    // What is blocked may be waited for (sigwait(3), signalfd(2)).
    Ok((status.sigcgt | status.sigblk) & bit != 0)
}

/// Returns the processes that work at a task.
pub(crate) fn of_task(id: &str, whose: &Whose) -> Result<Vec<i32>> {
    let mine = |process: &Process| {
        process
            .cmdline()
            .is_ok_and(|command| works_at(&command, id))
    };
    Ok(others(whose)?
        .into_iter()
        .filter(mine)
        .map(|process| process.pid)
        .collect())
}

/// Returns whether this is the argument vector of a task, of this duress (`task --id X JSON`) or of an older one (`cpu --id X ...`).
fn works_at(command: &[String], id: &str) -> bool {
    // Of an older duress: behind `--` stands a program of a plugin's own, with whatever words.
    let command = command
        .split(|word| word == "--")
        .next()
        .unwrap_or_default();
    // Of an older duress: `stop --id X` and `runs --id X` name the task too.
    let works = !command
        .iter()
        .any(|word| matches!(word.as_str(), "stop" | "runs"));
    works && command.windows(2).any(|pair| pair == ["--id", id])
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
        let Some(id) = &self.0 else {
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
    fn tasks_of_this_and_of_an_older_duress_are_found() {
        let is_found = |line: &str| {
            let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
            works_at(&words, "own")
        };
        for task in [
            "/duress-helper task --id own {\"work\":{}}",
            "/duress-helper --vanish task --id own {}",
            "/duress-helper cpu --id own --percent=50 --workers=1",
            "/duress-helper program --id own -- sh stop",
        ] {
            assert!(is_found(task), "{task}");
        }
        for other in [
            "/duress-helper task --id other {}",
            "/duress-helper request {\"stop\":{\"id\":\"own\"}}",
            "/duress-helper stop --id own",
            "/duress-helper runs --id own --container c",
            "/duress-helper program --id other -- sh --id own",
        ] {
            assert!(!is_found(other), "{other}");
        }
    }

    #[test]
    fn a_process_of_another_cgroup_is_not_listed() {
        let nobodys = Whose(Some("no-such-container".into()));
        assert!(others(&nobodys).expect("processes").is_empty());
        let all = Whose(None);
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
