//! Programs of this machine, confined to a container's network namespace.
//!
//! A plugin chooses the arguments, so a program that runs here counts as hostile. It is an unprivileged user's process that can
//! neither gain privileges nor see the machine: it has the two capabilities of the network alone, a root file system that holds
//! nothing but the program and its libraries, and namespaces of its own.
//!
//! A thread of this process confines *itself* and then starts the program: namespaces, users and capabilities belong to a thread
//! on Linux, and a program inherits those of the thread that starts it. Nothing needs to run between fork and exec, so the standard
//! library starts the program by `posix_spawn`, which takes as long in a large process as in a small one. The thread ends at once.

#![expect(
    unsafe_code,
    reason = "a thread leaves what it shares with others; each use says why it is sound"
)]

mod lend;
mod root;
mod tool;

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::Stdio;
use std::sync::OnceLock;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
    RulesetCreatedAttr as _, Scope, path_beneath_rules,
};
use rustix::process::{Pid, Resource, Rlimit, prlimit};
use rustix::thread::{
    CapabilitySet, CapabilitySets, LinkNameSpaceType, UnshareFlags, move_into_link_name_space,
};
use tokio::process::{Child, Command};

pub(super) use self::lend::LentFile;
use self::root::{Root, TOOL, unshare_thread};

/// The user and group `nobody` of every distribution.
const NOBODY: u32 = 65_534;
/// What programs keep of root's capabilities: changing and reading the network that they are in.
const KEPT: CapabilitySet = CapabilitySet::NET_ADMIN.union(CapabilitySet::NET_RAW);
/// What confining a program needs; it is more than being root in a container gives.
const NEEDED: CapabilitySet = KEPT
    .union(CapabilitySet::SYS_ADMIN)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::SYS_PTRACE)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETPCAP);
/// The newest version of Landlock whose rights are asked for; a kernel that has fewer gives what it has.
const LANDLOCK: ABI = ABI::V6;
/// The most of each resource that a program may use. No program that may run here starts another or writes a file.
const LIMITS: [(Resource, u64); 6] = [
    (Resource::Nproc, 0),
    (Resource::Fsize, 0),
    (Resource::Core, 0),
    (Resource::Nofile, 64),
    // In seconds.
    (Resource::Cpu, 60),
    // In bytes.
    (Resource::As, 1 << 30),
];

/// Why a program was not started.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpawnError {
    /// This machine has no such program.
    #[error("this machine has no program `{0}`")]
    NoProgram(String),
    /// Something failed; the text says what.
    #[error("{what}: {error}")]
    Failed {
        /// What was tried.
        what: String,
        /// Why it failed.
        error: io::Error,
    },
}

/// Makes a [`SpawnError`] of an operating system's error.
fn failed<E: Into<io::Error>>(what: impl Into<String>) -> impl FnOnce(E) -> SpawnError {
    let what = what.into();
    move |error| SpawnError::Failed {
        what,
        error: error.into(),
    }
}

/// Returns whether this process has what confining a program needs.
pub(super) fn is_possible() -> bool {
    rustix::thread::capabilities(None).is_ok_and(|own| own.effective.contains(NEEDED))
}

/// Starts a program of this machine in a network namespace, confined, with nothing on its standard input.
pub(super) async fn spawn(network: &File, command: &[String]) -> Result<Child, SpawnError> {
    let network = network
        .try_clone()
        .map_err(failed("keep the network namespace open"))?;
    let command = command.to_vec();
    let runtime = tokio::runtime::Handle::current();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::Builder::new()
        .name("confined".into())
        .spawn(move || {
            // The caller may have given up; the program is then ended when its handle is dropped.
            let _ = sender.send(start(&runtime, network.into(), &command));
        })
        .map_err(failed("start a thread"))?;
    receiver
        .await
        .map_err(|_| io::Error::other("its thread ended early"))
        .map_err(failed("confine a program"))?
}

/// Confines the calling thread, which must end afterwards, and starts the program.
fn start(
    runtime: &tokio::runtime::Handle,
    network: OwnedFd,
    command: &[String],
) -> Result<Child, SpawnError> {
    let name = command.first().map_or("", String::as_str);
    let root = Root::of(name)?;
    close_inherited_on_exec().map_err(failed("keep open files from programs"))?;
    // The machine's, while it can be seen.
    let null = File::open("/dev/null").map_err(failed("open /dev/null"))?;

    unshare_thread(UnshareFlags::FS | UnshareFlags::NEWPID)
        .map_err(failed("make a process namespace"))?;
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network))
        .map_err(failed("enter the network namespace"))?;
    let network_files = root.network_files();
    root.enter().map_err(failed("enter its root"))?;
    if let Some(files) = network_files {
        files
            .show()
            .map_err(failed("show it its network's files"))?;
    }
    drop_privileges().map_err(failed("drop privileges"))?;
    restrict_by_landlock()?;

    let _in_runtime = runtime.enter();
    let mut program = Command::new(TOOL);
    program
        .arg0(OsStr::new(name))
        .args(command.get(1..).unwrap_or_default())
        .env_clear()
        .envs(root::ENVIRONMENT)
        .stdin(Stdio::from(null))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // Ctrl+C at the terminal is for duress alone.
        .process_group(0)
        .kill_on_drop(true);
    let child = program.spawn().map_err(failed(format!("start `{name}`")))?;
    limit(&child).map_err(failed(format!("limit `{name}`")))?;
    Ok(child)
}

/// Limits a program that was started: limits are a process', and the calling thread's own are those of all of duress. It is the
/// same user as the program, and so may do it.
fn limit(child: &Child) -> io::Result<()> {
    let pid = child
        .id()
        .and_then(|pid| Pid::from_raw(pid.cast_signed()))
        .ok_or_else(|| io::Error::other("it has ended"))?;
    for (resource, most) in LIMITS {
        let most = Rlimit {
            current: Some(most),
            maximum: Some(most),
        };
        prlimit(Some(pid), resource, most)?;
    }
    Ok(())
}

/// Becomes nobody, with [`KEPT`] alone, and no way to gain more.
fn drop_privileges() -> rustix::io::Result<()> {
    use rustix::process::{Gid, Uid};
    use rustix::thread;
    for bit in 0..u64::BITS {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if KEPT.contains(capability) {
            continue;
        }
        match thread::remove_capability_from_bounding_set(capability) {
            Ok(()) => {}
            // The first that this kernel does not know.
            Err(rustix::io::Errno::INVAL) => break,
            Err(error) => return Err(error),
        }
    }
    thread::set_thread_groups(&[])?;
    let group = Gid::from_raw(NOBODY);
    thread::set_thread_res_gid(group, group, group)?;
    // Changing the user keeps the permitted capabilities; `exec` ends this.
    thread::set_keep_capabilities(true)?;
    let user = Uid::from_raw(NOBODY);
    thread::set_thread_res_uid(user, user, user)?;
    let sets = CapabilitySets {
        effective: KEPT,
        permitted: KEPT,
        inheritable: KEPT,
    };
    thread::set_capabilities(None, sets)?;
    for capability in KEPT.iter() {
        thread::configure_capability_in_ambient_set(capability, true)?;
    }
    thread::set_no_new_privs(true)
}

/// On top, where the kernel has Landlock: nothing is written, no TCP connection made, no process outside signalled.
fn restrict_by_landlock() -> Result<(), SpawnError> {
    let restrict = || -> Result<(), landlock::RulesetError> {
        let read = AccessFs::from_read(LANDLOCK);
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(AccessFs::from_all(LANDLOCK))?
            .handle_access(AccessNet::from_all(LANDLOCK))?
            .scope(Scope::from_all(LANDLOCK))?
            .create()?
            .add_rules(path_beneath_rules(["/"], read))?
            .restrict_self()
            .map(drop)
    };
    restrict()
        .map_err(io::Error::other)
        .map_err(failed("restrict it by Landlock"))
}

/// This process opens everything so that no program inherits it; what it inherited itself may be open for programs. Done once.
fn close_inherited_on_exec() -> io::Result<()> {
    static DONE: OnceLock<()> = OnceLock::new();
    if DONE.get().is_some() {
        return Ok(());
    }
    for entry in std::fs::read_dir("/proc/self/fd")? {
        let number = entry?
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(number) = number.filter(|number: &i32| *number > 2) else {
            continue;
        };
        // SAFETY: the descriptor is used for this one call, which neither closes it nor minds whether it is open.
        let descriptor = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
        // One that was closed meanwhile needs nothing.
        let _ = rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC);
    }
    let _ = DONE.set(());
    Ok(())
}

#[cfg(test)]
mod tests;
