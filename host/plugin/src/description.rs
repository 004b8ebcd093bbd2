//! What a plugin says: of its faults, and of a system.

use serde::Serialize;
use serde_json::Value;

/// Whether a subject does its work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Health {
    /// It does.
    pub healthy: bool,
    /// Why, in one line.
    pub detail: String,
}

/// One measurement of a subject.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Metric {
    /// e.g. `stores_up`.
    pub name: String,
    /// Its value.
    pub value: f64,
    /// A UCUM code.
    pub unit: String,
}

/// What a subject says of itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct State {
    /// For people and reports.
    pub document: Value,
    /// The same as numbers.
    pub metrics: Vec<Metric>,
}
