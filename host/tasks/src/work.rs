//! Work that goes on beside a container until it is ended.

use serde::{Deserialize, Serialize};

/// Where the helper works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// In the container itself: among its processes, in its cgroup, with its files.
    Processes,
    /// In its network namespace alone.
    Network,
    /// In its pid namespace alone: among its processes, without using any of its resources.
    PidNamespace,
}

/// Work that goes on until it is stopped or its container ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Work {
    /// Use processor time.
    BurnCpu {
        /// Of one processor, by each worker.
        percent: u8,
        /// None: one for each processor that the container may use.
        workers: u32,
    },
    /// Hold memory.
    HoldMemory {
        /// How much.
        bytes: u64,
    },
    /// Write and read files without a name.
    WriteDisk {
        /// Absolute, in the container.
        folder: String,
        /// Each with a file of its own; at least one.
        workers: u32,
        /// The size of each file.
        file_bytes: u64,
        /// The folder may lie on a disk that is not the container's alone. The helper decides on the folder that it opened.
        #[serde(default)]
        root_filesystem_allowed: bool,
    },
    /// Answer some names wrongly.
    AnswerDns {
        /// On 127.0.0.1 of the container, by UDP and TCP.
        port: u16,
        /// How.
        lie: DnsLie,
        /// Which names, each with all beneath it; none: all.
        domains: Vec<String>,
        /// What [`DnsLie::WrongAddress`] gives.
        address: std::net::IpAddr,
    },
    /// Delay, lose, damage or reorder packets.
    QueuePackets(PacketQueue),
    /// Run a program of a plugin's own, as the container's own user.
    RunProgram {
        /// An argument vector.
        command: Vec<String>,
    },
}

/// How a DNS server lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DnsLie {
    /// There is no such name (RFC 1035: response code 3).
    Nxdomain,
    /// The server failed (response code 2).
    Servfail,
    /// Another address.
    WrongAddress,
}

/// How waits are spread around their mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Distribution {
    /// Each as likely.
    #[default]
    Uniform,
    /// As a bell.
    Normal,
    /// Few very long ones.
    Pareto,
}

/// What happens to the packets of a netfilter queue; all shares are in percent. The words are netem's (tc-netem(8)).
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PacketQueue {
    /// The queue's number.
    pub number: u16,
    /// The mean wait.
    pub delay_ms: f64,
    /// How far from the mean.
    pub jitter_ms: f64,
    /// How much a wait depends on the one before.
    pub delay_correlation_percent: f64,
    /// How waits are spread.
    pub distribution: Distribution,
    /// How many are lost.
    pub loss_percent: f64,
    /// How much a loss depends on the one before.
    pub loss_correlation_percent: f64,
    /// How likely the link turns bad at a packet.
    pub enter_percent: f64,
    /// How likely it turns good again.
    pub leave_percent: f64,
    /// How many are lost while it is bad.
    pub burst_loss_percent: f64,
    /// How many do not wait.
    pub reorder_percent: f64,
    /// How much that depends on the one before.
    pub reorder_correlation_percent: f64,
    /// How many have a bit flipped.
    pub corrupt_percent: f64,
    /// How much that depends on the one before.
    pub corrupt_correlation_percent: f64,
}

impl Work {
    /// Returns where it is done.
    pub fn beside(&self) -> Beside {
        match self {
            Self::BurnCpu { .. }
            | Self::HoldMemory { .. }
            | Self::WriteDisk { .. }
            | Self::RunProgram { .. } => Beside::Processes,
            Self::AnswerDns { .. } | Self::QueuePackets(_) => Beside::Network,
        }
    }
}

/// The most workers of one task: more than any machine has processors.
const WORKERS: u32 = 1_024;
/// The largest work, in bytes of its JSON: what is left of [`super::ARGUMENT_LIMIT`] goes to the user's name and the like.
const WORK_LIMIT: usize = 100 << 10;
/// The most names that one server lies about.
const DOMAINS: usize = 256;

impl Work {
    /// Whether it can be done.
    ///
    /// # Errors
    /// What is wrong, to stand behind a change's name.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::BurnCpu { percent, .. } if !(1..=100).contains(percent) => {
                Err(format!("uses {percent} % of a processor: it is 1 to 100"))
            }
            Self::BurnCpu { workers, .. } | Self::WriteDisk { workers, .. }
                if *workers > WORKERS =>
            {
                Err(format!("has {workers} workers: {WORKERS} are the most"))
            }
            Self::WriteDisk { folder, .. } if !folder.starts_with('/') || folder.contains('\0') => {
                Err(format!(
                    "names `{}`, which is not a plain absolute path",
                    folder.escape_debug()
                ))
            }
            Self::AnswerDns { domains, .. }
                if domains.len() > DOMAINS || domains.iter().any(|domain| !is_name(domain)) =>
            {
                Err(format!(
                    "lies about what is not a DNS name, or about more than {DOMAINS}"
                ))
            }
            Self::QueuePackets(queue) => queue.check(),
            Self::RunProgram { command } if command.first().is_none_or(String::is_empty) => {
                Err("runs no program".into())
            }
            Self::RunProgram { command } if command.iter().any(|word| word.contains('\0')) => {
                Err("has an argument with a NUL character".into())
            }
            _ => self.check_size(),
        }
    }
}

impl Work {
    fn check_size(&self) -> Result<(), String> {
        let size = serde_json::to_string(self).map_or(usize::MAX, |text| text.len());
        match size > WORK_LIMIT {
            true => Err(format!(
                "is too long: it takes {size} bytes, and {WORK_LIMIT} are the most"
            )),
            false => Ok(()),
        }
    }
}

/// A DNS name in letters, digits, hyphens, underscores and dots (RFC 1035, 2.3.1, and what is in use).
fn is_name(name: &str) -> bool {
    let fit = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    (1..=253).contains(&name.len()) && name.chars().all(fit)
}

/// In milliseconds: an hour. The kernel holds every packet that waits.
const LONGEST_WAIT: f64 = 3_600_000.0;

impl PacketQueue {
    /// Whether every number is in its range.
    ///
    /// # Errors
    /// What is wrong, as the end of a sentence.
    pub fn check(&self) -> Result<(), String> {
        for (name, number) in self.numbers() {
            let most = if name.ends_with("percent") {
                100.0
            } else {
                LONGEST_WAIT
            };
            if !(0.0..=most).contains(&number) {
                return Err(format!("has {number} as {name}: it is 0 to {most}"));
            }
        }
        Ok(())
    }

    fn numbers(&self) -> [(&'static str, f64); 12] {
        [
            ("delay-ms", self.delay_ms),
            ("jitter-ms", self.jitter_ms),
            ("delay-correlation-percent", self.delay_correlation_percent),
            ("loss-percent", self.loss_percent),
            ("loss-correlation-percent", self.loss_correlation_percent),
            ("enter-percent", self.enter_percent),
            ("leave-percent", self.leave_percent),
            ("burst-loss-percent", self.burst_loss_percent),
            ("reorder-percent", self.reorder_percent),
            (
                "reorder-correlation-percent",
                self.reorder_correlation_percent,
            ),
            ("corrupt-percent", self.corrupt_percent),
            (
                "corrupt-correlation-percent",
                self.corrupt_correlation_percent,
            ),
        ]
    }
}

/// As a person reads it.
impl std::fmt::Display for Work {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::RunProgram { command } => write!(f, "run {}", command.join(" ")),
            other => match serde_json::to_string(other) {
                Ok(text) => write!(f, "the helper's {text}"),
                Err(_) => f.write_str("the helper's work"),
            },
        }
    }
}
