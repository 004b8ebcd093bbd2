//! What the tests alone need: the compilers of plugins in other languages, a registry, and `wkg` as its other user.
//!
//! Compilers are installed as a user would install them. The rest lies in `target/duress/tools`, so that no service is started and
//! nothing is in anybody's way.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::packages::{install_packages, is_there};
use crate::sh::Sh;
use crate::{debian, workspace};

const COMPILER: &str = "clang-19";
const COMPILER_PACKAGES: &str = "clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32";
/// From PyPI.
const COMPONENTIZE: &str = "componentize-py==0.25.1";
/// From crates.io.
const WKG: &str = "0.16.1";

/// Gets whatever is missing; the PATH with which all of it is found.
pub(crate) fn path() -> Result<String> {
    let programs = get().context("get what the tests need")?;
    let path = std::env::var("PATH").unwrap_or_default();
    Ok(format!("{}:{path}", programs.display()))
}

fn get() -> Result<PathBuf> {
    let tools = workspace::scratch()?.join("tools");
    let programs = tools.join("bin");
    fs::create_dir_all(&programs).with_context(|| format!("make {}", programs.display()))?;
    let libc = ["/usr/include/wasm32-wasi", "/usr/share/wasi-sysroot"];
    if !is_there(COMPILER)
        || !libc
            .iter()
            .any(|folder| fs::exists(folder).unwrap_or(false))
    {
        println!("`{COMPILER}` for WebAssembly is missing (the tests build a plugin in C)");
        install_packages(COMPILER_PACKAGES.split(' '))?;
    }
    if !programs.join("componentize-py").is_file() {
        println!("Getting componentize-py (the tests build a plugin in Python)");
        python(&tools.join("python"), &programs.join("componentize-py"))
            .context("get componentize-py from PyPI")?;
    }
    if !programs.join("docker-registry").is_file() {
        println!("Getting docker-registry (the tests push plugins to one)");
        registry(&tools.join("registry"), &programs.join("docker-registry"))
            .context("get docker-registry from Debian")?;
    }
    if !programs.join("wkg").is_file() {
        println!("Building wkg (the tests exchange components with it)");
        Sh::new("cargo")
            .args([
                "install",
                "--quiet",
                "--locked",
                "--debug",
                "wkg",
                "--version",
                WKG,
                "--root",
            ])
            .arg(&tools)
            .env("CARGO_TARGET_DIR", tools.join("wkg"))
            .run()?;
        fs::remove_dir_all(tools.join("wkg")).context("remove what wkg was built in")?;
    }
    Ok(programs)
}

fn python(environment: &Path, program: &Path) -> Result<()> {
    let made = Sh::new("python3").args(["-m", "venv"]).arg(environment);
    if made.read().is_err() {
        install_packages(["python3", "python3-venv"])?;
        made.read()?;
    }
    Sh::new(environment.join("bin/pip"))
        .args([
            "install",
            "--quiet",
            "--disable-pip-version-check",
            COMPONENTIZE,
        ])
        .run()?;
    std::os::unix::fs::symlink(environment.join("bin/componentize-py"), program)?;
    Ok(())
}

/// Unpacked and not installed: Debian's package would start a service.
fn registry(folder: &Path, program: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    let download = Sh::new("apt-get")
        .args(["download", "--quiet=2", "docker-registry"])
        .folder(folder);
    if download.read().is_err() {
        Sh::new("apt-get").args(["update", "--quiet=2"]).read()?;
        download.read()?;
    }
    debian::unpack(folder, folder)?;
    fs::copy(folder.join("usr/bin/docker-registry"), program)?;
    Ok(())
}
