//! What there is to run against: subjects and their faults, as the host has read them from plugins.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Who says which containers a fault takes; see `chaos.choice` in `wit/plugin.wit`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The host, from the trial's seed.
    ByHost,
    /// The fault, by the system's state.
    ByFault,
}

/// One way to break a subject.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultType {
    /// The plugin that brings it, e.g. `etcd`.
    pub plugin: String,
    /// e.g. `network_partition`.
    pub name: String,
    /// One sentence.
    pub summary: String,
    /// JSON Schema (2020-12) of its parameters, an object.
    pub parameters: Value,
    /// What it needs: `CAP_…`, `tool:NAME`, `kernel:NAME`.
    pub requires: Vec<String>,
    /// The services that it may hurt, each a name or a beginning with `*` behind it; none: any.
    pub services: Vec<String>,
    /// Who picks among them.
    pub choice: Choice,
}

impl FaultType {
    /// Whether it may hurt a service.
    pub fn may_hurt(&self, service: &str) -> bool {
        let fits = |pattern: &String| match pattern.strip_suffix('*') {
            Some(beginning) => service.starts_with(beginning),
            None => service == pattern,
        };
        self.services.is_empty() || self.services.iter().any(fits)
    }
}

/// One system under test.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Subject {
    /// The services of its compose file; empty where they are not known, and then a campaign's targets are not checked.
    pub services: Vec<String>,
    /// Its own faults first, then those of the plugins for any subject: of two with one name the first is meant.
    pub faults: Vec<FaultType>,
    /// How long it may take to be healthy after a fault was taken back.
    pub recovery_timeout: Option<Duration>,
    /// How long it may take to come up.
    pub reset_timeout: Option<Duration>,
}

impl Subject {
    /// The fault that `name` or `plugin:name` stands for.
    pub fn fault(&self, name: &str) -> Option<&FaultType> {
        self.faults.iter().find(|fault| match name.split_once(':') {
            Some((plugin, name)) => fault.plugin == plugin && fault.name == name,
            None => fault.name == name,
        })
    }
}

/// Every subject that a campaign may name.
///
/// Subjects that the campaign does not name may stand here without faults: their names alone help to guess what was meant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalog {
    /// By name.
    pub subjects: BTreeMap<String, Subject>,
}
