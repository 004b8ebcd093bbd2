//! Facts about processes, from proc(5).

use procfs::process::Process;
use tokio::signal::unix::SignalKind;

/// Returns whether a signal stopped a process (proc_pid_stat(5)).
pub(crate) fn is_stopped(pid: i32) -> bool {
    Process::new(pid)
        .and_then(|process| process.stat())
        .is_ok_and(|stat| matches!(stat.state, 'T' | 't'))
}

/// Returns whether this process was started with a signal ignored (proc_pid_status(5), `SigIgn`).
pub(crate) fn is_ignored(kind: SignalKind) -> bool {
    let status = Process::myself().and_then(|process| process.status());
    let number = u32::try_from(kind.as_raw_value()).unwrap_or(0);
    status.is_ok_and(|status| status.sigign >> number.saturating_sub(1) & 1 == 1)
}
