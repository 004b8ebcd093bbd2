//! Images around programs of this workspace: the stand-ins, the toolbox, and one that contains nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use xshell::cmd;

use super::debian::{BASE, base, base_inputs};
use super::label;
use crate::compiler;
use crate::progress::{say, step};
use crate::sh::{CmdExt as _, shell};
use crate::workspace;

/// The toolbox, as `duress` itself calls it.
pub(crate) const TOOLBOX: &str = "duress/toolbox:protocol-2";
const PD: &str = "duress/pd-standin:local";
const TIKV: &str = "duress/tikv-standin:local";
const BARE: &str = "duress/bare:local";

pub(super) fn pd() -> Result<&'static str> {
    on_base(&build("pd-server")?, PD)
}

pub(super) fn tikv() -> Result<&'static str> {
    on_base(&build("tikv-server")?, TIKV)
}

pub(super) fn toolbox() -> Result<&'static str> {
    on_base(&build("duress-helper")?, TOOLBOX)
}

/// Gets the image that contains only the helper, which waits.
pub(super) fn bare() -> Result<&'static str> {
    let program = build("duress-helper")?;
    let content = fs::read(&program).with_context(|| format!("read {}", program.display()))?;
    let inputs = label::digest(&[b"/program", &content]);
    if label::is_made_from(BARE, &inputs)? {
        return Ok(BARE);
    }
    say(&format!("Making the image {BARE}"));
    let folder = program.parent().context("a program is in a folder")?;
    let name = program.file_name().context("a program has a name")?;
    let archive = workspace::scratch()?.join("bare.tar");
    let transform = "s/.*/program/";
    let label = label::change(&inputs);
    let entry = "ENTRYPOINT [\"/program\", \"wait\"]";
    let sh = shell()?;
    cmd!(
        sh,
        "tar --create --file {archive} --directory {folder} {name} --transform {transform}"
    )
    .capture()?;
    cmd!(
        sh,
        "docker import --change {label} --change {entry} {archive} {BARE}"
    )
    .capture()?;
    fs::remove_file(&archive).with_context(|| format!("remove {}", archive.display()))?;
    Ok(BARE)
}

/// Builds the programs and returns the path of one. They are static, for the helper runs in containers that contain nothing else.
fn build(program: &str) -> Result<PathBuf> {
    let host = compiler::version("host")?;
    let path = workspace::root()
        .join("target")
        .join(&host)
        .join("release")
        .join(program);
    let cargo = || -> Result<()> {
        let sh = shell()?;
        // Both together, so that they share dependencies.
        cmd!(
            sh,
            "cargo build --quiet --release --target {host} --package duress-helper --package tikv-standin"
        )
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            "-Ctarget-feature=+crt-static\x1f-Cstrip=symbols",
        )
        .show()
    };
    if path.exists() {
        // Nearly always up to date.
        cargo()?;
    } else {
        step(
            "Build the helper and the stand-ins for images",
            "40 s",
            cargo,
        )?;
    }
    Ok(path)
}

/// Makes an image of the base and a program at its root.
fn on_base(program: &Path, image: &'static str) -> Result<&'static str> {
    base()?;
    let content = fs::read(program).with_context(|| format!("read {}", program.display()))?;
    let inputs = label::digest(&[base_inputs()?.as_bytes(), &content]);
    if label::is_made_from(image, &inputs)? {
        return Ok(image);
    }
    say(&format!("Making the image {image}"));
    let sh = shell()?;
    let container = cmd!(sh, "docker create {BASE} true").capture()?;
    let container = container.trim();
    let label = label::change(&inputs);
    let made = cmd!(sh, "docker cp {program} {container}:/")
        .capture()
        .and_then(|_| cmd!(sh, "docker commit --change {label} {container} {image}").capture());
    cmd!(sh, "docker rm {container}").capture()?;
    made?;
    Ok(image)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_toolbox_is_called_as_duress_looks_for_it() {
        // xtask itself is built before anything else, and so without the crate.
        assert_eq!(super::TOOLBOX, duress_tasks::TOOLBOX_IMAGE);
    }
}
