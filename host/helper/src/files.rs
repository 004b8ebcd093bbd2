//! Files of the container that this program runs in.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::Subcommand;
use rustix::fs::{FallocateFlags, Mode, OFlags};
use serde_json::json;

/// What is done with a path.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Print the size of its file system, what is available of it, and whether it is the root's, as JSON
    FileSystem {
        /// Absolute
        path: PathBuf,
    },
    /// Allocate a new file, whole or not at all
    Fill {
        /// Absolute
        path: PathBuf,
        /// In bytes
        size: u64,
    },
    /// Print the size of a regular file as JSON: null when there is none
    Size {
        /// Absolute
        path: PathBuf,
    },
    /// Remove a file; one that is not there is no error
    Remove {
        /// Absolute
        path: PathBuf,
    },
}

pub(crate) fn run(verb: &Verb) -> Result<()> {
    match verb {
        Verb::FileSystem { path } => file_system(path),
        Verb::Fill { path, size } => fill(path, *size),
        Verb::Size { path } => size(path),
        Verb::Remove { path } => remove(path),
    }
}

fn file_system(path: &Path) -> Result<()> {
    let shown = path.display();
    let stat = rustix::fs::statvfs(path).with_context(|| format!("look at {shown}"))?;
    let device = |path: &Path| rustix::fs::stat(path).map(|stat| stat.st_dev);
    let root = device(path)? == device(Path::new("/"))?;
    println!(
        "{}",
        json!({
            "capacity": stat.f_blocks.saturating_mul(stat.f_frsize),
            "available": stat.f_bavail.saturating_mul(stat.f_frsize),
            "root": root,
        })
    );
    Ok(())
}

fn fill(path: &Path, size: u64) -> Result<()> {
    let shown = path.display();
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::open(path, flags, Mode::RUSR | Mode::WUSR);
    let file = File::from(file.with_context(|| format!("make {shown}"))?);
    let filled = rustix::fs::fallocate(&file, FallocateFlags::empty(), 0, size);
    if filled.is_err() {
        remove(path)?;
    }
    filled.with_context(|| format!("allocate {size} bytes for {shown}"))
}

fn size(path: &Path) -> Result<()> {
    let size = match std::fs::symlink_metadata(path) {
        Ok(file) => file.is_file().then_some(file.len()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("look at {}", path.display())),
    };
    println!("{}", json!(size));
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
