//! Where the workspace is, and what cargo knows about it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use cargo_metadata::MetadataCommand;

/// The folder for everything that is made, relative to the workspace.
pub(crate) const SCRATCH: &str = "target/duress";

/// Returns the workspace's folder.
pub(crate) fn root() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here)
}

/// Creates the folder for everything that is made, and returns it.
pub(crate) fn scratch() -> Result<PathBuf> {
    let folder = root().join(SCRATCH);
    std::fs::create_dir_all(&folder).with_context(|| format!("create {}", folder.display()))?;
    Ok(folder)
}

/// A package that is built as a component.
#[derive(Debug)]
pub(crate) struct Guest {
    /// The package's name.
    pub(crate) package: String,
    /// Where its component belongs, relative to the workspace: `[package.metadata.duress] component`.
    pub(crate) component: PathBuf,
}

/// Returns the workspace's packages that are built as components.
pub(crate) fn guests() -> Result<Vec<Guest>> {
    let metadata = MetadataCommand::new()
        .current_dir(root())
        .no_deps()
        .exec()
        .context("read cargo's metadata")?;
    let guests = metadata.packages.iter().filter_map(|package| {
        let component = package.metadata["duress"]["component"].as_str()?;
        Some(Guest {
            package: package.name.to_string(),
            component: component.into(),
        })
    });
    Ok(guests.collect())
}
