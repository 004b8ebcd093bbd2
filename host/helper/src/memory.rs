//! Memory, taken and held.

use std::time::Duration;

use anyhow::{Context as _, Result};

/// Taken at once: small beside any limit, so that a limit that is met is met softly.
const PIECE: usize = 4 << 20;
/// The smallest page of any machine.
const PAGE: usize = 4 << 10;
/// How often all of it is touched, so that the kernel does not think it idle.
const TOUCHES: Duration = Duration::from_secs(1);

pub(crate) fn run(bytes: usize) -> Result<()> {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    let mut left = bytes;
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
