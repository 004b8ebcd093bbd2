//! Everything that duress may need, whether a run needs it or not.

use super::Finding;
use duress_engine::{Engine, EngineResult, NetDriver, Requirement, which};

/// Examines the machine. `engine` is the engine, or why none could be reached.
pub async fn examine(
    engine: EngineResult<&dyn Engine>,
    database: &std::path::Path,
) -> Vec<Finding> {
    let info = match engine {
        Ok(engine) => engine.info().await,
        Err(error) => Err(error),
    };
    let mut findings = vec![match &info {
        Ok(info) => Finding::found(
            "container engine",
            "every subject with containers",
            format!(
                "{} at {}, cgroup v{}",
                info.version, info.address, info.cgroup_version
            ),
        ),
        Err(error) => Finding::missing(
            "container engine",
            "every subject with containers",
            error.to_string(),
            "on Debian: apt-get install docker.io; then start it: systemctl start docker (or run dockerd)",
        ),
    }];
    findings.push(compose().await);
    findings.push(privileges(info.as_ref().ok().map(|info| info.net_driver)));
    for (tool, needed_for, package) in [
        (
            "tc",
            "faults of the network's quality, by the driver `namespace`",
            "iproute2",
        ),
        (
            "iptables",
            "partitions, resets and DNS, by the driver `namespace`",
            "iptables",
        ),
    ] {
        findings.push(if which(tool) {
            Finding::found(tool, needed_for, version_of(tool).await)
        } else {
            Finding::missing(
                tool,
                needed_for,
                "not installed",
                format!("on Debian: apt-get install {package}"),
            )
        });
    }
    if let Ok(info) = &info {
        for (name, needed_for, requirement) in [
            (
                "toolbox",
                "load, single processes, DNS, and every fault of the network without root",
                Requirement::Helper,
            ),
            (
                "sch_netem",
                "duplication; latency, loss and the like without a packet queue",
                Requirement::Kernel("sch_netem".to_owned()),
            ),
            (
                "packet queue",
                "latency, loss, corruption and reordering without sch_netem",
                Requirement::Kernel("nfnetlink_queue".to_owned()),
            ),
            (
                "sch_tbf",
                "bandwidth",
                Requirement::Kernel("sch_tbf".to_owned()),
            ),
        ] {
            findings.push(match requirement.check(info).await {
                Ok(_) => Finding::found(name, needed_for, "found"),
                Err(error) => Finding::missing(
                    name,
                    needed_for,
                    error.to_string(),
                    error.hints().first().cloned().unwrap_or_default(),
                ),
            });
        }
    }
    findings.push(disk(database));
    findings
}

/// Returns what a tool says of itself, e.g. `iptables v1.8.9 (nf_tables)`: of iptables, which of its two kinds it is.
async fn version_of(tool: &str) -> String {
    let asked = tokio::process::Command::new(tool)
        .arg("-V")
        .stdin(std::process::Stdio::null())
        .output()
        .await;
    let said = asked.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    match said {
        Ok(said) if !said.is_empty() => said,
        _ => "installed".to_owned(),
    }
}

async fn compose() -> Finding {
    let needed_for = "bringing stacks up";
    match duress_engine::compose::version().await {
        Ok(version) => Finding::found("compose tool", needed_for, version),
        Err(error) => Finding::missing(
            "compose tool",
            needed_for,
            error.to_string(),
            "on Debian: apt-get install docker-compose",
        ),
    }
}

fn privileges(driver: Option<NetDriver>) -> Finding {
    let needed_for = "network faults and disk faults on any image";
    match driver {
        Some(NetDriver::Namespace) => Finding::found(
            "privileges",
            needed_for,
            "root beside the engine: programs run in the containers' network namespaces (driver `namespace`)",
        ),
        Some(NetDriver::Toolbox) => Finding::found(
            "privileges",
            needed_for,
            "those of the engine: programs run in containers of the toolbox's image (driver `toolbox`)",
        ),
        _ if rustix::process::geteuid().is_root() => Finding::found(
            "privileges",
            needed_for,
            "root, though not beside the engine (driver `container`)",
        ),
        _ => Finding::missing(
            "privileges",
            needed_for,
            "not root: only the containers' own tools can be used (driver `container`)",
            "run duress as root, or use images that hold tc and iptables",
        ),
    }
}

/// Room that the database and its log need before a run, in bytes.
const ROOM: u64 = 256 << 20;

fn disk(database: &std::path::Path) -> Finding {
    let needed_for = "the journal and the results";
    let folder = database.ancestors().skip(1).find(|folder| folder.is_dir());
    let folder = folder.unwrap_or(std::path::Path::new("/"));
    match rustix::fs::statvfs(folder) {
        Ok(stat) => {
            let available = stat.f_bavail.saturating_mul(stat.f_frsize);
            let detail = format!("{} MiB free for {}", available >> 20, database.display());
            if available >= ROOM {
                Finding::found("disk", needed_for, detail)
            } else {
                Finding::missing(
                    "disk",
                    needed_for,
                    detail,
                    "make room, or name another file with --db",
                )
            }
        }
        Err(error) => Finding::missing(
            "disk",
            needed_for,
            format!("{}: {error}", folder.display()),
            "name another file with --db",
        ),
    }
}
