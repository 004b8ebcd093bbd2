//! Processor time, used to a chosen part.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use rustix::time::{ClockId, clock_gettime};

/// Length of one round of work and rest: short enough that an average over a second is true, long
/// enough that reading the clocks costs nothing.
const ROUND: Duration = Duration::from_millis(50);
/// Limit on the processor time that a worker may catch up on. A worker that was frozen for a minute
/// must not use a whole processor for the next one.
const BACKLOG_LIMIT: Duration = Duration::from_millis(500);

/// Spins between two looks at the clock: some microseconds.
const SPINS: u32 = 200;

/// Uses this part of a processor in each worker; with no workers, in one for each processor that this program may use.
pub(crate) fn run(percent: u8, workers: u32) -> Result<()> {
    let workers = match workers {
        0 => std::thread::available_parallelism()?.get(),
        workers => workers as usize,
    };
    for _ in 0..workers {
        std::thread::Builder::new()
            .spawn(move || work(percent))
            .context("start a worker")?;
    }
    crate::ready()?;
    loop {
        std::thread::park();
    }
}

fn work(percent: u8) {
    let mut begun = Instant::now();
    let mut pace = Pace::new(percent);
    loop {
        let goal = used() + pace.budget();
        while used() < goal {
            // Reading the clock is a system call: most of the time is to be spent in the program.
            for _ in 0..SPINS {
                std::hint::spin_loop();
            }
        }
        let rest = pace.rest(begun.elapsed());
        if !rest.is_zero() {
            std::thread::sleep(rest);
        }
        let now = Instant::now();
        pace.passed(now - begun);
        begun = now;
    }
}

/// Returns the processor time that the calling thread has used. The wall clock also counts the time
/// in which other programs had the processor.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Decides how long a worker works and rests, so that its processor time is the chosen part of the
/// time that passes. A round that took longer than planned, because others had the processor, is
/// made up for in the next ones.
struct Pace {
    percent: u32,
    /// Processor time that is still to be used.
    owed: Duration,
    /// Processor time of the current round.
    working: Duration,
}

impl Pace {
    fn new(percent: u8) -> Self {
        let percent = u32::from(percent);
        Self {
            percent,
            owed: ROUND * percent / 100,
            working: Duration::ZERO,
        }
    }

    /// Returns the processor time to use now.
    fn budget(&mut self) -> Duration {
        self.working = self.owed.min(ROUND);
        self.working
    }

    /// Returns how long to sleep once the budget is used and this much of the round has passed.
    /// A worker that still owes processor time does not sleep.
    fn rest(&self, passed: Duration) -> Duration {
        if self.percent == 0 {
            return ROUND;
        }
        let owed_later = (self.owed - self.working) + passed * self.percent / 100;
        let round = ROUND * self.percent / 100;
        // Sleep until a full round's work is owed again.
        round.saturating_sub(owed_later) * 100 / self.percent
    }

    /// Accounts for a whole round: its work is done, and it took this long.
    fn passed(&mut self, round: Duration) {
        let more = round * self.percent / 100;
        self.owed = (self.owed - self.working + more).min(BACKLOG_LIMIT);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the part of the time that a worker uses, where its work takes `slowdown` times as
    /// long as its processor time, after `rounds` rounds.
    fn share(percent: u8, slowdown: u32, rounds: u32) -> f64 {
        let mut pace = Pace::new(percent);
        let (mut used, mut wall) = (Duration::ZERO, Duration::ZERO);
        for _ in 0..rounds {
            let work = pace.budget();
            let round = work * slowdown + pace.rest(work * slowdown);
            pace.passed(round);
            used += work;
            wall += round;
        }
        used.as_secs_f64() / wall.as_secs_f64()
    }

    #[test]
    fn an_idle_processor_is_used_to_the_chosen_part() {
        for percent in [1, 5, 50, 80, 100] {
            let share = share(percent, 1, 200);
            assert!((share - f64::from(percent) / 100.0).abs() < 0.01, "{share}");
        }
    }

    #[test]
    fn a_processor_that_others_use_half_gives_the_chosen_part_all_the_same() {
        for percent in [5, 30, 50] {
            let share = share(percent, 2, 400);
            assert!((share - f64::from(percent) / 100.0).abs() < 0.02, "{share}");
        }
        // More than the others leave cannot be had; all that they leave is taken.
        let all = share(80, 2, 400);
        assert!((all - 0.5).abs() < 0.02, "{all}");
    }

    #[test]
    fn a_long_break_is_not_made_up_for() {
        let mut pace = Pace::new(50);
        pace.budget();
        pace.passed(Duration::from_secs(60));
        assert_eq!(pace.owed, BACKLOG_LIMIT);
    }
}
