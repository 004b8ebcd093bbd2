//! What some tests need besides duress: compilers for plugins in other languages, a registry and another client of it, and
//! Prometheus.
//!
//! Compilers and the client are installed as a user would install them. The rest is in `target/duress/tools`, so that no service is
//! started.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use xshell::cmd;

use crate::progress::step;
use crate::sh::{CmdExt as _, shell};
use crate::{apt, workspace};

/// clang, its linker, and a C library for WebAssembly.
const C_COMPILER: [&str; 4] = [
    "clang-19",
    "lld-19",
    "wasi-libc",
    "libclang-rt-19-dev-wasm32",
];
const C_LIBRARY: [&str; 2] = ["/usr/include/wasm32-wasi", "/usr/share/wasi-sysroot"];
/// From PyPI.
const COMPONENTIZE: &str = "componentize-py==0.25.1";

/// A tool, by its use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tool {
    /// Builds plugins in C.
    Clang,
    /// Builds plugins in Python.
    ComponentizePy,
    /// Serves plugins.
    Registry,
    /// Keeps metrics.
    Prometheus,
    /// Exchanges plugins with the registry, as another client than duress.
    Skopeo,
}

impl Tool {
    /// Every tool.
    pub(crate) const ALL: [Self; 5] = [
        Self::Clang,
        Self::ComponentizePy,
        Self::Registry,
        Self::Prometheus,
        Self::Skopeo,
    ];

    fn get(self, programs: &Path) -> Result<()> {
        let folder = programs.with_file_name("unpacked");
        match self {
            Self::Clang => {
                let has_library = C_LIBRARY
                    .iter()
                    .any(|folder| fs::exists(folder).unwrap_or(false));
                if !apt::has(C_COMPILER[0]) || !has_library {
                    apt::install(C_COMPILER)?;
                }
            }
            Self::ComponentizePy => {
                let program = programs.join("componentize-py");
                if !program.is_file() {
                    step("Get componentize-py from PyPI", "20 s", || {
                        componentize_py(&folder.join("python"), &program)
                    })?;
                }
            }
            Self::Registry => unpacked(programs, "docker-registry")?,
            Self::Prometheus => unpacked(programs, "prometheus")?,
            Self::Skopeo => {
                if !apt::has("skopeo") {
                    apt::install(["skopeo"])?;
                }
            }
        }
        Ok(())
    }
}

/// Gets those of these tools that are missing.
pub(crate) fn get(tools: &[Tool]) -> Result<()> {
    let programs = programs()?;
    fs::create_dir_all(&programs).with_context(|| format!("create {}", programs.display()))?;
    tools.iter().try_for_each(|tool| tool.get(&programs))
}

/// Returns the PATH with which all of them are found.
pub(crate) fn path() -> Result<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    Ok(format!("{}:{path}", programs()?.display()))
}

fn programs() -> Result<PathBuf> {
    Ok(workspace::scratch()?.join("tools/bin"))
}

/// Gets a program from Debian's package of the same name. The package is not installed: it would start a service.
fn unpacked(programs: &Path, name: &str) -> Result<()> {
    let program = programs.join(name);
    if program.is_file() {
        return Ok(());
    }
    step(&format!("Get {name} from Debian"), "5 s", || {
        let folder = programs.with_file_name("unpacked").join(name);
        apt::unpack_download(name, &folder)?;
        // Whole or not at all: what lies there is not looked at again.
        let part = programs.join(format!("{name}.part"));
        fs::copy(folder.join("usr/bin").join(name), &part)?;
        fs::rename(&part, &program)?;
        Ok(())
    })
}

fn componentize_py(environment: &Path, program: &Path) -> Result<()> {
    let sh = shell()?;
    let create = || cmd!(sh, "python3 -m venv {environment}").capture();
    if create().is_err() {
        apt::install(["python3", "python3-venv"])?;
        create()?;
    }
    let pip = environment.join("bin/pip");
    cmd!(
        sh,
        "{pip} install --quiet --disable-pip-version-check {COMPONENTIZE}"
    )
    .capture()?;
    std::os::unix::fs::symlink(environment.join("bin/componentize-py"), program)?;
    Ok(())
}
