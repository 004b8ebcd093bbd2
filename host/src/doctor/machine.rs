//! Everything that duress may need, whether a run needs it or not.

use super::Finding;
use crate::engine::{Engine, EngineResult, NetDriver, Requirement, which};

/// Look at the machine. `engine` is the engine, or why there is none.
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
        ("nsenter", "network faults on any image", "util-linux"),
        ("tc", "latency", "iproute2"),
        ("iptables", "network_partition", "iptables"),
    ] {
        findings.push(if which(tool) {
            Finding::found(tool, needed_for, "installed")
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
        let netem = Requirement::Kernel("sch_netem".to_owned())
            .check(info)
            .await;
        findings.push(match netem {
            Ok(()) => Finding::found("sch_netem", "latency", "the kernel has it"),
            Err(error) => Finding::missing(
                "sch_netem",
                "latency",
                error.to_string(),
                error.hints().first().cloned().unwrap_or_default(),
            ),
        });
    }
    findings.push(disk(database));
    findings
}

async fn compose() -> Finding {
    let needed_for = "bringing stacks up";
    match crate::engine::compose_version().await {
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
