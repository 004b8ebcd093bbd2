//! Memory, taken and held.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use procfs::{Current as _, Meminfo};

/// Taken at once: small beside any limit, so that a limit that is met is met softly.
const PIECE: usize = 4 << 20;
/// The smallest page of any machine.
const PAGE: usize = 4 << 10;
/// How often all of it is touched, so that the kernel does not think it idle.
const TOUCHES: Duration = Duration::from_secs(1);

/// Part of the machine's memory that is never taken, in percent: what the engine, duress and other
/// containers need meanwhile.
const RESERVE_PERCENT: u64 = 10;

pub(crate) fn run(bytes: u64) -> Result<()> {
    end_first();
    let machine = Meminfo::current().context("read /proc/meminfo")?;
    fits(
        bytes,
        machine.mem_total,
        machine.mem_available.unwrap_or(machine.mem_free),
    )?;
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    let mut left = usize::try_from(bytes).context("this machine cannot address so much memory")?;
    while left > 0 {
        let size = left.min(PIECE);
        let mut piece = Vec::new();
        piece
            .try_reserve_exact(size)
            .with_context(|| format!("take {bytes} bytes of memory"))?;
        piece.resize(size, 1);
        pieces.push(piece);
        left -= size;
    }
    crate::ready()?;
    loop {
        std::thread::sleep(TOUCHES);
        for piece in &mut pieces {
            for page in piece.chunks_mut(PAGE) {
                page[0] = std::hint::black_box(page[0].wrapping_add(1));
            }
        }
    }
}

/// Has the kernel end this program before any other where memory runs out after all
/// (proc_pid_oom_score_adj(5)): it must not cost the container, or the machine, one of its own.
fn end_first() {
    // Raising the score needs no privilege; where it fails, the kernel chooses by size.
    let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
}

/// Refuses an amount that the machine does not have to spare. A container without a limit is not
/// allowed to take the memory of everybody else.
fn fits(bytes: u64, total: u64, available: u64) -> Result<()> {
    let most = available.saturating_sub(total / 100 * RESERVE_PERCENT);
    if bytes > most {
        bail!(
            "the machine can spare {} MiB of memory, fewer than {} MiB",
            most >> 20,
            bytes >> 20
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_machine_cannot_spare_is_refused() {
        const GIB: u64 = 1 << 30;
        assert!(fits(6 * GIB, 10 * GIB, 8 * GIB).is_ok());
        let refused = fits(8 * GIB, 10 * GIB, 8 * GIB).expect_err("nothing would be left");
        assert!(refused.to_string().contains("can spare 7"), "{refused}");
        assert!(fits(1, 10 * GIB, GIB / 2).is_err());
    }
}
