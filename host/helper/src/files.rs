//! Files of the container that this program runs in.

use std::fs::File;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand};
use duress_disk::{Mounts, OwnedReplacement};
use serde_json::json;

/// What is done with a path.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Print the size of its file system, what is available of it, and whether others use it too, as JSON
    FileSystem {
        /// Absolute
        path: String,
    },
    /// Allocate a new file, whole or not at all
    Fill(Fill),
    /// Print whether a fill is there, as JSON
    FillIsThere(Fill),
    /// Remove a fill; one that is not there is not an error
    RemoveFill(Fill),
    /// Print what a path leads to, as a message
    ReadFile {
        /// Absolute
        path: String,
    },
    /// Replace a file, as a message on standard input says
    ReplaceFile,
    /// Restore a file, as a message on standard input says
    RestoreFile,
}

#[derive(Debug, Args)]
pub(crate) struct Fill {
    /// Absolute
    path: String,
    /// In bytes
    size: u64,
    /// What only this fill begins with
    #[arg(long)]
    mark: Option<String>,
    /// It may lie on a disk that is not the container's alone
    #[arg(long)]
    root_filesystem: bool,
}

impl Fill {
    fn wanted(&self) -> duress_disk::Fill<'_> {
        duress_disk::Fill {
            path: &self.path,
            size: self.size,
            mark: self.mark.as_deref(),
            root_filesystem: self.root_filesystem,
        }
    }
}

pub(crate) fn run(verb: &Verb) -> Result<()> {
    match verb {
        Verb::FileSystem { path } => file_system(path)?,
        Verb::Fill(fill) => duress_disk::fill(root()?, &fill.wanted(), &mounts()?)?,
        Verb::FillIsThere(fill) => {
            let there = duress_disk::is_there(root()?, &fill.wanted())?;
            println!("{}", json!(there));
        }
        Verb::RemoveFill(fill) => duress_disk::remove(root()?, &fill.wanted())?,
        Verb::ReadFile { path } => {
            let standing = duress_disk::read(root()?, path)?;
            standing.send(std::io::stdout().lock())?;
        }
        Verb::ReplaceFile => duress_disk::replace(root()?, &received()?.wanted())?,
        Verb::RestoreFile => duress_disk::restore(root()?, &received()?.wanted())?,
    }
    Ok(())
}

fn received() -> Result<OwnedReplacement> {
    Ok(OwnedReplacement::receive(std::io::stdin().lock())?)
}

/// Returns the container's root, as this process sees it.
pub(crate) fn root() -> Result<File> {
    File::open("/").context("open /")
}

/// Returns the container's mounts.
pub(crate) fn mounts() -> Result<Mounts> {
    let text =
        std::fs::read_to_string("/proc/self/mountinfo").context("read /proc/self/mountinfo")?;
    Ok(Mounts::parse(&text)?)
}

fn file_system(path: &str) -> Result<()> {
    let file = File::open(path).with_context(|| format!("look at {path}"))?;
    let stat = rustix::fs::fstatvfs(&file).with_context(|| format!("look at {path}"))?;
    println!(
        "{}",
        json!({
            "capacity": stat.f_blocks.saturating_mul(stat.f_frsize),
            "available": stat.f_bavail.saturating_mul(stat.f_frsize),
            "root": !mounts()?.is_bounded(&file)?,
        })
    );
    Ok(())
}
