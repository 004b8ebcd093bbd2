//! The standard library for WebAssembly from Debian's source package, for machines that reach no rustup server.
//!
//! The source must have the compiler's own minor version. It is fetched with a private configuration of apt, so that the system's
//! package lists stay as they are.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use xshell::cmd;

use crate::apt;
use crate::compiler::{self, WASM_TARGET};
use crate::progress::step;
use crate::sh::{CmdExt as _, shell};
use crate::workspace;

const SUITES: [&str; 3] = ["trixie", "trixie-backports", "sid"];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Returns the sysroot, built if need be. It works with this compiler only.
pub(super) fn sysroot() -> Result<PathBuf> {
    let sysroot = place()?;
    if !is_built()? {
        let release = compiler::version("release")?;
        step(
            &format!(
                "Build Rust's standard library for {WASM_TARGET} from Debian's source, for rustc {release}"
            ),
            "1 min",
            || {
                let work = workspace::scratch()?.join("wasm-std");
                let library = fetch(&work, &release)?;
                build(&work, &library, &sysroot)?;
                fs::remove_dir_all(&work).with_context(|| format!("remove {}", work.display()))
            },
        )?;
    }
    Ok(sysroot)
}

/// Returns whether the sysroot is complete.
pub(super) fn is_built() -> Result<bool> {
    Ok(place()?.is_dir())
}

fn place() -> Result<PathBuf> {
    Ok(workspace::scratch()?
        .join("wasm-sysroot")
        .join(compiler::version("commit-hash")?))
}

/// Fetches and unpacks Debian's `rust-src`, and returns its folder `library`.
fn fetch(work: &Path, release: &str) -> Result<PathBuf> {
    for program in ["apt-get", "dpkg-deb", "tar"] {
        if !apt::has(program) {
            bail!(
                "`{program}` is missing: on a system other than Debian, run `rustup target add {WASM_TARGET}`"
            );
        }
    }
    let configuration = configure(work)?;
    let sh = shell()?;
    sh.change_dir(work);
    sh.set_var("APT_CONFIG", &configuration);
    let minor = release
        .rsplit_once('.')
        .map_or(release, |(minor, _patch)| minor);
    cmd!(sh, "apt-get update --quiet=2").capture()?;
    let versions = cmd!(sh, "apt-cache madison rust-src").capture()?;
    let version = versions
        .lines()
        .filter_map(|line| line.split('|').nth(1).map(str::trim))
        .find(|version| version.starts_with(&format!("{minor}.")))
        .with_context(|| {
            format!("Debian has no rust-src for rustc {release}; it has:\n{versions}")
        })?;
    cmd!(sh, "apt-get download --quiet=2 rust-src={version}").capture()?;
    apt::unpack(work, &work.join("source"))?;
    let sources = work.join("source/usr/src");
    let unpacked = fs::read_dir(&sources)
        .with_context(|| format!("read {}", sources.display()))?
        .flatten()
        .map(|entry| entry.path().join("library"))
        .find(|library| library.join("std").is_dir());
    unpacked.context("the package rust-src contains no library")
}

/// Writes a configuration for apt that neither reads nor writes the system's lists. A mirror that was not refreshed for weeks will do,
/// for the source is as old as the compiler.
fn configure(work: &Path) -> Result<PathBuf> {
    if work.exists() {
        fs::remove_dir_all(work).with_context(|| format!("remove {}", work.display()))?;
    }
    for folder in [
        "etc/apt.conf.d",
        "etc/preferences.d",
        "state/lists/partial",
        "cache/archives/partial",
    ] {
        fs::create_dir_all(work.join(folder))?;
    }
    fs::write(work.join("status"), "")?;
    let mirror = apt::mirror();
    let sources = SUITES.map(|suite| format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n"));
    fs::write(work.join("etc/sources.list"), sources.concat())?;
    let work = work.display();
    let configuration = format!(
        "Dir \"{work}/\";\nDir::State \"{work}/state/\";\nDir::State::status \"{work}/status\";\n\
         Dir::Cache \"{work}/cache/\";\nDir::Etc \"{work}/etc/\";\nAPT::Sandbox::User \"root\";\n\
         Acquire::Check-Valid-Until \"false\";\n"
    );
    let path = PathBuf::from(format!("{work}/apt.conf"));
    fs::write(&path, configuration)?;
    Ok(path)
}

/// Builds the library into a sysroot, by cargo's own `build-std`.
fn build(work: &Path, library: &Path, sysroot: &Path) -> Result<()> {
    let empty = work.join("empty");
    fs::create_dir_all(empty.join("src"))?;
    fs::create_dir_all(empty.join(".cargo"))?;
    fs::write(empty.join("src/lib.rs"), "#![no_std]\n")?;
    fs::write(
        empty.join("Cargo.toml"),
        "[package]\nname = \"empty\"\nedition = \"2021\"\n[workspace]\n\
         [profile.release]\nopt-level = \"s\"\ncodegen-units = 1\n",
    )?;
    fs::write(
        empty.join(".cargo/config.toml"),
        format!(
            "[source.crates-io]\nreplace-with = \"vendored\"\n[source.vendored]\ndirectory = {:?}\n",
            library.join("vendor").display().to_string()
        ),
    )?;
    let sh = shell()?;
    sh.change_dir(&empty);
    let flags = format!(
        "-Cembed-bitcode=yes\x1f--remap-path-prefix={}=/rust",
        library.display()
    );
    cmd!(
        sh,
        "cargo build --release --offline --target {WASM_TARGET} -Zbuild-std=std,panic_abort"
    )
    .env("RUSTC_BOOTSTRAP", "1")
    .env("__CARGO_TESTS_ONLY_SRC_ROOT", library)
    .env("CARGO_TARGET_DIR", empty.join("target"))
    .env("CARGO_ENCODED_RUSTFLAGS", flags)
    .capture()?;
    let built = empty.join("target").join(WASM_TARGET).join("release/deps");
    // Renamed at the end, so that a folder of that name is complete.
    let unfinished = sysroot.with_extension("unfinished");
    let into = unfinished.join("lib/rustlib").join(WASM_TARGET).join("lib");
    fs::create_dir_all(&into)?;
    for entry in fs::read_dir(&built)
        .with_context(|| format!("read {}", built.display()))?
        .flatten()
    {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".rlib") && !name.starts_with("libempty") {
            fs::copy(entry.path(), into.join(&name))?;
        }
    }
    fs::rename(&unfinished, sysroot).with_context(|| format!("create {}", sysroot.display()))
}
