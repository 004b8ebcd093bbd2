//! `cpu_limit`, `memory_limit`, `pids_limit`: a container gets less than it had, by its cgroup.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::facts;
use crate::bindings::duress::plugin::changes::{self, Limits};
use crate::{Action, Change, Fault, Parameters, Result, Step};

/// More than any machine has: it lifts a limit.
const UNLIMITED: Limits = Limits {
    cpus: Some(f64::MAX),
    memory_bytes: Some(u64::MAX),
    pids: Some(u32::MAX),
};
/// What leaves everything as it is.
const UNCHANGED: Limits = Limits {
    cpus: None,
    memory_bytes: None,
    pids: None,
};

/// How many processors are left.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CpuLimit {
    /// Processors, e.g. 0.25.
    #[schemars(range(min = 0.01, max = 1024.0))]
    pub cpus: f64,
}

impl Parameters for CpuLimit {}

/// `cpu_limit`.
pub fn cpu_limit() -> Fault {
    Fault::for_each(
        "cpu_limit",
        "Leave a container a part of a processor.",
        |limit: &CpuLimit, target, _| {
            let before = changes::current_limits(&target.name)?;
            let wanted = Limits {
                cpus: Some(limit.cpus),
                ..UNCHANGED
            };
            let restored = Limits {
                cpus: before.cpus.or(UNLIMITED.cpus),
                ..UNCHANGED
            };
            step(
                &target.name,
                &format!("limit {} to {} processors", target.name, limit.cpus),
                wanted,
                restored,
                facts! { "cpus": limit.cpus },
            )
        },
    )
}

/// How much memory is left.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MemoryLimit {
    /// Mebibytes of memory, swap included. A container that needs more is killed by the kernel.
    #[schemars(range(min = 6, max = 16_777_216))]
    pub memory_mb: u32,
}

impl Parameters for MemoryLimit {}

/// `memory_limit`.
pub fn memory_limit() -> Fault {
    Fault::for_each(
        "memory_limit",
        "Leave a container less memory; what needs more is killed by the kernel.",
        |limit: &MemoryLimit, target, _| {
            let before = changes::current_limits(&target.name)?;
            let bytes = u64::from(limit.memory_mb) << 20;
            let wanted = Limits {
                memory_bytes: Some(bytes),
                ..UNCHANGED
            };
            let restored = Limits {
                memory_bytes: before.memory_bytes.or(UNLIMITED.memory_bytes),
                ..UNCHANGED
            };
            let summary = format!("limit {} to {} MiB of memory", target.name, limit.memory_mb);
            step(
                &target.name,
                &summary,
                wanted,
                restored,
                facts! { "memory_mb": limit.memory_mb },
            )
        },
    )
}

/// How many processes may be.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PidsLimit {
    /// Processes and threads. With more there already, none can be added.
    #[schemars(range(min = 1, max = 4_194_304))]
    pub pids: u32,
}

impl Parameters for PidsLimit {}

/// `pids_limit`.
pub fn pids_limit() -> Fault {
    Fault::for_each(
        "pids_limit",
        "Let a container have no more processes and threads than so many.",
        |limit: &PidsLimit, target, _| {
            let before = changes::current_limits(&target.name)?;
            let wanted = Limits {
                pids: Some(limit.pids),
                ..UNCHANGED
            };
            let restored = Limits {
                pids: before.pids.or(UNLIMITED.pids),
                ..UNCHANGED
            };
            let summary = format!("limit {} to {} processes", target.name, limit.pids);
            step(
                &target.name,
                &summary,
                wanted,
                restored,
                facts! { "pids": limit.pids },
            )
        },
    )
}

fn step(
    target: &str,
    summary: &str,
    wanted: Limits,
    restored: Limits,
    own: Map<String, Value>,
) -> Result<Step> {
    let mut facts = facts! { "target_container": target };
    facts.extend(own);
    Ok(Step {
        facts,
        changes: vec![
            Change {
                container: target.into(),
                summary: summary.into(),
                apply: vec![Action::Limit(wanted)],
                revert: vec![Action::Limit(restored)],
                in_force: None,
            }
            .into(),
        ],
    })
}
