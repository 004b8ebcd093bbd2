//! Where plugins and their root are.

use std::fs;
use std::path::{Path, PathBuf};

use duress_model::{Error, Result};
use duress_plugin::{Catalog, Source};

use super::brought::{Brought, bring, unpack_built_in};
use super::{Named, Root};
use crate::context::Context;

impl Named {
    /// Finds a folder with a manifest, a component with one in it, or a plugin of the catalog.
    pub(crate) async fn find(&self, context: &Context) -> Result<Brought> {
        let path = Path::new(&self.plugin);
        if path.join("plugin.yaml").is_file() || path.is_file() {
            return bring(&Source::Path(path.to_owned()), Path::new("")).await;
        }
        let catalog = context.catalog(None)?;
        if let Some(built_in) = catalog.built_in(&self.plugin) {
            return unpack_built_in(built_in);
        }
        let folder = catalog.plugin_directory(&self.plugin)?;
        bring(&Source::Path(folder), Path::new("")).await
    }
}

impl Root {
    /// Returns the absolute path of the root.
    pub(crate) fn find(&self) -> Result<PathBuf> {
        if let Some(folder) = &self.folder {
            return absolute(folder);
        }
        let here = absolute(Path::new("."))?;
        Ok(Catalog::nearest_root(&here).unwrap_or(here))
    }
}

/// Returns the folder with the source of a plugin, which is named by that folder or by its name.
pub(crate) fn source_folder(plugin: &str, context: &Context) -> Result<PathBuf> {
    let path = Path::new(plugin);
    if path.join("plugin.yaml").is_file() {
        return absolute(path);
    }
    let catalog = context.catalog(None)?;
    if catalog.built_in(plugin).is_some() {
        return Err(Error::input(format!(
            "`{plugin}` is built into duress, and has no source here"
        )));
    }
    absolute(&catalog.plugin_directory(plugin)?)
}

/// Returns the absolute path, without links, of something that exists.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    let found = fs::canonicalize(path);
    found.map_err(|error| Error::input(format!("find {}: {error}", path.display())))
}
