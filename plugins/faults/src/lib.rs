//! The standard faults, for any subject: a campaign names them by their names, or as `faults:latency` where the subject has one of the
//! same name.

use duress_sdk::{Fault, faults};

/// Returns every fault; the same list at each call.
pub fn all() -> Vec<Fault> {
    vec![
        faults::node_kill::fault(),
        faults::process::pause(),
        faults::process::kill(),
        faults::container_stop::fault(),
        faults::container_restart::fault(),
        faults::container_recreate::fault(),
        faults::scale::fault(),
        faults::network_partition::fault(&["*"]),
        faults::topology::fault(),
        faults::network_partition::tcp_reset(&["*"]),
        faults::dns_failure::fault(),
        faults::latency::fault(),
        faults::netem::packet_loss(),
        faults::netem::burst_loss(),
        faults::netem::corruption(),
        faults::netem::duplication(),
        faults::netem::reordering(),
        faults::bandwidth::fault(),
        faults::disk_pressure::fault(),
        faults::stress::disk_stress(),
        faults::stress::cpu_stress(),
        faults::stress::memory_pressure(),
        faults::limits::cpu_limit(),
        faults::limits::memory_limit(),
        faults::limits::pids_limit(),
    ]
}

duress_sdk::export_faults!(all);
