//! What faults need (`chaos.fault-type.requires`), and whether it is there.

use std::process::Stdio;

use tokio::process::Command;

use crate::engine::{EngineInfo, NetDriver};
use crate::plugin::FaultType;
use crate::{Error, Result};

/// A requirement, parsed from a fault's `requires`.
///
/// ```
/// use duress::doctor::Requirement;
/// assert_eq!("tool:tc".parse(), Ok(Requirement::Tool("tc".into())));
/// assert!("magic".parse::<Requirement>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Requirement {
    /// `CAP_…`: a capability (capabilities(7)) in the container's network namespace.
    Capability(String),
    /// `tool:NAME`: a program beside the container's network.
    Tool(String),
    /// `kernel:NAME`: a feature of the kernel.
    Kernel(String),
}

impl std::str::FromStr for Requirement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("tool", name)) => Ok(Self::Tool(name.to_owned())),
            Some(("kernel", name)) => Ok(Self::Kernel(name.to_owned())),
            None if text.starts_with("CAP_") => Ok(Self::Capability(text.to_owned())),
            _ => Err(format!(
                "`{text}` is no requirement: it is `CAP_…`, `tool:…` or `kernel:…`"
            )),
        }
    }
}

impl Requirement {
    /// Whether it is met; with the engine's driver for programs in a container's network.
    ///
    /// # Errors
    /// `Environment`: what is missing and what to do.
    pub async fn check(&self, engine: &EngineInfo) -> Result<()> {
        match (self, engine.net_driver) {
            // With the container's own tools and capabilities, only the running container can tell; the fault's first program does.
            (Self::Capability(_) | Self::Tool(_), NetDriver::Container) => Ok(()),
            (Self::Capability(name), NetDriver::Namespace) => check_capability(name),
            (Self::Tool(name), NetDriver::Namespace) => check_tool(name),
            (Self::Kernel(name), _) => check_kernel(name, engine).await,
        }
    }
}

/// Whether every fault can work here.
///
/// # Errors
/// The first lack of the first fault that has one, as `Environment`.
pub async fn check_faults<'a>(
    faults: impl IntoIterator<Item = &'a FaultType>,
    engine: &EngineInfo,
) -> Result<()> {
    for fault in faults {
        for text in &fault.requires {
            let named = |error: Error| {
                error.context(format_args!("the fault `{}` cannot work here", fault.name))
            };
            let requirement: Requirement = text
                .parse()
                .map_err(|why: String| named(Error::input(why)))?;
            requirement.check(engine).await.map_err(named)?;
        }
    }
    Ok(())
}

fn check_tool(name: &str) -> Result<()> {
    if which(name) {
        return Ok(());
    }
    let package = match name {
        "tc" | "ip" => "iproute2",
        "iptables" | "ip6tables" => "iptables",
        "nsenter" => "util-linux",
        other => other,
    };
    Err(
        Error::environment(format!("the program `{name}` is not installed"))
            .hint(format!("on Debian and Ubuntu: apt-get install {package}")),
    )
}

/// Whether a program is in the path or where administrators' programs are.
pub(super) fn which(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let administrators = ["/usr/sbin", "/sbin"].map(std::path::PathBuf::from);
    std::env::split_paths(&path)
        .chain(administrators)
        .any(|folder| folder.join(name).is_file())
}

/// The bit of a capability (linux/capability.h).
fn capability_bit(name: &str) -> Option<u32> {
    Some(match name {
        "CAP_KILL" => 5,
        "CAP_NET_ADMIN" => 12,
        "CAP_NET_RAW" => 13,
        "CAP_SYS_PTRACE" => 19,
        "CAP_SYS_ADMIN" => 21,
        "CAP_SYS_RESOURCE" => 24,
        "CAP_SYS_TIME" => 25,
        _ => return None,
    })
}

fn check_capability(name: &str) -> Result<()> {
    let bit = capability_bit(name).ok_or_else(|| {
        Error::input(format!("the capability `{name}` is not known to this host"))
    })?;
    // proc_pid_status(5): the effective set as a hexadecimal mask.
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let mask = mask
        .and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok())
        .unwrap_or(0);
    if mask & (1 << bit) != 0 {
        return Ok(());
    }
    Err(Error::environment(format!("duress lacks {name}")).hint("run it as root"))
}

async fn check_kernel(name: &str, engine: &EngineInfo) -> Result<()> {
    if !engine.local {
        // The engine's kernel is not this one; the fault's first program tells.
        return Ok(());
    }
    let trial: &[&str] = match name {
        "sch_netem" => &[
            "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms",
        ],
        "sch_tbf" => &[
            "tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "1mbit", "burst", "32kbit",
            "latency", "50ms",
        ],
        other => {
            return Err(Error::input(format!(
                "the kernel feature `{other}` is not known to this host"
            )));
        }
    };
    check_tool(trial[0])?;
    let user: &[&str] = if rustix::process::geteuid().is_root() {
        &[]
    } else {
        &["--user", "--map-root-user"]
    };
    let output = Command::new("unshare")
        .args(user)
        .args(["--net", "--"])
        .args(trial)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| {
            Error::environment(format!("try the kernel's `{name}`: run unshare: {error}"))
        })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said
        .lines()
        .next()
        .unwrap_or("it said nothing")
        .trim()
        .to_owned();
    Err(Error::environment(format!("the kernel has no `{name}` (tc says: {said})")).hint(format!(
        "`modprobe {name}` loads it where the kernel has it as a module; Debian's linux-image-amd64 does"
    )))
}
