//! The system's packages: which are needed, and how to get them on Debian and its kin.

use std::path::Path;

use anyhow::{Result, bail};

use crate::sh::Sh;

/// A program, the Debian package that brings it, and what for.
const NEEDED: [(&str, &str, &str); 6] = [
    ("cc", "gcc libc6-dev", "SQLite is built from source"),
    ("dockerd", "docker.io", "subjects run in containers"),
    (
        "docker-compose",
        "docker-compose",
        "stacks are brought up with it",
    ),
    ("tc", "iproute2", "network faults"),
    ("iptables", "iptables", "network faults"),
    (
        "nsenter",
        "util-linux",
        "network faults run in the containers' namespaces",
    ),
];

/// Installs whatever is missing.
pub(crate) fn install() -> Result<()> {
    let missing = NEEDED
        .iter()
        .filter(|(program, _, _)| !is_there(program))
        .collect::<Vec<_>>();
    if missing.is_empty() {
        return Ok(());
    }
    for (program, packages, reason) in &missing {
        println!("`{program}` is missing ({reason}): it is in the package {packages}");
    }
    let packages = missing
        .iter()
        .flat_map(|(_, packages, _)| packages.split(' '));
    install_packages(packages)
}

/// Installs these packages with apt.
pub(crate) fn install_packages<'a>(packages: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let packages: Vec<_> = packages.into_iter().collect();
    let names = packages.join(" ");
    if !Sh::new("apt-get").arg("--version").works() {
        bail!("this is no Debian: install the counterparts of {names} by hand");
    }
    if !is_root() {
        bail!("installing needs root: run `sudo apt-get install {names}`, then this again");
    }
    println!("Installing {names} with apt-get");
    let apt = || Sh::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive");
    apt().args(["update", "--quiet=2"]).read()?;
    apt()
        .args(["install", "--quiet=2", "--yes", "--no-install-recommends"])
        .args(packages)
        .read()
        .map(drop)
}

/// Returns whether a program can be started.
pub(crate) fn is_there(program: &str) -> bool {
    // Either compose tool will do.
    if program == "docker-compose" && Sh::new("docker").args(["compose", "version"]).works() {
        return true;
    }
    // A client whose daemon is elsewhere needs none here.
    if program == "dockerd" && Sh::new("docker").arg("info").works() {
        return true;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let administrators = ["/usr/sbin", "/sbin"].map(Into::into);
    std::env::split_paths(&path)
        .chain(administrators)
        .any(|folder| folder.join(program).is_file())
}

pub(crate) fn is_root() -> bool {
    Sh::new("id")
        .arg("-u")
        .read()
        .is_ok_and(|id| id.trim() == "0")
}

/// Returns the release of this Debian, e.g. `bookworm`.
pub(crate) fn codename() -> Option<String> {
    let release = std::fs::read_to_string(Path::new("/etc/os-release")).ok()?;
    let codename = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))?;
    Some(codename.trim_matches('"').to_owned())
}
