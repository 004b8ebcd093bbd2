//! A container's limits, as the engine keeps them.

use bollard::models::{ContainerInspectResponse, ContainerUpdateBody};

use crate::engine::Limits;

/// The scheduler's period that a quota refers to, in microseconds: the kernel's own default.
const PERIOD: i64 = 100_000;
/// More processors than any machine has: no limit.
const UNLIMITED_CPUS: f64 = 1e6;
/// The engine cannot lift a memory limit again; one above any machine's memory is none. In bytes.
const UNLIMITED_MEMORY: i64 = 1 << 50;

pub(super) fn read(container: &ContainerInspectResponse) -> Limits {
    let Some(config) = &container.host_config else {
        return Limits::default();
    };
    let positive = |number: Option<i64>| number.filter(|number| *number > 0);
    let nano = positive(config.nano_cpus).map(|nano| nano as f64 / 1e9);
    let quota = positive(config.cpu_quota)
        .map(|quota| quota as f64 / positive(config.cpu_period).unwrap_or(PERIOD) as f64);
    let memory = positive(config.memory).filter(|bytes| *bytes < UNLIMITED_MEMORY);
    Limits {
        cpus: nano.or(quota),
        memory_bytes: memory.map(i64::unsigned_abs),
        pids: positive(config.pids_limit).and_then(|pids| u32::try_from(pids).ok()),
    }
}

pub(super) fn update(now: &ContainerInspectResponse, wanted: Limits) -> ContainerUpdateBody {
    let mut body = ContainerUpdateBody::default();
    if let Some(cpus) = wanted.cpus {
        let nano = now
            .host_config
            .as_ref()
            .and_then(|config| config.nano_cpus)
            .unwrap_or(0)
            > 0;
        if cpus > UNLIMITED_CPUS {
            body.cpu_quota = Some(-1);
        } else if nano {
            // The engine allows one of the two ways only, and this container began with this one.
            body.nano_cpus = Some((cpus * 1e9).round() as i64);
        } else {
            body.cpu_period = Some(PERIOD);
            body.cpu_quota = Some((cpus * PERIOD as f64).round() as i64);
        }
    }
    if let Some(bytes) = wanted.memory_bytes {
        let bytes = i64::try_from(bytes)
            .unwrap_or(UNLIMITED_MEMORY)
            .min(UNLIMITED_MEMORY);
        // Swap is counted in: the sum is the same number.
        body.memory = Some(bytes);
        body.memory_swap = Some(bytes);
    }
    if let Some(pids) = wanted.pids {
        body.pids_limit = Some(if pids == u32::MAX {
            -1
        } else {
            i64::from(pids)
        });
    }
    body
}

#[cfg(test)]
mod tests {
    use bollard::models::HostConfig;

    use super::*;

    fn container(config: HostConfig) -> ContainerInspectResponse {
        ContainerInspectResponse {
            host_config: Some(config),
            ..ContainerInspectResponse::default()
        }
    }

    #[test]
    fn a_limit_that_was_lifted_reads_as_none() {
        let lifted = Limits {
            cpus: Some(f64::MAX),
            memory_bytes: Some(u64::MAX),
            pids: Some(u32::MAX),
        };
        let body = update(&container(HostConfig::default()), lifted);
        let now = container(HostConfig {
            cpu_quota: body.cpu_quota,
            memory: body.memory,
            pids_limit: body.pids_limit,
            ..HostConfig::default()
        });
        assert_eq!(read(&now), Limits::default());
    }

    #[test]
    fn what_was_set_reads_the_same() {
        let wanted = Limits {
            cpus: Some(0.5),
            memory_bytes: Some(64 << 20),
            pids: Some(10),
        };
        let body = update(&container(HostConfig::default()), wanted);
        let now = container(HostConfig {
            cpu_quota: body.cpu_quota,
            cpu_period: body.cpu_period,
            memory: body.memory,
            pids_limit: body.pids_limit,
            ..HostConfig::default()
        });
        assert_eq!(read(&now), wanted);
    }
}
