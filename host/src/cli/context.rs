//! What the verbs need: the catalog, the database, the engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Global;
use duress_docker::Docker;
use duress_engine::{Engine, EngineResult};
use duress_model::{Error, Result};
use duress_plugin::{Catalog, Runtime};
use duress_store::Store;

/// Returns the subjects and plugins at or above a folder, or at or above the working directory.
pub(super) fn catalog(near: Option<&Path>) -> Result<Catalog> {
    let here = std::env::current_dir()
        .map_err(|error| Error::environment(format!("read the working directory: {error}")))?;
    let mut roots = Catalog::default_roots(&here);
    if let Some(folder) = near.and_then(|path| std::path::absolute(path).ok())
        && let Some(folder) = folder.parent()
    {
        for root in Catalog::default_roots(folder) {
            if !roots.contains(&root) {
                roots.push(root);
            }
        }
    }
    Ok(Catalog::discover(runtime()?, roots))
}

/// Returns what compiles components, with this user's cache.
pub(super) fn runtime() -> Result<Runtime> {
    Runtime::new(Runtime::default_cache_directory().as_deref())
}

/// Returns where the database is; absolute.
pub(super) fn database(global: &Global) -> Result<PathBuf> {
    let path = global
        .db
        .clone()
        .map_or_else(duress_store::default_path, Ok)?;
    std::path::absolute(&path)
        .map(|path| duress_store::canonical(&path))
        .map_err(|error| Error::input(format!("find the database {}: {error}", path.display())))
}

/// Returns the database, for writing; made where it is missing.
pub(super) fn open(global: &Global) -> Result<Store> {
    Store::open(&database(global)?)
}

/// Returns the database, for reading.
pub(super) fn open_existing(global: &Global) -> Result<Store> {
    Store::open_existing(&database(global)?)
}

/// Returns the container engine.
pub(super) async fn engine(global: &Global) -> EngineResult<Arc<dyn Engine>> {
    let docker = Docker::connect(global.net_driver).await?;
    Ok(Arc::new(docker))
}
