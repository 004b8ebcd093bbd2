//! Where the workspace is, and what cargo knows of it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::sh::Sh;

/// Where everything that is made lies, beneath the workspace.
pub(crate) const SCRATCH: &str = "target/duress";

/// Returns the workspace's folder.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Returns the folder for what is made; it exists afterwards.
pub(crate) fn scratch() -> Result<PathBuf> {
    let folder = root().join(SCRATCH);
    std::fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    Ok(folder)
}

#[derive(Debug, Deserialize)]
pub(crate) struct Package {
    pub(crate) name: String,
    #[serde(default)]
    metadata: Option<Metadata>,
}

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    duress: Option<Duress>,
}

#[derive(Debug, Deserialize)]
struct Duress {
    component: PathBuf,
}

impl Package {
    /// Returns where its component belongs, for a crate that is one: `[package.metadata.duress] component`.
    pub(crate) fn component(&self) -> Option<&Path> {
        Some(&self.metadata.as_ref()?.duress.as_ref()?.component)
    }
}

/// Returns the workspace's crates.
pub(crate) fn packages() -> Result<Vec<Package>> {
    #[derive(Deserialize)]
    struct Answer {
        packages: Vec<Package>,
    }
    let answer = Sh::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .read()?;
    let answer: Answer = serde_json::from_str(&answer).context("read cargo's metadata")?;
    Ok(answer.packages)
}
