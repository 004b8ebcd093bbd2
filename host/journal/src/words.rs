//! Actions in words.

use std::fmt;

use super::change::{Action, Place};
use super::kept::Original;

/// As a person reads it: programs as they are typed.
impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Run(program) => {
                let place = match program.place {
                    Place::Container => "in the container",
                    Place::NetworkOfContainer => "in its network",
                };
                write!(f, "{place}: {}", program.command.join(" "))
            }
            Self::Signal(signal) => write!(f, "send {signal} to its first process"),
            Self::Pause => f.write_str("freeze it"),
            Self::Unpause => f.write_str("unfreeze it"),
            Self::Stop { grace_ms } => write!(f, "stop it, within {grace_ms} ms"),
            Self::Start => f.write_str("start it"),
            Self::Restart { grace_ms } => write!(f, "restart it, within {grace_ms} ms"),
            Self::SignalProcess { pid, signal, .. } => write!(f, "send {signal} to process {pid}"),
            Self::StartTask { id, work } => write!(f, "start {id}: {work}"),
            Self::StopTask { id } => write!(f, "end {id}"),
            Self::Limit(limits) => {
                f.write_str("set its limits:")?;
                if let Some(cpus) = limits.cpus {
                    write!(f, " {cpus} processors")?;
                }
                if let Some(bytes) = limits.memory_bytes {
                    write!(f, " {bytes} bytes of memory")?;
                }
                if let Some(pids) = limits.pids {
                    write!(f, " {pids} processes")?;
                }
                Ok(())
            }
            Self::RestoreLimits { .. } => f.write_str("restore its limits"),
            Self::FillDisk { path, size, .. } => write!(f, "allocate {size} bytes as {path}"),
            Self::RemoveFill { path } => write!(f, "remove {path}"),
            Self::ReplaceFile { path, contents, .. } => {
                write!(f, "write {} bytes into {path}", contents.0.len())
            }
            Self::RestoreFile { path, original } => match original {
                Original::Absent => write!(f, "remove {path}"),
                Original::Unknown | Original::File { .. } => write!(f, "restore {path}"),
            },
            Self::Rearrange(arrangement) => write!(f, "{arrangement}"),
            Self::PutBack => f.write_str("bring back the containers that were there before"),
            Self::RunOffline { command, .. } => {
                write!(f, "stop it, and run on its volumes: {}", command.join(" "))
            }
            Self::Ask(request) => write!(f, "{} {}", request.method, request.url),
        }
    }
}
