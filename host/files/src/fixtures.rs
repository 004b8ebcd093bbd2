//! What a hostile user puts in the place of a file, for the tests of all that opens files.

use std::path::Path;

/// Makes a named pipe that nobody writes to.
///
/// # Errors
/// As mknod(2).
pub fn make_pipe(path: &Path) -> std::io::Result<()> {
    let mode = rustix::fs::Mode::RWXU;
    rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0)?;
    Ok(())
}

/// Gives a path to another user; `false` where this user may not.
pub fn give_away(path: &Path) -> bool {
    std::os::unix::fs::lchown(path, Some(12_345), Some(12_345)).is_ok()
}
