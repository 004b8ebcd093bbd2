//! The kinds of changes that a plugin may be granted, and how a person is asked for them.

use duress_network::Effect;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A kind of change to a container, with its inverse.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ActionKind {
    /// Send a signal to its first process.
    Signal,
    /// Freeze and unfreeze it.
    Pause,
    /// Stop and start it.
    Stop,
    /// Restart it.
    Restart,
    /// Send a signal to one of its processes.
    SignalProcess,
    /// Change its limits.
    Limit,
    /// Fill its disk, and free it.
    FillDisk,
    /// Use processor time in it.
    BurnCpu,
    /// Hold memory in it.
    HoldMemory,
    /// Write to its disk.
    WriteDisk,
    /// Answer its DNS queries wrongly.
    AnswerDns,
    /// Delay, lose or damage its packets.
    QueuePackets,
    /// Leave a program running in it.
    RunProgram,
    /// Drop its packets.
    DropPackets,
    /// Reject its packets and reset its connections.
    RejectPackets,
    /// Lead its packets to another of its ports.
    RedirectPackets,
    /// Set the mark of its packets.
    MarkPackets,
    /// Delay, lose, damage, repeat or reorder what it sends.
    ImpairLink,
    /// Limit how fast it sends.
    LimitRate,
    /// Replace it by one with another command or environment.
    Recreate,
    /// Replace it by one of another image.
    ChangeImage,
    /// Change the number of its service's containers.
    Scale,
    /// Run programs on its volumes while it is stopped.
    RunOffline,
}

impl ActionKind {
    /// Returns the kind of a typed effect.
    pub(super) fn of(effect: &Effect) -> Self {
        match effect {
            Effect::Drop(_) => Self::DropPackets,
            Effect::Reject(_) | Effect::Reset(_) => Self::RejectPackets,
            Effect::Redirect(..) => Self::RedirectPackets,
            Effect::Mark(..) => Self::MarkPackets,
            Effect::Impair(..) => Self::ImpairLink,
            Effect::LimitRate { .. } => Self::LimitRate,
            Effect::AnswerDns { .. } => Self::AnswerDns,
        }
    }

    /// As it stands in a manifest.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Signal => "signal",
            Self::Pause => "pause",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::SignalProcess => "signal_process",
            Self::Limit => "limit",
            Self::FillDisk => "fill_disk",
            Self::BurnCpu => "burn_cpu",
            Self::HoldMemory => "hold_memory",
            Self::WriteDisk => "write_disk",
            Self::AnswerDns => "answer_dns",
            Self::QueuePackets => "queue_packets",
            Self::RunProgram => "run_program",
            Self::DropPackets => "drop_packets",
            Self::RejectPackets => "reject_packets",
            Self::RedirectPackets => "redirect_packets",
            Self::MarkPackets => "mark_packets",
            Self::ImpairLink => "impair_link",
            Self::LimitRate => "limit_rate",
            Self::Recreate => "recreate",
            Self::ChangeImage => "change_image",
            Self::Scale => "scale",
            Self::RunOffline => "run_offline",
        }
    }

    /// As a person is asked for it.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Signal => "send signals to their first process",
            Self::Pause => "freeze them",
            Self::Stop => "stop and start them",
            Self::Restart => "restart them",
            Self::SignalProcess => "send signals to single processes",
            Self::Limit => "change their limits of processors, memory and processes",
            Self::FillDisk => "fill their disks",
            Self::BurnCpu => "use up processor time in them",
            Self::HoldMemory => "use up memory in them",
            Self::WriteDisk => "keep their disks busy",
            Self::AnswerDns => "answer their DNS queries wrongly",
            Self::QueuePackets => "delay, lose or damage their packets",
            Self::RunProgram => "leave programs running in them until the fault is reverted",
            Self::DropPackets => "drop their packets",
            Self::RejectPackets => "reject their packets and reset their connections",
            Self::RedirectPackets => "redirect their packets to other ports of the same container",
            Self::MarkPackets => "mark their packets",
            Self::ImpairLink => "delay, lose, damage, repeat or reorder what they send",
            Self::LimitRate => "limit how fast they send",
            Self::Recreate => {
                "replace them by containers with another command and environment: ANY program of their images can run in their place, \
                 with their volumes and rights"
            }
            Self::ChangeImage => {
                "replace them by containers of ANY image on the engine's machine, with their volumes and rights"
            }
            Self::Scale => "start more containers of their services, and stop some",
            Self::RunOffline => "stop them, and run programs on their volumes meanwhile",
        }
    }
}
