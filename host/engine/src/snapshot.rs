//! A container at one moment, in enough detail to tell later whether somebody touched it.

use std::collections::BTreeMap;

use super::{ContainerId, State};

/// A container at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The engine's name for it.
    pub id: ContainerId,
    /// What plugins call it.
    pub name: String,
    /// Whether it runs.
    pub state: State,
    /// How its first process ended; `None` while it runs.
    pub exit_code: Option<i64>,
    /// The kernel ended processes of it for want of memory.
    pub out_of_memory: bool,
    /// When it was started last, in the engine's words. Two starts never have the same.
    pub started: String,
    /// How often its restart policy has started it again since somebody last did.
    pub restarts: i64,
    /// For each network that it is attached to, the engine's name for the attachment and the address there; none while it does not run.
    pub attachments: BTreeMap<String, Attachment>,
}

/// A container's place in a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attachment {
    /// The engine's name for it: another one after the container was disconnected and connected again.
    pub endpoint: String,
    /// The container's address there.
    pub address: String,
}
