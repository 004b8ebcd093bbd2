//! A root file system that holds one program and what it loads, and nothing else; all of it read-only.
//!
//! It is a mount namespace that this process holds open by a descriptor: nothing of it is visible on the machine, and the kernel
//! frees it when the last who holds it ends, however that is.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use rustix::mount::{
    MountFlags, MountPropagationFlags, UnmountFlags, mount, mount_bind, mount_change,
    mount_remount, unmount,
};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use super::tool::{self, Tool};
use super::{SpawnError, failed};

/// Where the program is in its root.
pub(super) const TOOL: &str = "/bin/tool";
const LIBRARIES: &str = "/lib";
const MODULES: &str = "/lib/modules";
/// Taken by iptables' older variant, which is content with one that it cannot write.
const LOCK: &str = "/run/xtables.lock";
/// Where iptables' older variant reads which tables a network has.
const TABLES: [&str; 2] = ["ip_tables_names", "ip6_tables_names"];
const NETWORK: &str = "/proc/net";
/// The clock of the kernel's packet schedulers, which tc reads and no network namespace changes.
const CLOCK: &str = "/proc/net/psched";

/// All of a program's environment.
pub(super) const ENVIRONMENT: [(&str, &str); 6] = [
    ("PATH", "/bin"),
    ("LC_ALL", "C"),
    ("LD_LIBRARY_PATH", LIBRARIES),
    ("XTABLES_LIBDIR", MODULES),
    ("XTABLES_LOCKFILE", LOCK),
    ("TC_LIB_DIR", MODULES),
];

/// The folder of the machine over which a root is built, in a mount namespace of its own.
pub(super) const SITE: &str = "/proc";
const READ_ONLY: MountFlags = MountFlags::RDONLY
    .union(MountFlags::NOSUID)
    .union(MountFlags::NODEV);

/// Namespaces that hold a root; shared by all runs of a program, none of which can change them.
#[derive(Debug)]
pub(super) struct Root {
    mounts: File,
    ipc: File,
    host_name: File,
    /// The program is iptables' older variant, and reads in [`NETWORK`] which tables there are.
    reads_tables: bool,
}

/// What a program reads of the network that it runs in.
#[derive(Debug)]
pub(super) struct NetworkFiles(Vec<(&'static str, Vec<u8>)>);

impl NetworkFiles {
    /// Reads them, in the network of the calling thread.
    fn read() -> Self {
        let files = TABLES.into_iter().chain(["psched"]);
        let read = |name| {
            let content = fs::read(format!("/proc/thread-self/net/{name}")).ok()?;
            Some((name, content))
        };
        Self(files.filter_map(read).collect())
    }

    /// Shows them to the calling thread alone, which has entered a root.
    pub(super) fn show(&self) -> io::Result<()> {
        unshare_thread(UnshareFlags::NEWNS)?;
        let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        mount("duress", NETWORK, "tmpfs", flags, c"mode=0755,size=64k")?;
        for (name, content) in &self.0 {
            fs::write(Path::new(NETWORK).join(name), content)?;
        }
        Ok(mount_remount(NETWORK, flags | MountFlags::RDONLY, c"")?)
    }
}

impl Root {
    /// Returns the root for a program: made once for each file of the machine.
    pub(super) fn of(name: &str) -> Result<Arc<Self>, SpawnError> {
        static MADE: LazyLock<Mutex<HashMap<PathBuf, Arc<Root>>>> = LazyLock::new(Mutex::default);
        let file = tool::file_of(name)?;
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(root) = made.get(&file) {
            return Ok(Arc::clone(root));
        }
        let tool = Tool::load(file.clone())?;
        let what = format!("make a root for {}", file.display());
        // In a thread of its own: namespaces are a thread's.
        let built = std::thread::scope(|scope| {
            let builder = scope.spawn(|| build(&tool)).join();
            builder.unwrap_or_else(|_| Err(io::Error::other("it broke off")))
        });
        let root = Arc::new(built.map_err(failed(what))?);
        made.insert(file, Arc::clone(&root));
        Ok(root)
    }

    /// Returns what the program reads of the network of the calling thread, if anything.
    pub(super) fn network_files(&self) -> Option<NetworkFiles> {
        self.reads_tables.then(NetworkFiles::read)
    }

    /// Has the calling thread see this root alone. It shares no working folder with other threads.
    pub(super) fn enter(&self) -> rustix::io::Result<()> {
        for (file, kind) in [
            (&self.ipc, LinkNameSpaceType::InterProcessCommunication),
            (&self.host_name, LinkNameSpaceType::HostNameAndNISDomainName),
            (&self.mounts, LinkNameSpaceType::Mount),
        ] {
            move_into_link_name_space(file.as_fd(), Some(kind))?;
        }
        Ok(())
    }
}

/// Builds it, in the calling thread, which must end then.
fn build(tool: &Tool) -> io::Result<Root> {
    let clock = fs::read(CLOCK)?;
    let own = UnshareFlags::FS | UnshareFlags::NEWNS | UnshareFlags::NEWIPC | UnshareFlags::NEWUTS;
    unshare_thread(own)?;
    let namespace = |name: &str| File::open(format!("/proc/thread-self/ns/{name}"));
    let root = Root {
        mounts: namespace("mnt")?,
        ipc: namespace("ipc")?,
        host_name: namespace("uts")?,
        reads_tables: tool
            .libraries
            .keys()
            .any(|name| name.starts_with("libip4tc")),
    };
    rustix::system::sethostname(b"duress")?;
    make_private()?;
    let flags = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
    mount("duress", SITE, "tmpfs", flags, c"mode=0755,size=256k")?;

    show(&tool.file, TOOL)?;
    if let Some(loader) = &tool.loader {
        let inside = loader.display().to_string();
        show(&fs::canonicalize(loader)?, &inside)?;
    }
    for (name, library) in &tool.libraries {
        show(library, &format!("{LIBRARIES}/{name}"))?;
    }
    if let Some(modules) = &tool.modules {
        fs::create_dir_all(site(MODULES))?;
        bind(modules, &site(MODULES))?;
    }
    for (path, content) in [(LOCK, &[][..]), (CLOCK, &clock)] {
        put(path)?;
        fs::write(site(path), content)?;
    }
    mount_remount(SITE, flags | MountFlags::RDONLY, c"")?;

    // pivot_root(2) tells why this is right: the old root lies over the new one, and is then taken away.
    rustix::process::chdir(SITE)?;
    rustix::process::pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    Ok(root)
}

/// Gives the calling thread namespaces, or a working folder, of its own.
pub(super) fn unshare_thread(flags: UnshareFlags) -> rustix::io::Result<()> {
    debug_assert!(!flags.contains(UnshareFlags::FILES));
    // SAFETY: the table of file descriptors stays shared; to part with it is what `unshare_unsafe` is unsafe for.
    unsafe { unshare_unsafe(flags) }
}

/// Keeps what is mounted in this mount namespace from showing on the machine.
pub(super) fn make_private() -> rustix::io::Result<()> {
    let all = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
    mount_change("/", all)
}

fn site(inside: &str) -> PathBuf {
    Path::new(SITE).join(inside.trim_start_matches('/'))
}

/// An empty file, and the folders above it.
fn put(inside: &str) -> io::Result<()> {
    let path = site(inside);
    fs::create_dir_all(path.parent().unwrap_or(Path::new(SITE)))?;
    File::create(path).map(drop)
}

/// Shows a file of the machine. Of two with one name the first stays: a loader can be a library too.
fn show(file: &Path, inside: &str) -> io::Result<()> {
    if site(inside).exists() {
        return Ok(());
    }
    put(inside)?;
    bind(file, &site(inside))
}

fn bind(source: &Path, target: &Path) -> io::Result<()> {
    mount_bind(source, target)?;
    mount_remount(target, READ_ONLY | MountFlags::BIND, c"")?;
    Ok(())
}
