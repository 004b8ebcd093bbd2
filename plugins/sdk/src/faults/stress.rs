//! `cpu_stress`, `memory_pressure`, `disk_stress`: load in a container's own cgroup, made by duress's helper. Duress itself stays idle.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::facts;
use crate::bindings::duress::plugin::changes::{self, CpuLoad, DiskLoad, Task, Work};
use crate::{
    Action, Change, Error, Fault, FileSystem, Parameters, Problem, Result, Step, Token, containers,
};

const NEEDS: &[&str] = &["helper"];

/// How much processor time.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CpuStress {
    /// How much of a processor each worker uses, in percent.
    #[schemars(range(min = 1, max = 100))]
    pub percent: u8,
    /// How many workers; 0: one for each processor that the container may use.
    #[schemars(range(max = 1024))]
    pub workers: u32,
}

impl Default for CpuStress {
    fn default() -> Self {
        Self {
            percent: 80,
            workers: 0,
        }
    }
}

impl Parameters for CpuStress {}

/// `cpu_stress`.
pub fn cpu_stress() -> Fault {
    Fault::for_each(
        "cpu_stress",
        "Use processor time in a container's own cgroup.",
        |stress: &CpuStress, target, _| {
            let CpuStress { percent, workers } = *stress;
            let whose = match workers {
                0 => "every processor".to_owned(),
                workers => format!("{workers} processors"),
            };
            Ok(step(
                &target.name,
                format!("use {percent} % of {whose} in {}", target.name),
                Work::BurnCpu(CpuLoad { percent, workers }),
                facts! { "percent": percent, "workers": workers },
            ))
        },
    )
    .requires(NEEDS)
}

/// How much memory.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct MemoryPressure {
    /// How much of the container's limit is to be in use, with all that it uses now, in percent. Without either: 80.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub percent: Option<u8>,
    /// Instead: how much is taken, in mebibytes; no more than the limit leaves or, without a limit, than the machine can spare.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 16_777_216))]
    pub memory_mb: Option<u32>,
}

impl Parameters for MemoryPressure {
    fn problems(&self) -> Vec<Problem> {
        let both = self.percent.is_some() && self.memory_mb.is_some();
        let problem = Problem {
            pointer: "/memory_mb".into(),
            message: "stands beside percent: it is one or the other".into(),
        };
        both.then_some(problem).into_iter().collect()
    }
}

/// The utilisation when nothing is said, in percent.
const USUAL_PRESSURE: u8 = 80;

/// `memory_pressure`.
pub fn memory_pressure() -> Fault {
    Fault::for_each(
        "memory_pressure",
        "Take memory in a container's own cgroup, up to a share of its limit.",
        |pressure: &MemoryPressure, target, _| {
            let limit = changes::current_limits(&target.name)?.memory_bytes;
            let used = containers::memory_in_use(&target.name)?;
            let bytes = pressure.wanted(&target.name, limit, used)?;
            Ok(step(
                &target.name,
                format!("take {} MiB of memory in {}", bytes >> 20, target.name),
                Work::HoldMemory(bytes),
                facts! { "memory_bytes": bytes, "limit_bytes": limit, "used_bytes": used },
            ))
        },
    )
    .requires(NEEDS)
}

impl MemoryPressure {
    /// Returns how much is to be taken, in bytes.
    fn wanted(&self, target: &str, limit: Option<u64>, used: u64) -> Result<u64> {
        if let Some(memory_mb) = self.memory_mb {
            let wanted = u64::from(memory_mb) << 20;
            return match limit {
                Some(limit) if used.saturating_add(wanted) > limit => Err(Error::Invalid(format!(
                    "{target} uses {} MiB, and {memory_mb} MiB more are above its limit of {} MiB: the kernel would end what takes them",
                    used >> 20,
                    limit >> 20
                ))),
                _ => Ok(wanted),
            };
        }
        let percent = self.percent.unwrap_or(USUAL_PRESSURE);
        let limit = limit.ok_or_else(|| {
            Error::Invalid(format!(
                "{target} has no limit of memory to take {percent} % of: give it one in the compose file, or say `memory_mb`"
            ))
        })?;
        let wanted = (limit / 100 * u64::from(percent)).saturating_sub(used);
        if wanted == 0 {
            return Err(Error::Invalid(format!(
                "{target} uses {} MiB already, and {percent} % of its limit are no more",
                used >> 20
            )));
        }
        Ok(wanted)
    }
}

/// How much is written and read, and where.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DiskStress {
    /// A directory on the file system, as the container sees it.
    #[schemars(regex(pattern = "^/"))]
    pub path: String,
    /// How many workers, each with a file of its own.
    #[schemars(range(min = 1, max = 1024))]
    pub workers: u32,
    /// How large each file becomes, in mebibytes. It has no name, and is gone with the worker.
    #[schemars(range(min = 1, max = 65_536))]
    pub file_mb: u32,
    /// The path may lie on the container's root file system, or on a disk of the machine.
    pub allow_root_filesystem: bool,
}

impl Default for DiskStress {
    fn default() -> Self {
        Self {
            path: "/data".into(),
            workers: 1,
            file_mb: 64,
            allow_root_filesystem: false,
        }
    }
}

impl Parameters for DiskStress {}

/// `disk_stress`.
pub fn disk_stress() -> Fault {
    Fault::for_each(
        "disk_stress",
        "Write to a container's disk and read from it without a pause, in the container's own cgroup.",
        |stress: &DiskStress, target, _| {
            let file_system = super::disk_pressure::file_system(&target.name, &stress.path)?;
            plan_disk(stress, &target.name, &file_system)
        },
    )
    .requires(NEEDS)
}

fn plan_disk(stress: &DiskStress, target: &str, file_system: &FileSystem) -> Result<Step> {
    let DiskStress {
        path,
        workers,
        file_mb,
        allow_root_filesystem,
    } = stress;
    if file_system.root && !allow_root_filesystem {
        return Err(super::disk_pressure::on_root(target, path));
    }
    let file_bytes = u64::from(*file_mb) << 20;
    if file_bytes.saturating_mul(u64::from(*workers)) > file_system.available {
        return Err(Error::Invalid(format!(
            "{workers} files of {file_mb} MiB do not fit into what {path} of {target} has left ({} MiB)",
            file_system.available >> 20
        )));
    }
    Ok(step(
        target,
        format!("write and read {path} of {target} without a pause ({workers} workers)"),
        Work::WriteDisk(DiskLoad {
            folder: path.clone(),
            workers: *workers,
            file_bytes,
        }),
        facts! { "path": path, "workers": workers, "file_mb": file_mb },
    ))
}

fn step(target: &str, summary: String, work: Work, own: Map<String, Value>) -> Step {
    let id = format!("stress-{}", Token::fresh());
    let mut facts = facts! { "target_container": target, "task": id };
    facts.extend(own);
    Step {
        facts,
        changes: vec![
            Change {
                container: target.into(),
                summary,
                apply: vec![Action::StartTask(Task {
                    id: id.clone(),
                    work,
                })],
                revert: vec![Action::StopTask(id)],
                in_force: None,
            }
            .into(),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_used_already_counts() {
        let pressure = MemoryPressure {
            percent: Some(50),
            ..MemoryPressure::default()
        };
        let wanted = |limit, used| pressure.wanted("etcd0", limit, used);
        assert_eq!(wanted(Some(1000), 100), Ok(400));
        assert!(wanted(Some(1000), 500).is_err());
        assert!(wanted(None, 0).is_err());
    }

    #[test]
    fn an_amount_needs_no_limit() {
        let pressure = MemoryPressure {
            memory_mb: Some(3),
            ..MemoryPressure::default()
        };
        assert_eq!(pressure.wanted("etcd0", None, 7), Ok(3 << 20));
        assert_eq!(pressure.wanted("etcd0", Some(4 << 20), 7), Ok(3 << 20));
        // The kernel would end what takes more than there is.
        assert!(pressure.wanted("etcd0", Some(3 << 20), 7).is_err());
    }

    #[test]
    fn two_ways_at_once_are_refused() {
        let both = serde_json::json!({ "percent": 10, "memory_mb": 1 });
        assert_eq!(memory_pressure().check(&both)[0].pointer, "/memory_mb");
    }
}
