//! Debian's packages: installed, or only downloaded and unpacked.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use xshell::cmd;

use crate::progress::step;
use crate::sh::{CmdExt as _, shell};

/// Returns whether a program can be started, also one for administrators.
pub(crate) fn has(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(Into::into));
    std::env::join_paths(folders)
        .is_ok_and(|path| which::which_in(program, Some(path), ".").is_ok())
}

/// Installs packages.
pub(crate) fn install<'a>(packages: impl IntoIterator<Item = &'a str>) -> Result<()> {
    let packages: Vec<_> = packages.into_iter().collect();
    let names = packages.join(" ");
    if !has("apt-get") {
        bail!("apt-get is missing: install the counterparts of {names} by hand");
    }
    if !rustix::process::geteuid().is_root() {
        bail!("installing needs root: run `sudo apt-get install {names}`, then this again");
    }
    let sh = shell()?;
    let sh = &sh;
    let _noninteractive = sh.push_env("DEBIAN_FRONTEND", "noninteractive");
    step(&format!("Install {names} with apt-get"), "30 s", || {
        cmd!(sh, "apt-get update --quiet=2").capture()?;
        cmd!(
            sh,
            "apt-get install --quiet=2 --yes --no-install-recommends {packages...}"
        )
        .capture()
        .map(drop)
    })
}

/// Downloads a package into a folder and unpacks it there. Nothing is installed, and no service is started.
pub(crate) fn unpack_download(package: &str, folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    let sh = shell()?;
    sh.change_dir(folder);
    let download = || cmd!(sh, "apt-get download --quiet=2 {package}").capture();
    if download().is_err() {
        cmd!(sh, "apt-get update --quiet=2").capture()?;
        download()?;
    }
    unpack(folder, folder)
}

/// Unpacks the package that apt has downloaded into a folder.
pub(crate) fn unpack(downloads: &Path, to: &Path) -> Result<()> {
    let package = fs::read_dir(downloads)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get downloaded no package")?;
    let sh = shell()?;
    cmd!(sh, "dpkg-deb --extract {package} {to}")
        .capture()
        .map(drop)
}

/// Returns the mirror that this system uses.
pub(crate) fn mirror() -> String {
    let own = || -> Result<Option<String>> {
        let format = "$(LABEL) $(REPO_URI)";
        let sh = shell()?;
        let targets =
            cmd!(sh, "apt-get indextargets --format {format}").arg("Created-By: Packages");
        let found = targets.capture()?;
        let mirror = found.lines().find_map(|line| line.strip_prefix("Debian "));
        Ok(mirror.map(|mirror| mirror.trim().to_owned()))
    };
    let own = own().ok().flatten();
    own.unwrap_or_else(|| "http://deb.debian.org/debian/".to_owned())
}

/// Returns the release of this Debian, e.g. `bookworm`.
pub(crate) fn codename() -> Result<String> {
    let release = fs::read_to_string("/etc/os-release").context("read /etc/os-release")?;
    let codename = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .context("/etc/os-release names no release of Debian")?;
    Ok(codename.trim_matches('"').to_owned())
}
