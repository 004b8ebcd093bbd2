//! A program of a plugin's own that goes on until it is ended.
//!
//! This process stays as its supervisor: it is what is found by the task's `--id`, and it ends with the program. Whatever the
//! program starts stays below it, and is ended with it.

use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result, bail};
use procfs::process::Process;
use rustix::process::{Pid, Signal};

use crate::ready;

/// How much of what the program writes to its standard error is kept, in bytes: the beginning says why it failed.
const COMPLAINT_LIMIT: u64 = 4 << 10;

/// Runs a program until it ends, as this user: as the container's image or compose file names it; empty: as this process.
pub(crate) fn run(words: &[String], user: &str) -> Result<()> {
    // What outlives its parent comes here, and so is found.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
        .context("become the parent of what loses its own")?;
    let (name, arguments) = words.split_first().context("no program was given")?;
    let mut command = Command::new(name);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if !user.is_empty() {
        let (user, group) = resolve(user)?;
        command.gid(group).uid(user);
    }
    let end_with_parent = || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        Ok(())
    };
    // SAFETY: between fork and exec the closure makes one system call, which allocates nothing and takes no lock.
    #[expect(unsafe_code, reason = "the program must not outlive this process")]
    unsafe {
        command.pre_exec(end_with_parent);
    }
    let mut child = command.spawn().with_context(|| format!("start `{name}`"))?;
    ready()?;
    let mut complaint = Vec::new();
    if let Some(stderr) = child.stderr.as_mut() {
        // Past the limit nobody reads; a program that writes on is its own affair.
        let _ = stderr.take(COMPLAINT_LIMIT).read_to_end(&mut complaint);
    }
    let status = child.wait().with_context(|| format!("wait for `{name}`"))?;
    end_descendants()?;
    report(name, status, &complaint)
}

fn report(name: &str, status: ExitStatus, complaint: &[u8]) -> Result<()> {
    if status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(complaint);
    bail!("`{name}` ended by itself ({status}): {}", complaint.trim())
}

/// Ends whatever the program has left.
pub(crate) fn end_descendants() -> Result<()> {
    let own = rustix::process::getpid().as_raw_nonzero().get();
    loop {
        let left = descendants(&[own])?;
        if left.is_empty() {
            return Ok(());
        }
        for pid in left.into_iter().filter_map(Pid::from_raw) {
            // One that has ended meanwhile is what is wanted.
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        // Those that ended are this process's to wait for.
        while rustix::process::wait(rustix::process::WaitOptions::NOHANG)
            .is_ok_and(|it| it.is_some())
        {}
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
}

/// Returns all that some processes have started, and all that these have; without those that have ended and wait to be seen.
pub(crate) fn descendants(ancestors: &[i32]) -> Result<Vec<i32>> {
    let all: Vec<(i32, i32)> = procfs::process::all_processes()
        .context("read /proc")?
        .flatten()
        .filter_map(|process: Process| process.stat().ok())
        .filter(|stat| stat.state != 'Z')
        .map(|stat| (stat.pid, stat.ppid))
        .collect();
    let mut found: Vec<i32> = Vec::new();
    loop {
        let is_new = |pid: &i32, parent: &i32| {
            (ancestors.contains(parent) || found.contains(parent)) && !found.contains(pid)
        };
        let more: Vec<i32> = all
            .iter()
            .filter(|(pid, parent)| is_new(pid, parent))
            .map(|(pid, _)| *pid)
            .collect();
        if more.is_empty() {
            return Ok(found);
        }
        found.extend(more);
    }
}

/// Returns the numbers of a user and a group: `NAME`, `UID`, each with `:GROUP` or `:GID` behind it (passwd(5), group(5)).
fn resolve(text: &str) -> Result<(u32, u32)> {
    let (user, group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let passwd = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let groups = std::fs::read_to_string("/etc/group").unwrap_or_default();
    numbers(user, group, &passwd, &groups)
        .with_context(|| format!("the container has no user `{text}`"))
}

fn numbers(user: &str, group: Option<&str>, passwd: &str, groups: &str) -> Option<(u32, u32)> {
    let field = |line: &str, index: usize| line.split(':').nth(index).map(str::to_owned);
    let line = passwd.lines().find(|line| {
        field(line, 0).as_deref() == Some(user) || field(line, 2).as_deref() == Some(user)
    });
    let number = |index| line.and_then(|line| field(line, index)?.parse().ok());
    let uid = user.parse().ok().or_else(|| number(2))?;
    let gid = match group {
        None => number(3).unwrap_or(0),
        Some(group) => group.parse().ok().or_else(|| {
            let line = groups
                .lines()
                .find(|line| field(line, 0).as_deref() == Some(group))?;
            field(line, 2)?.parse().ok()
        })?,
    };
    Some((uid, gid))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_names_and_numbers() {
        let passwd = "root:x:0:0::/root:/bin/sh\npostgres:x:101:105::/:/bin/sh\n";
        let groups = "root:x:0:\nssl:x:104:postgres\n";
        for (user, group, expected) in [
            ("postgres", None, Some((101, 105))),
            ("101", None, Some((101, 105))),
            ("postgres", Some("ssl"), Some((101, 104))),
            ("7", Some("8"), Some((7, 8))),
            ("7", None, Some((7, 0))),
            ("nobody", None, None),
            ("postgres", Some("none"), None),
        ] {
            assert_eq!(
                numbers(user, group, passwd, groups),
                expected,
                "{user} {group:?}"
            );
        }
    }

    #[test]
    fn what_a_process_started_is_found() {
        let mut child = Command::new("sh")
            .args(["-c", "sleep 60 & echo ready; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut said = [0; 6];
        child
            .stdout
            .as_mut()
            .expect("its output")
            .read_exact(&mut said)
            .expect("it says that it is ready");
        let pid = i32::try_from(child.id()).expect("a pid");
        let found = descendants(&[pid]).expect("processes");
        for pid in found.iter().filter_map(|pid| Pid::from_raw(*pid)) {
            rustix::process::kill_process(pid, Signal::KILL).expect("it runs");
        }
        child.kill().expect("it runs");
        child.wait().expect("it ends");
        assert_eq!(found.len(), 1);
    }
}
