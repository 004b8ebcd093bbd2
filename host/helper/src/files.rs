//! Files of the container that this program runs in.

use std::fs::File;

use anyhow::{Context as _, Result};
use duress_disk::{Mounts, OwnedReplacement};
use duress_tasks::Fill;
use serde_json::json;

fn wanted(fill: &Fill) -> duress_disk::Fill<'_> {
    duress_disk::Fill {
        path: &fill.path,
        size: fill.size,
        mark: fill.mark.as_deref(),
        root_filesystem: fill.root_filesystem,
    }
}

pub(crate) fn fill(fill: &Fill) -> Result<()> {
    Ok(duress_disk::fill(root()?, &wanted(fill), &mounts()?)?)
}

pub(crate) fn print_is_there(fill: &Fill) -> Result<()> {
    let is_there = duress_disk::is_there(root()?, &wanted(fill))?;
    println!("{}", json!(is_there));
    Ok(())
}

pub(crate) fn remove(fill: &Fill) -> Result<()> {
    Ok(duress_disk::remove(root()?, &wanted(fill))?)
}

pub(crate) fn print_file(path: &str) -> Result<()> {
    let standing = duress_disk::read(root()?, path)?;
    Ok(standing.send(std::io::stdout().lock())?)
}

pub(crate) fn replace() -> Result<()> {
    Ok(duress_disk::replace(root()?, &received()?.wanted())?)
}

pub(crate) fn restore() -> Result<()> {
    Ok(duress_disk::restore(root()?, &received()?.wanted())?)
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

pub(crate) fn print_file_system(path: &str) -> Result<()> {
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
