//! What the kernel accounts to a container: by the engine's statistics, and by the container's cgroup where that is on this machine.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use bollard::models::ContainerStatsResponse;
use bollard::query_parameters::StatsOptions;
use duress_engine::{Accounts, ContainerId, EngineError, EngineResult, State};
use futures::StreamExt as _;

use super::calls::call;
use super::{Docker, listing, namespace, short};

impl Docker {
    /// Returns the engine's statistics of a container at this moment.
    pub(super) async fn statistics(
        &self,
        what: &str,
        container: &ContainerId,
    ) -> EngineResult<ContainerStatsResponse> {
        let options = StatsOptions {
            stream: false,
            one_shot: true,
        };
        let mut stats = self.api.stats(&container.0, Some(options));
        let first = async { stats.next().await.transpose() };
        let silent = || EngineError::Failed(format!("{what}: the engine does not say"));
        call(what, container, first).await?.ok_or_else(silent)
    }

    pub(super) async fn read_accounts(&self, container: &ContainerId) -> EngineResult<Accounts> {
        let found = self.inspect(container).await?;
        let state = listing::state_of(&found);
        if !matches!(state, State::Running | State::Paused) {
            return Err(EngineError::NotRunning {
                container: listing::name_of(&found).unwrap_or_else(|| short(container).to_owned()),
                state,
            });
        }
        let what = format!("read the accounts of container {}", short(container));
        let usage = self.statistics(&what, container).await?;
        let usage = usage.cpu_stats.and_then(|stats| stats.cpu_usage);
        let Some(nanoseconds) = usage.and_then(|usage| usage.total_usage) else {
            return Err(EngineError::Failed(format!(
                "{what}: the engine does not say"
            )));
        };
        let pid = found.state.and_then(|state| state.pid);
        let pid = pid.filter(|pid| *pid > 0 && self.info.local);
        Ok(Accounts {
            cpu_time: Duration::from_nanos(nanoseconds),
            oom_kills: pid.and_then(|pid| oom_kills(pid, container)),
        })
    }
}

/// Returns the kernel's count of processes that were killed for want of memory; `None` where this machine does not show it.
fn oom_kills(pid: i64, container: &ContainerId) -> Option<u64> {
    let process = namespace::Process::new(pid, &container.0).ok()?;
    let groups = process
        .open("cgroup", |path| fs::read_to_string(path))
        .ok()?;
    let counts = fs::read_to_string(counts_file(&groups)?).ok()?;
    count(&counts)
}

/// Returns the file with the counts of a group, from what the kernel says of a process's groups (cgroups(7)).
fn counts_file(groups: &str) -> Option<PathBuf> {
    let lines = groups.lines().map(|line| line.splitn(3, ':'));
    let groups: Vec<_> = lines
        .filter_map(|mut parts| {
            let (_, controllers, path) = (parts.next()?, parts.next()?, parts.next()?);
            // A group outside of what is mounted here.
            (!path.contains("/..")).then_some((controllers, path.trim_start_matches('/')))
        })
        .collect();
    let of = |name: &str| {
        let mut all = groups.iter();
        let found = all.find(|(controllers, _)| controllers.split(',').any(|one| one == name));
        found.map(|(_, path)| *path)
    };
    if let Some(path) = of("memory") {
        let root = PathBuf::from("/sys/fs/cgroup/memory");
        return Some(root.join(path).join("memory.oom_control"));
    }
    let root = PathBuf::from("/sys/fs/cgroup");
    Some(root.join(of("")?).join("memory.events"))
}

fn count(counts: &str) -> Option<u64> {
    let mut lines = counts.lines();
    lines.find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kills_of_both_versions_of_cgroups_are_found() {
        let first = "4:cpu,memory:/docker/abc\n0::/docker/abc\n";
        let file = counts_file(first).expect("a file");
        assert_eq!(
            file.to_string_lossy(),
            "/sys/fs/cgroup/memory/docker/abc/memory.oom_control"
        );
        assert_eq!(
            count("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n"),
            Some(3)
        );
        let file = counts_file("0::/system.slice/docker-abc.scope\n").expect("a file");
        assert_eq!(
            file.to_string_lossy(),
            "/sys/fs/cgroup/system.slice/docker-abc.scope/memory.events"
        );
        assert_eq!(
            count("low 0\noom 2\noom_kill 2\noom_group_kill 0\n"),
            Some(2)
        );
        assert_eq!(counts_file("0::/../abc\n"), None);
        assert_eq!(counts_file(""), None);
        assert_eq!(count(""), None);
    }
}
