//! The standard library for WebAssembly from the source that Debian packages, for machines that reach no rustup server.
//!
//! The source must be of the compiler's own minor version. It is fetched with a configuration of apt's that is private, so that the
//! system's package lists stay as they are.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::packages::is_there;
use crate::sh::Sh;
use crate::wasm_std::{TARGET, compiler};
use crate::workspace;

const SUITES: [&str; 3] = ["trixie", "trixie-backports", "sid"];
const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Returns the sysroot, built if need be. It belongs to this compiler alone.
pub(crate) fn sysroot() -> Result<PathBuf> {
    let sysroot = place()?;
    if !is_built()? {
        let work = workspace::scratch()?.join("wasm-std");
        let library = fetch(&work)?;
        build(&work, &library, &sysroot)?;
        fs::remove_dir_all(&work).with_context(|| format!("remove {}", work.display()))?;
    }
    Ok(sysroot)
}

pub(crate) fn is_built() -> Result<bool> {
    Ok(place()?.is_dir())
}

fn place() -> Result<PathBuf> {
    Ok(workspace::scratch()?
        .join("wasm-sysroot")
        .join(compiler("commit-hash")?))
}

/// Fetches and unpacks Debian's `rust-src`; its folder `library`.
fn fetch(work: &Path) -> Result<PathBuf> {
    for program in ["apt-get", "dpkg-deb", "tar"] {
        if !is_there(program) {
            bail!(
                "`{program}` is missing: on a system that is no Debian, `rustup target add {TARGET}` is the way"
            );
        }
    }
    let configuration = configure(work)?;
    let apt = |program: &str| {
        Sh::new(program)
            .env("APT_CONFIG", &configuration)
            .folder(work)
    };
    let release = compiler("release")?;
    let minor = release
        .rsplit_once('.')
        .map_or(release.as_str(), |(minor, _)| minor);
    println!("Fetching Debian's source of Rust's standard library, for rustc {release}");
    apt("apt-get").args(["update", "--quiet=2"]).read()?;
    let versions = apt("apt-cache").args(["madison", "rust-src"]).read()?;
    let version = versions
        .lines()
        .filter_map(|line| line.split('|').nth(1).map(str::trim))
        .find(|version| version.starts_with(&format!("{minor}.")))
        .with_context(|| {
            format!("Debian has no rust-src for rustc {release}; it has:\n{versions}")
        })?;
    apt("apt-get")
        .args(["download", "--quiet=2"])
        .arg(format!("rust-src={version}"))
        .read()?;
    unpack(work, &work.join("source"))?;
    let sources = work.join("source/usr/src");
    let unpacked = fs::read_dir(&sources)
        .with_context(|| format!("read {}", sources.display()))?
        .flatten()
        .map(|entry| entry.path().join("library"))
        .find(|library| library.join("std").is_dir());
    unpacked.context("the package rust-src holds no library")
}

/// Unpacks the package that apt has downloaded into a folder.
pub(crate) fn unpack(downloads: &Path, to: &Path) -> Result<()> {
    let package = fs::read_dir(downloads)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get downloaded nothing")?;
    Sh::new("dpkg-deb")
        .arg("--extract")
        .arg(&package)
        .arg(to)
        .read()
        .map(drop)
}

/// A configuration of apt's of its own; a mirror that was not refreshed for weeks will do, for the source is as old as the compiler: nothing of the system's lists is read or written.
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
    let mirror = mirror();
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

/// Returns the mirror that this system uses.
pub(crate) fn mirror() -> String {
    let asked = Sh::new("apt-get")
        .args([
            "indextargets",
            "--format",
            "$(LABEL) $(REPO_URI)",
            "Created-By: Packages",
        ])
        .read()
        .unwrap_or_default();
    let own = asked.lines().find_map(|line| line.strip_prefix("Debian "));
    own.unwrap_or("http://deb.debian.org/debian/")
        .trim()
        .to_owned()
}

/// Builds the library into a sysroot, by cargo's own `build-std`.
fn build(work: &Path, library: &Path, sysroot: &Path) -> Result<()> {
    println!("Building Rust's standard library for {TARGET}");
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
    Sh::new("cargo")
        .args(["build", "--release", "--offline", "--target", TARGET])
        .arg("-Zbuild-std=std,panic_abort")
        .env("RUSTC_BOOTSTRAP", "1")
        .env("__CARGO_TESTS_ONLY_SRC_ROOT", library)
        .env("CARGO_TARGET_DIR", empty.join("target"))
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            format!(
                "-Cembed-bitcode=yes\x1f--remap-path-prefix={}=/rust",
                library.display()
            ),
        )
        .folder(&empty)
        .read()?;
    let built = empty.join("target").join(TARGET).join("release/deps");
    // Whole or not at all: its being there says that it is whole.
    let unfinished = sysroot.with_extension("unfinished");
    let into = unfinished.join("lib/rustlib").join(TARGET).join("lib");
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
    fs::rename(&unfinished, sysroot).with_context(|| format!("make {}", sysroot.display()))
}
