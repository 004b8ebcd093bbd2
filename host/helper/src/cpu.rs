//! Processor time, used to a chosen part.

use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;

/// One round of work and rest: short enough that an average over a second is true, long enough that the clock costs nothing.
const ROUND: Duration = Duration::from_millis(50);

/// How much.
#[derive(Debug, Args)]
pub(crate) struct Load {
    /// How much of a processor each worker uses, in percent
    #[arg(long)]
    percent: u8,
    /// How many workers; 0: one for each processor that this program may use
    #[arg(long)]
    workers: u32,
}

pub(crate) fn run(load: &Load) -> Result<()> {
    let work = ROUND * u32::from(load.percent.min(100)) / 100;
    let workers = match load.workers {
        0 => std::thread::available_parallelism()?.get(),
        workers => workers as usize,
    };
    for _ in 0..workers {
        std::thread::Builder::new().spawn(move || {
            loop {
                let begun = Instant::now();
                while begun.elapsed() < work {
                    std::hint::spin_loop();
                }
                std::thread::sleep(ROUND.saturating_sub(begun.elapsed()));
            }
        })?;
    }
    crate::ready()?;
    loop {
        std::thread::park();
    }
}
