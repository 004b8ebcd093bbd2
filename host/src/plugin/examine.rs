//! A plugin as it lies there, looked at before anybody has granted it anything: it is compiled, linked and asked what it brings, and
//! reaches nothing.

use std::collections::BTreeSet;
use std::path::Path;

use super::call::CallLimits;
use super::component::Plugin;
use super::description::FaultType;
use super::manifest::PluginManifest;
use super::runtime::Runtime;
use crate::engine::Requirement;
use crate::{Error, Result, yaml};

/// A plugin and what it says of itself.
#[derive(Debug)]
pub struct Found {
    /// The component.
    pub plugin: Plugin,
    /// The interfaces that it imports.
    pub imports: Vec<String>,
    /// Every fault that it brings.
    pub faults: Vec<FaultType>,
}

impl Runtime {
    /// Look at the plugin of a folder.
    ///
    /// # Errors
    /// `Input` when its manifest or its component is wrong.
    pub async fn examine(&self, folder: &Path) -> Result<Found> {
        let (manifest, _) = yaml::load::<PluginManifest>(&folder.join("plugin.yaml"))?;
        let plugin = self.load(manifest, folder)?;
        let faults = plugin
            .fault_types(&CallLimits::default())
            .await
            .map_err(|error| Error::from(error).context("list its faults"))?;
        Ok(Found {
            imports: plugin.imports(),
            plugin,
            faults,
        })
    }
}

impl Found {
    /// What its author should mend, a sentence each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut names = BTreeSet::new();
        if self.faults.is_empty() {
            problems.push("it brings no fault".to_owned());
        }
        for fault in &self.faults {
            let mut found = |why: String| problems.push(format!("fault `{}`: {why}", fault.name));
            if !names.insert(&fault.name) {
                found("there are two of that name".into());
            }
            if fault.summary.trim().is_empty() {
                found("it has no summary".into());
            }
            if let Err(why) = jsonschema::meta::validate(&fault.parameters) {
                found(format!("the schema of its parameters is none: {why}"));
            } else if fault.parameters["type"] != "object" {
                found("the schema of its parameters is not one of an object".into());
            }
            for (name, schema) in fault.parameters["properties"]
                .as_object()
                .into_iter()
                .flatten()
            {
                if schema["description"]
                    .as_str()
                    .unwrap_or_default()
                    .is_empty()
                {
                    found(format!("its parameter `{name}` has no description"));
                }
            }
            for requirement in &fault.requires {
                if let Err(why) = requirement.parse::<Requirement>() {
                    found(format!("it requires `{requirement}`: {why}"));
                }
            }
        }
        problems
    }
}
