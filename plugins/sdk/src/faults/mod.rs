//! The standard faults, for any subject: each is written here once, and a subject names its services.
//!
//! Each module has `fault()`, which the subject puts into its list, and a planning function that touches nothing.

pub mod bandwidth;
pub mod container_recreate;
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
pub mod scale;
pub mod stress;
pub mod topology;

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
