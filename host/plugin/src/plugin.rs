//! A plugin that is loaded: its manifest, its component, and the faults that it brings.

use std::path::PathBuf;
use std::sync::Arc;

use duress_model::{Error, FaultType, Result};

use super::call::CallLimits;
use super::component::{Kind, PluginComponent};
use super::manifest::PluginManifest;
use super::runtime::sha256;

/// A plugin that is loaded.
#[derive(Debug)]
pub struct Plugin {
    /// What its manifest says.
    pub manifest: PluginManifest,
    /// What is called.
    pub component: PluginComponent,
    /// Every fault that it brings.
    pub faults: Vec<Arc<FaultType>>,
    /// The folder that holds it; `None`: it is built in.
    pub directory: Option<PathBuf>,
    /// e.g. `sha256:2c26…`, over the component's bytes.
    pub digest: String,
    /// The digest of its manifest's text.
    pub manifest_digest: String,
}

impl Plugin {
    /// Asks a component for its faults.
    pub(super) async fn new(
        manifest: PluginManifest,
        manifest_text: &str,
        component: PluginComponent,
        directory: Option<PathBuf>,
    ) -> Result<Self> {
        let faults = component
            .fault_types(&CallLimits::default())
            .await
            .map_err(|error| Error::from(error).context("list its faults"))?;
        Ok(Self {
            manifest,
            faults: faults.into_iter().map(Arc::new).collect(),
            directory,
            digest: component.digest.clone(),
            manifest_digest: sha256(manifest_text.as_bytes()),
            component,
        })
    }

    /// Returns what it brings.
    pub fn kind(&self) -> Kind {
        self.component.kind()
    }
}
