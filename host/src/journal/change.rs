//! A change as the journal keeps it: the same shapes as `changes` in `wit/plugin.wit`, in a form that lasts.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::engine::{ContainerId, Limits, Project};

/// Where a program runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In the container.
    Container,
    /// In its network namespace.
    NetworkOfContainer,
}

/// A program and where it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedProgram {
    /// In what surroundings.
    pub place: Place,
    /// An argument vector.
    pub command: Vec<String>,
    /// After this it counts as failed.
    pub timeout_ms: u64,
}

/// An HTTP request whose host may be a container's name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HttpRequest {
    /// e.g. `POST`.
    pub method: String,
    /// Absolute.
    pub url: String,
    /// Name and value.
    pub headers: Vec<(String, String)>,
    /// Empty for none.
    pub body: Vec<u8>,
    /// For the whole exchange.
    pub timeout_ms: u64,
}

impl HttpRequest {
    /// The limit on the whole exchange.
    pub fn timeout(&self) -> Duration {
        Duration::from_millis(self.timeout_ms)
    }
}

/// One thing that the host does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Run a program.
    Run(PlacedProgram),
    /// Send a signal to the first process.
    Signal(String),
    /// Freeze.
    Pause,
    /// Thaw.
    Unpause,
    /// Stop, with a grace in milliseconds.
    Stop {
        /// Before it is killed.
        grace_ms: u64,
    },
    /// Start.
    Start,
    /// Change limits.
    Limit(Limits),
    /// Take up space.
    FillDisk {
        /// Absolute, in the container.
        path: String,
        /// In bytes.
        size: u64,
    },
    /// Give the space back.
    RemoveFill {
        /// Absolute, in the container.
        path: String,
    },
    /// Ask the system.
    Ask(HttpRequest),
}

/// How the host sees that a change is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// In force while the program exits 0.
    Run(PlacedProgram),
    /// In force while the answer has status 200 and holds the text.
    Answer {
        /// What to ask.
        request: HttpRequest,
        /// What to look for.
        text: String,
    },
}

/// A change with its way back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The stack that it belongs to.
    pub project: Project,
    /// The container, by the engine's name.
    pub container: ContainerId,
    /// The container, by the plugin's name.
    pub container_name: String,
    /// One line.
    pub summary: String,
    /// What breaks it.
    pub apply: Vec<Action>,
    /// What takes it back.
    pub revert: Vec<Action>,
    /// How to see that it is in force, beyond what the host sees for itself.
    pub in_force: Option<Probe>,
    /// The HTTP hosts beyond the stack that its requests may go to.
    pub http_hosts: Vec<String>,
}
