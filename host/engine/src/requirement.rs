//! What faults need (`chaos.fault-type.requires`), and whether this machine has it.

use std::process::Stdio;

use tokio::process::Command;

use super::{EngineInfo, NetDriver, network_program};
use duress_model::{Error, Result};

/// A requirement, parsed from a fault's `requires`.
///
/// ```
/// use duress_engine::Requirement;
/// assert_eq!("tool:tc".parse(), Ok(Requirement::Tool("tc".into())));
/// assert!("magic".parse::<Requirement>().is_err());
/// assert!("tool:../../etc/shadow".parse::<Requirement>().is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Requirement {
    /// `CAP_…`: a capability (capabilities(7)) in the container's network namespace.
    Capability(String),
    /// `tool:NAME`: a program beside the container's network.
    Tool(String),
    /// `kernel:NAME`: a feature of the kernel.
    Kernel(String),
    /// `helper`: duress's own helper, from the toolbox's image.
    Helper,
    /// `A|B`: one of several.
    Any(Vec<Self>),
}

/// As a fault writes it.
impl std::fmt::Display for Requirement {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Capability(name) => f.write_str(name),
            Self::Tool(name) => write!(f, "tool:{name}"),
            Self::Kernel(name) => write!(f, "kernel:{name}"),
            Self::Helper => f.write_str("helper"),
            Self::Any(several) => {
                let several: Vec<_> = several.iter().map(ToString::to_string).collect();
                f.write_str(&several.join("|"))
            }
        }
    }
}

impl std::str::FromStr for Requirement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.contains('|') {
            return text
                .split('|')
                .map(str::parse)
                .collect::<Result<_, _>>()
                .map(Self::Any);
        }
        match text.split_once(':') {
            // Only what is on a list: an answer about any other name would tell which files and features this machine has.
            Some(("tool", name)) if network_program::is_known(name) => {
                Ok(Self::Tool(name.to_owned()))
            }
            Some(("kernel", name)) if FEATURES.contains(&name) => Ok(Self::Kernel(name.to_owned())),
            None if capability_bit(text).is_some() => Ok(Self::Capability(text.to_owned())),
            None if text == "helper" => Ok(Self::Helper),
            Some(("tool", _)) => Err(unknown(text, "tool:", &network_program::PROGRAMS)),
            Some(("kernel", _)) => Err(unknown(text, "kernel:", &FEATURES)),
            None if text.starts_with("CAP_") => {
                let names = CAPABILITIES.map(|(name, _)| name);
                Err(unknown(text, "", &names))
            }
            _ => Err(format!(
                "`{}` is not a requirement: it is `CAP_…`, `tool:…`, `kernel:…` or `helper`, or several with `|` between them",
                text.escape_debug()
            )),
        }
    }
}

impl Requirement {
    /// Returns what meets it: itself, or of several the first that is there.
    ///
    /// # Errors
    /// `Environment`: what is missing and what to do.
    pub async fn check(&self, engine: &EngineInfo) -> Result<&Self> {
        if let Self::Any(several) = self {
            let mut first = None;
            for one in several {
                match Box::pin(one.check(engine)).await {
                    Ok(met) => return Ok(met),
                    Err(error) => first = first.or(Some(error)),
                }
            }
            return first.map_or(Ok(self), Err);
        }
        self.check_itself(engine).await.map(|()| self)
    }

    async fn check_itself(&self, engine: &EngineInfo) -> Result<()> {
        match (self, engine.net_driver) {
            // With the container's own tools and capabilities, only the running container can tell; the fault's first program does.
            (Self::Capability(_) | Self::Tool(_), NetDriver::Container) => Ok(()),
            // The toolbox has them.
            (Self::Capability(_) | Self::Tool(_), NetDriver::Toolbox) => Ok(()),
            (Self::Capability(name), NetDriver::Namespace) => check_capability(name),
            (Self::Tool(name), NetDriver::Namespace) => check_tool(name),
            (Self::Kernel(name), _) => check_kernel(name, engine).await,
            (Self::Helper, _) => check_helper(engine),
            (Self::Any(_), _) => Ok(()),
        }
    }
}

fn check_helper(engine: &EngineInfo) -> Result<()> {
    if engine.toolbox {
        return Ok(());
    }
    Err(
        Error::environment("the engine has no toolbox image, which holds duress's helper")
            .hint("`cargo xtask setup` makes it; DURESS_TOOLBOX_IMAGE names another"),
    )
}

fn check_tool(name: &str) -> Result<()> {
    if which(name) {
        return Ok(());
    }
    let package = match name {
        "tc" | "ip" => "iproute2",
        "iptables" | "ip6tables" => "iptables",
        other => other,
    };
    Err(
        Error::environment(format!("the program `{name}` is not installed"))
            .hint(format!("on Debian and Ubuntu: apt-get install {package}")),
    )
}

/// Returns whether a program is in the path or where administrators' programs are.
pub fn which(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let administrators = ["/usr/sbin", "/sbin"].map(std::path::PathBuf::from);
    let folders = std::env::split_paths(&path).chain(administrators);
    // A folder's name with a `:` in it cannot be in a path.
    std::env::join_paths(folders).is_ok_and(|path| which::which_in(name, Some(path), "/").is_ok())
}

/// Features of the kernel that can be asked for.
const FEATURES: [&str; 3] = ["nfnetlink_queue", "sch_netem", "sch_tbf"];

/// Capabilities that can be asked for, and their bits (linux/capability.h).
const CAPABILITIES: [(&str, u32); 7] = [
    ("CAP_KILL", 5),
    ("CAP_NET_ADMIN", 12),
    ("CAP_NET_RAW", 13),
    ("CAP_SYS_PTRACE", 19),
    ("CAP_SYS_ADMIN", 21),
    ("CAP_SYS_RESOURCE", 24),
    ("CAP_SYS_TIME", 25),
];

fn capability_bit(name: &str) -> Option<u32> {
    let known = CAPABILITIES.iter().find(|(known, _)| *known == name);
    known.map(|(_, bit)| *bit)
}

/// Returns what is said of a requirement that is on no list.
fn unknown(text: &str, prefix: &str, known: &[&str]) -> String {
    let known: Vec<_> = known.iter().map(|name| format!("{prefix}{name}")).collect();
    format!(
        "the requirement `{}` is not supported; these are: {}",
        text.escape_debug(),
        known.join(", ")
    )
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
        "nfnetlink_queue" => {
            check_helper(engine)?;
            &[
                "iptables",
                "-t",
                "mangle",
                "-A",
                "OUTPUT",
                "-j",
                "NFQUEUE",
                "--queue-num",
                "0",
                "--queue-bypass",
            ]
        }
        other => {
            return Err(Error::input(format!(
                "the kernel feature `{other}` is not known to this host"
            )));
        }
    };
    if engine.net_driver != NetDriver::Namespace && !which(trial[0]) {
        // The tools are elsewhere; the fault's first program tells.
        return Ok(());
    }
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
    let tool = trial[0];
    Err(Error::environment(format!("the kernel has no `{name}` ({tool} says: {said})")).hint(format!(
        "`modprobe {name}` loads it where the kernel has it as a module; Debian's linux-image-amd64 does"
    )))
}
