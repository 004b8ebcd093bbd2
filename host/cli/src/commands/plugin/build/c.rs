//! C: bindings from `wit/`, a core module by clang and wasi-libc.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use duress_model::{Error, Result};
use wit_bindgen_core::Files;
use wit_parser::Resolve;

/// Names of the compiler, the newest first; an SDK that WASI_SDK_PATH names comes before them.
const COMPILERS: [&str; 8] = [
    "clang", "clang-22", "clang-21", "clang-20", "clang-19", "clang-18", "clang-17", "clang-16",
];
/// What plugins in C are built for, in clang's words.
const TARGET: &str = "wasm32-wasi";
/// What Debian and Ubuntu call what is needed.
const PACKAGES: &str = "clang-19 lld-19 wasi-libc libclang-rt-19-dev-wasm32";

/// Generates `gen/`, and compiles it with all of `src/`. Returns the module's path.
pub(crate) fn build(folder: &Path) -> Result<PathBuf> {
    let generated = bindings(folder)?;
    let compiler = compiler().ok_or_else(|| {
        Error::environment("no clang found that can build for WebAssembly with a C library")
            .hint(format!("on Debian and Ubuntu: apt-get install {PACKAGES}"))
            .hint("elsewhere: unpack a wasi-sdk, and set WASI_SDK_PATH to its folder")
    })?;
    let module = folder.join("gen/plugin.core.wasm");
    let output = Command::new(&compiler)
        .arg(format!("--target={TARGET}"))
        .args(["-mexec-model=reactor", "-O2", "-Wall", "-I"])
        .arg(folder.join("gen"))
        .arg("-o")
        .arg(&module)
        .args(sources(folder)?)
        .args(generated)
        .stdin(Stdio::null())
        .status()
        .map_err(|error| Error::environment(format!("start {}: {error}", compiler.display())))?;
    if !output.success() {
        return Err(Error::input(format!("{} does not build", folder.display()))
            .hint("the compiler says why, above"));
    }
    Ok(module)
}

/// Returns what `wit/` describes, as C; the files that must be compiled or linked.
fn bindings(folder: &Path) -> Result<Vec<PathBuf>> {
    let wit = folder.join("wit");
    let wrong = |error: &dyn std::fmt::Display| {
        Error::input(format!("read {}: {error}", wit.display()))
            .hint("wit/world.wit says what the plugin imports and exports, wit/deps holds duress's own plugin.wit")
    };
    let mut resolve = Resolve::default();
    let (package, _) = resolve
        .push_dir(&wit)
        .map_err(|error| wrong(&format!("{error:#}")))?;
    let world = resolve
        .select_world(&[package], None)
        .map_err(|error| wrong(&format!("{error:#}")))?;
    let mut files = Files::default();
    let options = wit_bindgen_c::Opts::default();
    options
        .build()
        .generate(&mut resolve, world, &mut files)
        .map_err(|error| wrong(&format!("{error:#}")))?;
    let place = folder.join("gen");
    let failed = |error: std::io::Error| {
        Error::environment(format!("write to {}: {error}", place.display()))
    };
    fs::create_dir_all(&place).map_err(failed)?;
    let mut linked = Vec::new();
    for (name, content) in files.iter() {
        let path = place.join(name);
        fs::write(&path, content).map_err(failed)?;
        if name.ends_with(".c") || name.ends_with(".o") {
            linked.push(path);
        }
    }
    Ok(linked)
}

/// Returns the author's own files.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let place = folder.join("src");
    let entries = fs::read_dir(&place)
        .map_err(|error| Error::input(format!("read {}: {error}", place.display())))?;
    let mut sources: Vec<_> = entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "c"))
        .collect();
    sources.sort();
    Ok(sources)
}

/// Returns the first compiler that finds a C library for WebAssembly.
fn compiler() -> Option<PathBuf> {
    let sdk = std::env::var_os("WASI_SDK_PATH").map(|sdk| PathBuf::from(sdk).join("bin/clang"));
    let named = COMPILERS.into_iter().map(PathBuf::from);
    sdk.into_iter()
        .chain(named)
        .find(|compiler| can_build(compiler))
}

fn can_build(compiler: &Path) -> bool {
    let Ok(folder) = tempfile::tempdir() else {
        return false;
    };
    let source = folder.path().join("try.c");
    let tried = fs::write(&source, "#include <string.h>\n#include <stdlib.h>\n").and_then(|()| {
        Command::new(compiler)
            .arg(format!("--target={TARGET}"))
            .args(["-mexec-model=reactor", "-o"])
            .arg(folder.path().join("try.wasm"))
            .arg(&source)
            .stdin(Stdio::null())
            .output()
    });
    tried.is_ok_and(|output| output.status.success())
}
