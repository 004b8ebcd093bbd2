//! `cargo xtask test --netem`: the tests that need a kernel with `sch_netem`, in a virtual machine that has one (`tests/netem/lab`).

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use cargo_metadata::Message;
use xshell::{Shell, cmd};

use crate::compiler::Lints;
use crate::images::{self, Image};
use crate::progress::{say, step};
use crate::sh::CmdExt as _;
use crate::{apt, workspace};

/// The tests that are skipped elsewhere, the one that uses the kernel that it finds, and load, for the lab has cgroup v2.
const TESTS: [&str; 4] = [
    "netem::",
    "faults::latency",
    "load::processor",
    "load::memory",
];
/// The images that they use, beside the toolbox.
const IMAGES: [Image; 3] = [Image::Etcd, Image::Base, Image::Bare];

/// Runs them. Returns whether they passed.
pub(crate) fn run(lints: Lints) -> Result<bool> {
    if !apt::has("mke2fs") {
        say("`mke2fs` is missing: it makes the lab's disk");
        apt::install(["e2fsprogs"])?;
    }
    let folder = workspace::scratch()?.join("lab");
    let share = folder.join("share");
    fs::create_dir_all(&share).with_context(|| format!("create {}", share.display()))?;
    let images = names()?;
    let sh = lints.shell()?;
    let archive = share.join("images.tar");
    let saved = images.iter().map(|(_, name)| name.as_str());
    let saved = saved.chain([images::TOOLBOX]);
    cmd!(sh, "docker save --output {archive} {saved...}").capture()?;
    let exports: String = images
        .iter()
        .map(|(variable, name)| format!("export {variable}={name}\n"))
        .collect();
    let tests = test_program(&sh)?;
    let script = share.join("tests");
    fs::write(
        &script,
        format!(
            "set -e\ndocker load --quiet --input {archive}\n{exports}cd {root}\n\
             {tests} --include-ignored --test-threads 1 {names}\n",
            archive = archive.display(),
            root = workspace::root().display(),
            tests = tests.display(),
            names = TESTS.join(" "),
        ),
    )
    .with_context(|| format!("write {}", script.display()))?;
    let passed = step("Test on a kernel with netem, in QEMU", "3 min", || {
        cmd!(sh, "tests/netem/lab {folder} {script}").succeeds()
    })?;
    println!(
        "tests with netem: {}",
        if passed { "passed" } else { "FAILED" }
    );
    Ok(passed)
}

/// Returns the images with the variables that name them.
fn names() -> Result<Vec<(&'static str, String)>> {
    let environment = images::environment();
    let name = |image: Image| {
        let variable = image.variable()?;
        let noted = environment.iter().find(|(name, _)| name == variable);
        let name = std::env::var(variable).ok();
        Some((variable, name.or_else(|| Some(noted?.1.clone()))?))
    };
    let names: Option<Vec<_>> = IMAGES.into_iter().map(name).collect();
    names.context("an image has no name: run `cargo xtask setup`")
}

/// Builds the end-to-end tests, and returns their program.
fn test_program(sh: &Shell) -> Result<PathBuf> {
    let built = cmd!(
        sh,
        "cargo test --no-run --workspace --test e2e --message-format json"
    )
    .capture()?;
    let mut programs =
        Message::parse_stream(built.as_bytes()).filter_map(|message| match message {
            Ok(Message::CompilerArtifact(artifact)) if artifact.target.name == "e2e" => {
                artifact.executable
            }
            _ => None,
        });
    let program = programs
        .next()
        .context("cargo built no test program `e2e`")?;
    Ok(program.into())
}
