//! A file of duress's own in a container, where nothing in the container can change or replace it.
//!
//! It lies on a read-only file system that is mounted into the container's mount namespace. A process of the container could only
//! undo that with CAP_SYS_ADMIN, and with that it has the machine anyway. The mount is there for as long as the container runs; it
//! needs no space, and no file system of the container that can be written.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::mount::{
    MountFlags, MoveMountFlags, OpenTreeFlags, mount, mount_remount, move_mount, open_tree,
};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space};

use super::root::{SITE, make_private, unshare_thread};

/// Folders of every container that hold nothing of use, and that engines leave as they are: the file is shown in the first that is there.
const PLACES: [&str; 2] = ["/proc/tty", "/proc/driver"];
/// What the file is called there.
const NAME: &str = "duress-helper";

/// A file to be shown to containers.
#[derive(Debug)]
pub(crate) struct LentFile {
    /// A mount namespace with the file system at its [`SITE`].
    namespace: File,
    /// The file itself, by which it is known again.
    file: File,
}

impl LentFile {
    /// Makes one, with this content.
    pub(crate) fn new(content: &[u8]) -> io::Result<Self> {
        apart(|| {
            unshare_thread(UnshareFlags::FS | UnshareFlags::NEWNS)?;
            let namespace = File::open("/proc/thread-self/ns/mnt")?;
            make_private()?;
            let flags = MountFlags::NOSUID | MountFlags::NODEV;
            mount("duress", SITE, "tmpfs", flags, c"mode=0755")?;
            let path = Path::new(SITE).join(NAME);
            fs::write(&path, content)?;
            fs::set_permissions(&path, Permissions::from_mode(0o755))?;
            let file = File::open(&path)?;
            mount_remount(SITE, flags | MountFlags::RDONLY, c"")?;
            Ok(Self { namespace, file })
        })
    }

    /// Shows it in a container, given its root and its mount namespace; its path there.
    pub(crate) fn show(&self, root: &OwnedFd, mounts: &File) -> io::Result<String> {
        for place in PLACES {
            let path = format!("{place}/{NAME}");
            if self.is_at(root, &path)? {
                return Ok(path);
            }
        }
        apart(|| {
            // A thread enters a mount namespace only when it shares its working folder with no other.
            unshare_thread(UnshareFlags::FS)?;
            let mount_type = Some(LinkNameSpaceType::Mount);
            move_into_link_name_space(self.namespace.as_fd(), mount_type)?;
            let clone = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
            let tree = open_tree(CWD, SITE, clone)?;
            move_into_link_name_space(mounts.as_fd(), mount_type)?;
            let mut failure = io::Error::other("it has none of the folders that are used for it");
            for place in PLACES {
                let folder = openat2(
                    root,
                    place,
                    OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC,
                    Mode::empty(),
                    ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS,
                );
                let by_descriptors = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH
                    | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
                let moved =
                    folder.and_then(|folder| move_mount(&tree, "", folder, "", by_descriptors));
                match moved {
                    Ok(()) => return Ok(format!("{place}/{NAME}")),
                    Err(error) => failure = error.into(),
                }
            }
            Err(failure)
        })
    }

    /// Returns whether a path of a container is this very file.
    fn is_at(&self, root: &OwnedFd, path: &str) -> io::Result<bool> {
        let flags = OFlags::PATH | OFlags::CLOEXEC;
        let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
        let Ok(found) = openat2(root, path, flags, Mode::empty(), within) else {
            return Ok(false);
        };
        let (found, own) = (fstat(found)?, fstat(&self.file)?);
        Ok((found.st_dev, found.st_ino) == (own.st_dev, own.st_ino))
    }
}

/// Does something in a thread of its own, which may enter other namespaces.
fn apart<T: Send>(work: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    std::thread::scope(|scope| {
        let done = scope.spawn(work).join();
        done.unwrap_or_else(|_| Err(io::Error::other("its thread broke off")))
    })
}
