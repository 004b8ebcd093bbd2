//! What an opened folder lies on: a file system of the container's own with a bounded size, or something that others use too.
//!
//! The decision is made from the descriptor that the file is then created in, never from a path: a path can lead elsewhere a moment
//! later. What is not known to be bounded is not.

use std::collections::HashMap;
use std::os::fd::{AsFd, AsRawFd as _};
use std::path::{Path, PathBuf};

use procfs::FromBufRead as _;
use procfs::process::{MountInfo, MountInfos};
use rustix::fs::{fstat, fstatfs};

use crate::{Failure, Result};

/// `f_type` of file systems that keep files on a disk, and of tmpfs (statfs(2)). Pseudo file systems, overlays and network file systems
/// are not among them: they hold no space of their own, or others use it too.
const KEEPS_FILES: [u64; 9] = [
    0xef53,      // ext2, ext3, ext4
    0x5846_5342, // xfs
    0x9123_683e, // btrfs
    0xf2f5_2010, // f2fs
    0x2fc1_2fc1, // zfs
    0xca45_1a4e, // bcachefs
    0x3153_464a, // jfs
    0x3434,      // nilfs2
    TMPFS,
];
const TMPFS: u64 = 0x0102_1994;
/// `f_type` of file systems that hold a container's root, on which files have another device than it.
const ROOTS: [u64; 2] = [
    0x794c_7630, // overlayfs
    0x6175_6673, // aufs
];
/// Where the kernel keeps itself, whatever is mounted there.
const KERNEL: [&str; 2] = ["/sys", "/proc"];

/// The mounts that decide what a folder lies on.
#[derive(Debug, Default)]
pub struct Mounts {
    /// Those of the mount namespace that the folder is seen in, by their id.
    own: HashMap<i32, MountInfo>,
    /// The devices of the machine's own file systems, where they are known.
    machine: Vec<String>,
}

impl Mounts {
    /// From `mountinfo` (proc_pid_mountinfo(5)) of a process in whose mount namespace folders are opened.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn parse(own: &str) -> Result<Self> {
        Ok(Self {
            own: parse(own)?
                .into_iter()
                .map(|mount| (mount.mnt_id, mount))
                .collect(),
            machine: Vec::new(),
        })
    }

    /// Adds the machine's own mounts. All that is mounted outside the engine's folder is the machine's.
    ///
    /// # Errors
    /// When `mountinfo` cannot be read.
    pub fn with_machine(mut self, mountinfo: &str, engine: &Path) -> Result<Self> {
        self.machine = parse(mountinfo)?
            .into_iter()
            .filter(|mount| {
                let inside = mount.mount_point.starts_with(engine) && mount.mount_point != engine;
                !inside
            })
            .map(|mount| mount.majmin)
            .collect();
        Ok(self)
    }

    /// Returns whether an opened folder lies on a file system that is a container's alone and has a bounded size.
    ///
    /// # Errors
    /// When the kernel gives no response about it.
    pub fn is_bounded(&self, folder: impl AsFd) -> Result<bool> {
        let folder = folder.as_fd();
        let stat = fstatfs(folder).map_err(|errno| Failure::new("look at a file system", errno))?;
        let kind = stat.f_type as u64;
        if !KEEPS_FILES.contains(&kind) {
            return Ok(false);
        }
        let path = format!("/proc/self/fdinfo/{}", folder.as_raw_fd());
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Failure::Other(format!("read {path}: {error}")))?;
        let id = text
            .lines()
            .find_map(|line| line.strip_prefix("mnt_id:")?.trim().parse::<i32>().ok());
        let mount = id.and_then(|id| self.own.get(&id));
        Ok(mount.is_some_and(|mount| self.is_of_one_container(mount, kind)))
    }

    fn is_of_one_container(&self, mount: &MountInfo, kind: u64) -> bool {
        let at = &mount.mount_point;
        // Without a size of its own, a tmpfs takes the machine's memory.
        let sized = kind != TMPFS || mount.super_options.contains_key("size");
        let same = |other: &&MountInfo| other.majmin == mount.majmin;
        sized
            && !KERNEL.iter().any(|folder| at.starts_with(folder))
            && !self.machine.contains(&mount.majmin)
            // A part of a larger file system, or the root's: the rest of it fills up too.
            && self
                .own
                .values()
                .filter(same)
                .all(|other| other.root == "/" && other.mount_point != Path::new("/"))
    }
}

/// Whether an opened file or folder is on a file system that keeps a container's files: its root's, or one that keeps files on a disk or
/// in memory. Those of the kernel change the machine.
pub(crate) fn may_hold_files(opened: impl AsFd, root_device: u64) -> Result<bool> {
    let failed = |errno| Failure::new("look at a file system", errno);
    if fstat(opened.as_fd()).map_err(failed)?.st_dev == root_device {
        return Ok(true);
    }
    let kind = fstatfs(opened.as_fd()).map_err(failed)?.f_type as u64;
    Ok(KEEPS_FILES.contains(&kind) || ROOTS.contains(&kind))
}

fn parse(text: &str) -> Result<Vec<MountInfo>> {
    let mounts = MountInfos::from_buf_read(text.as_bytes())
        .map_err(|error| Failure::Other(format!("read mountinfo: {error}")))?;
    let plain = |mut mount: MountInfo| {
        mount.mount_point = PathBuf::from(unescape(&mount.mount_point.to_string_lossy()));
        mount
    };
    Ok(mounts.0.into_iter().map(plain).collect())
}

/// As the kernel writes spaces, tabs, line feeds and backslashes there.
fn unescape(text: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(text.to_owned(), |text, (code, plain)| {
        text.replace(code, plain)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As in a container: overlay root, the engine's files from the machine's disk, a tmpfs volume, a plain volume, and the kernel's.
    const CONTAINER: &str = "\
100 90 0:50 / / rw - overlay overlay rw,lowerdir=/a
101 100 0:51 / /proc rw - proc proc rw
102 100 0:52 / /sys ro - sysfs sysfs ro
103 102 0:53 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
104 100 0:60 / /data rw - tmpfs tmpfs rw,size=65536k
105 100 254:0 /var/lib/docker/volumes/v/_data /plain rw - ext4 /dev/vda rw
106 100 254:0 /var/lib/docker/containers/c/hosts /etc/hosts rw - ext4 /dev/vda rw
107 100 0:61 / /scratch rw - tmpfs tmpfs rw
108 100 7:1 / /loop rw - ext4 /dev/loop1 rw
109 100 254:0 / /host rw - ext4 /dev/vda rw
110 100 8:1 / /homes rw - ext4 /dev/sda1 rw
";
    const MACHINE: &str = "\
20 1 254:0 / / rw - ext4 /dev/vda rw
21 20 8:1 / /home rw - ext4 /dev/sda1 rw
22 20 0:60 / /var/lib/docker/volumes/t/_data rw - tmpfs tmpfs rw,size=65536k
23 20 7:1 / /var/lib/docker/volumes/l/_data rw - ext4 /dev/loop1 rw
";

    fn bounded(mounts: &Mounts, at: &str) -> bool {
        let mount = mounts
            .own
            .values()
            .find(|mount| mount.mount_point == Path::new(at))
            .expect("a mount");
        let kind = if mount.fs_type == "tmpfs" {
            TMPFS
        } else {
            0xef53
        };
        mounts.is_of_one_container(mount, kind)
    }

    #[test]
    fn only_a_sized_file_system_of_its_own_is_bounded() {
        let inside = Mounts::parse(CONTAINER).expect("mounts");
        for at in ["/data", "/loop"] {
            assert!(bounded(&inside, at), "{at}");
        }
        for at in ["/", "/sys/fs/cgroup", "/plain", "/scratch", "/host"] {
            assert!(!bounded(&inside, at), "{at}");
        }
    }

    #[test]
    fn what_the_machine_mounts_elsewhere_is_its_own() {
        let beside = Mounts::parse(CONTAINER)
            .and_then(|mounts| mounts.with_machine(MACHINE, Path::new("/var/lib/docker")))
            .expect("mounts");
        assert!(bounded(&beside, "/data") && bounded(&beside, "/loop"));
        assert!(!bounded(&beside, "/homes"));
    }

    #[test]
    fn pseudo_file_systems_are_not_bounded() {
        let own = std::fs::read_to_string("/proc/self/mountinfo").expect("mounts");
        let mounts = Mounts::parse(&own).expect("mounts");
        for path in ["/proc", "/sys", "/"] {
            let folder = std::fs::File::open(path).expect("a folder");
            assert!(!mounts.is_bounded(&folder).expect("an answer"), "{path}");
        }
    }
}
