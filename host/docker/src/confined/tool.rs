//! A program of this machine and everything that it loads.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use goblin::elf::Elf;

use super::{SpawnError, failed};

/// Where administrators' programs are, which a user's path may lack.
const PATHS: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A program's file, and the files that it loads.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) file: PathBuf,
    /// The loader, at the path that the program's file names.
    pub(super) loader: Option<PathBuf>,
    /// By the names under which they are loaded.
    pub(super) libraries: BTreeMap<String, PathBuf>,
    /// Its folder of modules (iptables) or tables (tc).
    pub(super) modules: Option<PathBuf>,
}

/// Returns the file that a name means, behind all links: distributions choose between several by links.
pub(super) fn file_of(name: &str) -> Result<PathBuf, SpawnError> {
    let found = PATHS
        .split(':')
        .map(|folder| Path::new(folder).join(name))
        .find(|path| path.is_file())
        .ok_or_else(|| SpawnError::NoProgram(name.to_owned()))?;
    fs::canonicalize(&found).map_err(failed(format!("find {}", found.display())))
}

impl Tool {
    /// Finds everything that a program's file loads.
    pub(super) fn load(file: PathBuf) -> Result<Self, SpawnError> {
        let what = format!("find the libraries of {}", file.display());
        Self::look(file).map_err(failed(what))
    }

    fn look(file: PathBuf) -> io::Result<Self> {
        let (loader, _) = parts(&file)?;
        let mut libraries = BTreeMap::new();
        let mut modules = None;
        if let Some(loader) = &loader {
            libraries = resolved(loader, &file)?;
            modules = module_folder(&file, &libraries);
            for module in modules.iter().flat_map(|folder| shared_objects(folder)) {
                let (_, needed) = parts(&module)?;
                if needed.iter().any(|name| !libraries.contains_key(name)) {
                    libraries.extend(resolved(loader, &module)?);
                }
            }
        }
        Ok(Self {
            file,
            loader,
            libraries,
            modules,
        })
    }
}

/// Returns the loader of a program's file, and the libraries that it names.
fn parts(file: &Path) -> io::Result<(Option<PathBuf>, BTreeSet<String>)> {
    let bytes = fs::read(file)?;
    let elf = Elf::parse(&bytes).map_err(|error| {
        io::Error::other(format!("{} is not a program: {error}", file.display()))
    })?;
    let needed = elf.libraries.iter().map(|&name| name.to_owned()).collect();
    Ok((elf.interpreter.map(PathBuf::from), needed))
}

/// Asks the loader itself which files it would load (ld.so(8)).
fn resolved(loader: &Path, file: &Path) -> io::Result<BTreeMap<String, PathBuf>> {
    let output = Command::new(loader)
        .arg("--list")
        .arg(file)
        .env_clear()
        .stdin(Stdio::null())
        .output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(said.trim().to_owned()));
    }
    let said = String::from_utf8_lossy(&output.stdout);
    let mut libraries = BTreeMap::new();
    for line in said.lines() {
        // `libm.so.6 => /lib/x86_64-linux-gnu/libm.so.6 (0x…)`; the kernel's own object and the loader have no arrow.
        let Some((name, rest)) = line.trim().split_once(" => ") else {
            continue;
        };
        let path = rest.rsplit_once(" (").map_or(rest, |(path, _)| path);
        if name.contains('/') {
            continue;
        }
        libraries.insert(name.to_owned(), fs::canonicalize(path)?);
    }
    Ok(libraries)
}

/// Where a program's modules are: iptables' extensions lie beside the library that loads them, tc's tables where it was built for.
fn module_folder(file: &Path, libraries: &BTreeMap<String, PathBuf>) -> Option<PathBuf> {
    let beside = |library: &str, folder: &str| {
        let (_, path) = libraries
            .iter()
            .find(|(name, _)| name.starts_with(library))?;
        Some(path.parent()?.join(folder))
    };
    let fixed = |folder: &str| {
        [
            "/usr/lib",
            "/usr/lib64",
            "/lib",
            "/usr/local/lib",
            "/usr/share",
        ]
        .map(|parent| Path::new(parent).join(folder))
    };
    let mut candidates = Vec::new();
    if let Some(folder) = beside("libxtables.so", "xtables") {
        candidates.push(folder);
        candidates.extend(fixed("xtables"));
    }
    if file.file_name().is_some_and(|name| name == "tc") {
        candidates.clear();
        candidates.extend(fixed("tc"));
    }
    candidates
        .into_iter()
        .find(|folder| folder.is_dir())
        .and_then(|folder| fs::canonicalize(folder).ok())
}

fn shared_objects(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "so") && path.is_file())
        .collect()
}
