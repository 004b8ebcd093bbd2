//! `cargo xtask test --netem`: the tests that need a kernel with `sch_netem`, in a machine that has one (`tests/netem/lab`).

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::packages::{install_packages, is_there};
use crate::sh::Sh;
use crate::{images, workspace};

/// Which tests: those that are left out elsewhere, the one that takes what kernel there is, and load, for the lab has cgroup v2.
const TESTS: &str = "netem:: faults::latency load::processor load::memory";
/// The images that they use.
const IMAGES: [&str; 3] = [
    "DURESS_ETCD_IMAGE",
    "DURESS_BASE_IMAGE",
    "DURESS_BARE_IMAGE",
];

pub(crate) fn run() -> Result<bool> {
    if !is_there("mke2fs") {
        println!("`mke2fs` is missing (it makes the lab's disk)");
        install_packages(["e2fsprogs"])?;
    }
    let folder = workspace::scratch()?.join("lab");
    let share = folder.join("share");
    fs::create_dir_all(&share).with_context(|| format!("make {}", share.display()))?;
    let environment = images::environment()?;
    let image = |name: &&str| -> Result<(String, String)> {
        let of_setup = environment.iter().find(|(set, _)| set == name);
        let image = std::env::var(name)
            .ok()
            .or_else(|| of_setup.map(|(_, image)| image.clone()));
        let image = image.with_context(|| format!("no variable {name} names an image"))?;
        Ok(((*name).to_owned(), image))
    };
    let images = IMAGES.iter().map(image).collect::<Result<Vec<_>>>()?;
    let archive = share.join("images.tar");
    Sh::new("docker")
        .args(["save", "--output"])
        .arg(&archive)
        .args(images.iter().map(|(_, image)| image))
        .arg(images::TOOLBOX)
        .read()?;
    let exports: String = images
        .iter()
        .map(|(name, image)| format!("export {name}={image}\n"))
        .collect();
    let tests = test_program()?;
    let script = share.join("tests");
    let root = workspace::root().display();
    fs::write(
        &script,
        format!(
            "set -e\ndocker load --quiet --input {archive}\n{exports}cd {root}/host\n\
             {tests} --include-ignored --test-threads 1 {TESTS}\n",
            archive = archive.display(),
            tests = tests.display(),
        ),
    )
    .with_context(|| format!("write {}", script.display()))?;
    println!("Booting a kernel with netem, in QEMU");
    let passed = Sh::new("tests/netem/lab")
        .arg(&folder)
        .arg(&script)
        .succeeds()?;
    println!(
        "tests with netem: {}",
        if passed { "passed" } else { "FAILED" }
    );
    Ok(passed)
}

/// Returns the end-to-end tests' program.
fn test_program() -> Result<PathBuf> {
    let built = Sh::new("cargo")
        .args([
            "test",
            "--no-run",
            "--package",
            "duress",
            "--test",
            "e2e",
            "--message-format",
            "json",
        ])
        .read()?;
    let artifacts = built
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut programs = artifacts.filter(|artifact| artifact["target"]["name"] == "e2e");
    match programs.find_map(|artifact| artifact["executable"].as_str().map(PathBuf::from)) {
        Some(program) => Ok(program),
        None => bail!("cargo built no test program `e2e`"),
    }
}
