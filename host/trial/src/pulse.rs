//! This machine's own pulse: whether the process, or all of the machine, stood still for a while, and how much it kept work waiting.
//! Times that were measured meanwhile say nothing about a subject.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use procfs::Current as _;
use procfs::{CpuPressure, IoPressure, MemoryPressure, Uptime};

use duress_model::Pressure;

/// How often the pulse is felt.
const BEAT: Duration = Duration::from_millis(250);
/// From this on a gap between two beats is a freeze: a thread that does nothing else is not held up for so long by load alone.
const FREEZE: Duration = Duration::from_secs(3);

/// Watches this machine for as long as some trial needs it.
#[derive(Debug)]
pub struct Pulse {
    freezes: Mutex<Vec<Freeze>>,
}

/// The machine, or this process, stood still. Times are since the machine started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Freeze {
    from: Duration,
    to: Duration,
}

impl Pulse {
    /// Begins to watch, in a thread of its own: the ones that work may be held up by their work.
    pub fn start() -> Arc<Self> {
        let pulse = Arc::new(Self {
            freezes: Mutex::default(),
        });
        let watched = Arc::downgrade(&pulse);
        std::thread::spawn(move || {
            let mut last = since_start();
            loop {
                std::thread::sleep(BEAT);
                let Some(pulse) = watched.upgrade() else {
                    return;
                };
                let now = since_start();
                pulse.beat(last, now);
                last = now;
            }
        });
        pulse
    }

    /// A moment that freezes are asked for later.
    pub(super) fn now() -> Duration {
        since_start()
    }

    fn beat(&self, last: Duration, now: Duration) {
        if now.saturating_sub(last) >= FREEZE {
            self.freezes
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .push(Freeze {
                    from: last,
                    to: now,
                });
        }
    }

    /// For how long it stood still in all since a moment. A gap that has not ended counts too.
    pub(super) fn frozen_since(&self, moment: Duration) -> Option<Duration> {
        let freezes = self.freezes.lock().unwrap_or_else(PoisonError::into_inner);
        let overlap = |freeze: &Freeze| freeze.to.saturating_sub(freeze.from.max(moment));
        let total: Duration = freezes.iter().map(overlap).sum();
        (!total.is_zero()).then_some(total)
    }
}

/// Time that goes on while the machine sleeps, and while this process is stopped (proc_uptime(5)).
fn since_start() -> Duration {
    let seconds = Uptime::current().map_or(0.0, |time| time.uptime);
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// The kernel's counters of time in which some work waited, in microseconds (proc_pressure(5)).
#[derive(Debug, Clone, Copy)]
pub(super) struct Waits {
    at: Duration,
    cpu: u64,
    io: u64,
    memory: u64,
}

impl Waits {
    /// As they stand now; `None` where this kernel does not count.
    pub(super) fn now() -> Option<Self> {
        Some(Self {
            at: since_start(),
            cpu: CpuPressure::current().ok()?.some.total,
            io: IoPressure::current().ok()?.some.total,
            memory: MemoryPressure::current().ok()?.some.total,
        })
    }

    /// Returns the shares of the time since then.
    pub(super) fn until_now(self) -> Option<Pressure> {
        Some(self.until(Self::now()?))
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "microseconds of a trial are far below 2^52"
    )]
    fn until(self, now: Self) -> Pressure {
        let passed = now.at.saturating_sub(self.at).as_micros().max(1) as f64;
        let share = |before: u64, now: u64| {
            let percent = now.saturating_sub(before) as f64 / passed * 100.0;
            (percent.min(100.0) * 10.0).round() / 10.0
        };
        Pressure {
            cpu: share(self.cpu, now.cpu),
            io: share(self.io, now.io),
            memory: share(self.memory, now.memory),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_gap_between_two_beats_is_a_freeze() {
        let pulse = Pulse {
            freezes: Mutex::default(),
        };
        pulse.beat(seconds(10), seconds(11));
        assert_eq!(
            pulse.frozen_since(seconds(0)),
            None,
            "load alone is not a freeze"
        );
        pulse.beat(seconds(11), seconds(31));
        assert_eq!(pulse.frozen_since(seconds(0)), Some(seconds(20)));
        assert_eq!(pulse.frozen_since(seconds(21)), Some(seconds(10)));
        assert_eq!(pulse.frozen_since(seconds(31)), None, "it was before");
    }

    #[test]
    fn pressure_is_a_share_of_the_time() {
        let waits = |at, cpu| Waits {
            at: seconds(at),
            cpu,
            io: 0,
            memory: 0,
        };
        let pressure = waits(10, 1_000_000).until(waits(20, 7_000_000));
        assert_eq!((pressure.cpu, pressure.io), (60.0, 0.0));
        assert!(pressure.is_overload());
        assert!(!waits(10, 0).until(waits(20, 4_000_000)).is_overload());
    }
}
