//! The standard faults, for any subject: each is written here once, and a subject names its services.
//!
//! Each module has `fault()`, which the subject puts into its list, and a planning function that touches nothing.

pub mod bandwidth;
pub mod container_restart;
pub mod container_stop;
pub mod destination;
pub mod disk_pressure;
pub mod dns_failure;
pub mod impairment;
pub mod latency;
pub mod limits;
pub mod link;
pub mod netem;
pub mod network_partition;
pub mod node_kill;
pub mod process;
mod rule;
pub mod stress;
pub mod topology;

use std::time::Duration;

use crate::wait::milliseconds;
use crate::{Action, Place, Program};

/// For one of the network tools: they take milliseconds, and seconds on a machine that is out of breath.
const TOOL_LIMIT: Duration = Duration::from_secs(10);

/// A network tool, run in the container's network namespace.
fn tool(command: &[&str]) -> Program {
    Program {
        place: Place::NetworkOfContainer,
        command: command.iter().map(|word| (*word).to_owned()).collect(),
        timeout: milliseconds(TOOL_LIMIT),
        tolerated: Vec::new(),
    }
}

/// As [`tool`], for taking back what may not be there (any more): the tool's exit code for that is no failure.
fn undo(command: &[&str], absent: i32) -> Action {
    let mut program = tool(command);
    program.tolerated = vec![absent];
    Action::Run(program)
}

/// The facts of a step: pairs of a name and anything that is JSON.
macro_rules! facts {
    ($($name:literal: $value:expr),+ $(,)?) => {
        serde_json::Map::from_iter([$(($name.to_owned(), serde_json::json!($value))),+])
    };
}
use facts;

#[cfg(test)]
pub(crate) fn container(name: &str, addresses: &[(&str, &str)]) -> crate::Container {
    use crate::bindings::duress::plugin::containers::{Address, Health, State};
    crate::Container {
        name: name.into(),
        service: name.into(),
        state: State::Running,
        health: Health::None,
        addresses: addresses
            .iter()
            .map(|(network, ip)| Address {
                network: (*network).into(),
                ip: (*ip).into(),
            })
            .collect(),
        targetable: true,
    }
}
