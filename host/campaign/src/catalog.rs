//! What there is to run against: subjects and their faults, as the host has read them from plugins.

use std::collections::BTreeMap;
use std::time::Duration;

use duress_model::FaultType;

/// One system under test.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Subject {
    /// The services of its compose file; empty where they are not known, and then a campaign's targets are not checked.
    pub services: Vec<String>,
    /// The services that faults may touch at most, as its manifest says; absent where that is not known.
    pub targets: Option<Vec<String>>,
    /// It is a system that already runs.
    pub attached: bool,
    /// The operations that its plugin brings for a workload; absent where that is not known.
    pub operations: Option<Vec<String>>,
    /// The number of containers of each service that does not have one; `None` where only the compose tool knows.
    pub scale: BTreeMap<String, Option<u64>>,
    /// Its own faults first, then those of the plugins for any subject: of two with one name the first is meant.
    pub faults: Vec<FaultType>,
    /// How long it may take to be healthy after a fault was reverted.
    pub recovery_timeout: Option<Duration>,
    /// How long it may take to come up.
    pub reset_timeout: Option<Duration>,
}

impl Subject {
    /// Returns how many containers of some services there are; `None` where only the compose tool knows.
    pub(super) fn containers<'a>(&self, services: impl Iterator<Item = &'a String>) -> Option<u64> {
        services
            .map(|service| self.scale.get(service).copied().unwrap_or(Some(1)))
            .sum()
    }

    /// Returns the fault that `name` or `plugin:name` stands for.
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
    /// The folders that were searched, for the message when nothing is found.
    pub searched: String,
    /// Plugins with faults for any subject that are left aside, each with what to do about it.
    pub left_aside: BTreeMap<String, String>,
}
