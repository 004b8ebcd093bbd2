//! Files, written and read for ever. They have no name, so that nothing is left of them.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::fs::FileExt as _;

use anyhow::{Context as _, Result};
use rustix::fs::{Mode, OFlags};

/// Written and read at once.
const BLOCK: usize = 64 << 10;

/// Has each worker write and read a file of its own in a folder, which may lie on a disk that is not the container's alone only where
/// that is allowed.
pub(crate) fn run(path: &str, workers: u32, file_bytes: u64, root_allowed: bool) -> Result<()> {
    let root = crate::files::root()?;
    let folder = duress_disk::open_folder(root, path, root_allowed, &crate::files::mounts()?)?;
    let (failed, failure) = std::sync::mpsc::channel();
    for _ in 0..workers {
        let file = nameless(&folder, path)?;
        let failed = failed.clone();
        std::thread::Builder::new().spawn(move || {
            loop {
                if let Err(error) = once(&file, file_bytes) {
                    // The receiver is there as long as this process.
                    let _ = failed.send(error);
                    return;
                }
            }
        })?;
    }
    crate::ready()?;
    Err(failure.recv()?)
}

/// See `O_TMPFILE` in open(2).
fn nameless(folder: &OwnedFd, path: &str) -> Result<File> {
    let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
    let file = rustix::fs::openat(folder, ".", flags, Mode::RUSR | Mode::WUSR);
    let file = file.with_context(|| format!("make a file in {path}"))?;
    Ok(File::from(file))
}

/// Writes the whole file, each block to the disk itself, and reads it again.
fn once(file: &File, file_bytes: u64) -> Result<()> {
    let mut block = vec![0x5a; BLOCK];
    let offsets = || (0..file_bytes).step_by(BLOCK);
    for offset in offsets() {
        file.write_all_at(&block, offset).context("write")?;
        file.sync_data().context("write to the disk")?;
    }
    for offset in offsets() {
        file.read_exact_at(&mut block, offset).context("read")?;
    }
    Ok(())
}
