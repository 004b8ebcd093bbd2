//! Faults, as plugins describe them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Services;

/// Who picks a fault's targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The host, from the trial's seed.
    ByHost,
    /// The fault, by the system's state.
    ByFault,
}

/// See `chaos.fault-type` in `wit/plugin.wit`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultType {
    /// The plugin that brings it, e.g. `etcd`.
    pub plugin: String,
    /// e.g. `network_partition`.
    pub name: String,
    /// One sentence.
    pub summary: String,
    /// JSON Schema of its parameters.
    pub parameters: Value,
    /// What it needs, e.g. `tool:tc`.
    pub requires: Vec<String>,
    /// The services that it may hurt; none: any.
    pub services: Vec<String>,
    /// Who picks among them.
    pub choice: Choice,
}

impl FaultType {
    /// Returns whether it may hurt a service.
    pub fn may_hurt(&self, service: &str) -> bool {
        self.services.is_empty() || Services::new(&self.services).contains(service)
    }
}

/// What is wrong with a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterProblem {
    /// A JSON Pointer into the parameters.
    pub pointer: String,
    /// A fragment.
    pub message: String,
}
