//! What a verb works with, made once from the global options: how to print, where the database is, how to reach the engine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use duress_docker::Docker;
use duress_engine::{Engine, EngineResult, NetDriver};
use duress_model::{Error, Result};
use duress_plugin::{Catalog, Runtime};
use duress_store::Store;

use super::Global;

/// The surroundings of one call of the program. Nothing is opened before a verb needs it.
#[derive(Debug)]
pub(crate) struct Context {
    /// Print JSON instead of text.
    pub(crate) json: bool,
    /// How often `-v` was given.
    pub(crate) verbose: u8,
    /// The driver for network programs that the user demands.
    pub(crate) net_driver: Option<NetDriver>,
    /// Few verbs fail without a database, so the reason is kept for those that do.
    database: Result<PathBuf>,
}

impl Context {
    pub(crate) fn new(global: Global) -> Self {
        Self {
            json: global.json,
            verbose: global.verbose,
            net_driver: global.net_driver,
            database: database(global.db),
        }
    }

    /// Returns the absolute path of the database, whether it exists or not.
    pub(crate) fn database(&self) -> Result<&Path> {
        self.database.as_deref().map_err(Clone::clone)
    }

    /// Opens the database, and creates it if it is missing.
    pub(crate) fn store(&self) -> Result<Store> {
        Store::open(self.database()?)
    }

    /// Opens a database that must exist.
    pub(crate) fn existing_store(&self) -> Result<Store> {
        Store::open_existing(self.database()?)
    }

    /// Connects to the container engine.
    pub(crate) async fn engine(&self) -> EngineResult<Arc<dyn Engine>> {
        let docker = Docker::connect(self.net_driver).await?;
        Ok(Arc::new(docker))
    }

    /// Makes what compiles components, with this user's cache.
    pub(crate) fn runtime(&self) -> Result<Runtime> {
        Runtime::new(Runtime::default_cache_directory().as_deref())
    }

    /// Finds the subjects and plugins at or above the working directory, and at or above a file where one is given.
    pub(crate) fn catalog(&self, near: Option<&Path>) -> Result<Catalog> {
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
        Ok(Catalog::discover(self.runtime()?, roots))
    }
}

fn database(named: Option<PathBuf>) -> Result<PathBuf> {
    let path = named.map_or_else(duress_store::default_path, Ok)?;
    std::path::absolute(&path)
        .map(|path| duress_store::canonical(&path))
        .map_err(|error| Error::input(format!("find the database {}: {error}", path.display())))
}
