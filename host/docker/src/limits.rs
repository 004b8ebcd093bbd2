//! A container's limits, as the engine keeps them.

use bollard::models::{ContainerInspectResponse, ContainerUpdateBody};

use duress_engine::{Limits, LimitsRecord, PERIOD};

/// The engine takes no word for "no limit" of memory. This is what the kernel itself says of a group without one (the largest number
/// of whole pages), so that its group is as it was.
const UNLIMITED_MEMORY: i64 = i64::MAX - 4095;
/// The smallest quota that the kernel takes, in microseconds.
const SMALLEST_QUOTA: f64 = 1_000.0;

pub(super) fn read(container: &ContainerInspectResponse) -> LimitsRecord {
    let Some(config) = &container.host_config else {
        return LimitsRecord::default();
    };
    LimitsRecord {
        nano_cpus: config.nano_cpus.unwrap_or(0),
        cpu_quota: config.cpu_quota.unwrap_or(0),
        cpu_period: config.cpu_period.unwrap_or(0),
        memory: config.memory.unwrap_or(0),
        memory_swap: config.memory_swap.unwrap_or(0),
        memory_reservation: config.memory_reservation.unwrap_or(0),
        pids: config.pids_limit.unwrap_or(0),
    }
}

/// Returns what makes a container's limits tighter, in the units in which it has them.
pub(super) fn tighten(now: &LimitsRecord, wanted: Limits) -> ContainerUpdateBody {
    let mut body = ContainerUpdateBody::default();
    if let Some(cpus) = wanted.cpus {
        if now.nano_cpus > 0 {
            // The engine allows one of the two ways only, and this container began with this one.
            body.nano_cpus = Some((cpus * 1e9).round() as i64);
        } else {
            let own = if now.cpu_period > 0 {
                now.cpu_period
            } else {
                PERIOD
            };
            let period = if cpus * (own as f64) < SMALLEST_QUOTA {
                PERIOD
            } else {
                own
            };
            if period != own {
                body.cpu_period = Some(period);
            }
            let quota = (cpus * period as f64).max(SMALLEST_QUOTA);
            body.cpu_quota = Some(quota.round() as i64);
        }
    }
    if let Some(bytes) = wanted.memory_bytes {
        let bytes = i64::try_from(bytes).unwrap_or(UNLIMITED_MEMORY);
        // Swap is counted in: the sum is the same number.
        body.memory = Some(bytes);
        body.memory_swap = Some(bytes);
        if now.memory_reservation > bytes {
            body.memory_reservation = Some(bytes);
        }
    }
    body.pids_limit = wanted.pids.map(i64::from);
    body
}

/// Returns what gives a container the limits back that it had, of the kinds that were changed.
pub(super) fn restore(
    now: &LimitsRecord,
    record: &LimitsRecord,
    kinds: &Limits,
) -> ContainerUpdateBody {
    let mut body = ContainerUpdateBody::default();
    if kinds.cpus.is_some() {
        if record.nano_cpus > 0 {
            body.nano_cpus = Some(record.nano_cpus);
        } else if now.nano_cpus == 0 {
            body.cpu_quota = Some(if record.cpu_quota > 0 {
                record.cpu_quota
            } else {
                -1
            });
            if now.cpu_period != record.cpu_period {
                body.cpu_period = Some(if record.cpu_period > 0 {
                    record.cpu_period
                } else {
                    PERIOD
                });
            }
        }
    }
    if kinds.memory_bytes.is_some() {
        let limited = record.memory > 0;
        body.memory = Some(if limited {
            record.memory
        } else {
            UNLIMITED_MEMORY
        });
        body.memory_swap = match record.memory_swap {
            _ if !limited => Some(UNLIMITED_MEMORY),
            0 => None,
            swap => Some(swap),
        };
        if record.memory_reservation > 0 {
            body.memory_reservation = Some(record.memory_reservation);
        }
    }
    if kinds.pids.is_some() {
        body.pids_limit = Some(record.pids);
    }
    body
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns what a container has once it was updated, as the engine does it.
    fn updated(now: LimitsRecord, body: &ContainerUpdateBody) -> LimitsRecord {
        // 0 is what the engine leaves as it is, but for processes.
        let new = |old: i64, new: Option<i64>| new.filter(|new| *new != 0).unwrap_or(old);
        LimitsRecord {
            nano_cpus: new(now.nano_cpus, body.nano_cpus),
            cpu_quota: new(now.cpu_quota, body.cpu_quota),
            cpu_period: new(now.cpu_period, body.cpu_period),
            memory: new(now.memory, body.memory),
            memory_swap: new(now.memory_swap, body.memory_swap),
            memory_reservation: new(now.memory_reservation, body.memory_reservation),
            pids: body.pids_limit.unwrap_or(now.pids),
        }
    }

    #[test]
    fn what_was_is_restored_in_its_own_units() {
        let none = LimitsRecord::default();
        let wanted = Limits {
            cpus: Some(0.02),
            memory_bytes: Some(64 << 20),
            pids: Some(10),
        };
        for had in [
            none,
            LimitsRecord {
                nano_cpus: 1_500_000_000,
                pids: -1,
                ..none
            },
            LimitsRecord {
                cpu_quota: 37_000,
                cpu_period: 50_000,
                pids: 100,
                ..none
            },
            LimitsRecord {
                cpu_quota: 5_000,
                cpu_period: 10_000,
                ..none
            },
            LimitsRecord {
                memory: 200 << 20,
                memory_swap: 400 << 20,
                memory_reservation: 150 << 20,
                ..none
            },
            LimitsRecord {
                memory: 200 << 20,
                memory_swap: -1,
                ..none
            },
        ] {
            let limited = updated(had, &tighten(&had, wanted));
            assert!(limited.limits().holds(&wanted), "{had:?}: {limited:?}");
            let restored = updated(limited, &restore(&limited, &had, &wanted));
            assert!(restored.is_same(&had, &wanted), "{had:?}: {restored:?}");
        }
    }

    #[test]
    fn what_was_not_limited_is_left_alone() {
        let had = LimitsRecord {
            memory: 200 << 20,
            memory_swap: 400 << 20,
            pids: 7,
            ..LimitsRecord::default()
        };
        let cpus = Limits {
            cpus: Some(0.5),
            ..Limits::default()
        };
        for body in [tighten(&had, cpus), restore(&had, &had, &cpus)] {
            assert_eq!(
                (body.memory, body.memory_swap, body.pids_limit),
                (None, None, None)
            );
        }
    }
}
