//! Who else writes to a container's volume: filling it would harm them as well.

use std::collections::HashMap;
use std::path::Path;

use bollard::models::{
    ContainerInspectResponse, ContainerSummary, ContainerSummaryStateEnum, MountPoint,
};
use bollard::query_parameters::ListContainersOptions;

use super::{Docker, listing};
use duress_engine::{ContainerId, EngineResult, Sharer};

/// Where containers that share an IPC namespace share a tmpfs.
const SHARED_MEMORY: &str = "/dev/shm";

impl Docker {
    /// See [`duress_engine::Files::volume_sharers`]. Containers that have ended write nothing, and neither do those that mount it
    /// read-only.
    pub(super) async fn sharers(&self, id: &ContainerId, path: &str) -> EngineResult<Vec<Sharer>> {
        let target = self.inspect(id).await?;
        let mounts = target.mounts.as_deref().unwrap_or_default();
        let mount = holder(mounts, path);
        let in_memory = mount.is_none() && Path::new(path).starts_with(SHARED_MEMORY);
        if mount.is_none() && !in_memory {
            return Ok(Vec::new());
        }
        let options = ListContainersOptions {
            all: true,
            ..ListContainersOptions::default()
        };
        let all = self.api.list_containers(Some(options));
        let mut found = Vec::new();
        for other in listing::within("list containers", all).await? {
            let Some(other_id) = other.id.clone().filter(|other| *other != id.0) else {
                continue;
            };
            if !is_up(&other) {
                continue;
            }
            let shares = match mount {
                Some(mount) => {
                    let theirs = other.mounts.as_deref().unwrap_or_default();
                    theirs.iter().any(|one| writes_to(one, mount))
                }
                None => {
                    let other = self.inspect(&ContainerId(other_id.clone())).await?;
                    ipc_of(&other) == Some(id.0.as_str())
                        || ipc_of(&target) == Some(other_id.as_str())
                }
            };
            if shares {
                let names = other.names.and_then(|names| names.into_iter().next());
                let name = names.unwrap_or_else(|| other_id.clone());
                found.push(Sharer {
                    id: ContainerId(other_id),
                    name: name.trim_start_matches('/').to_owned(),
                });
            }
        }
        Ok(found)
    }

    /// See [`crate::engine::Engine::is_of_machine`].
    pub(super) async fn lies_on_machine(&self, id: &ContainerId, path: &str) -> EngineResult<bool> {
        let target = self.inspect(id).await?;
        let mounts = target.mounts.as_deref().unwrap_or_default();
        let Some(mount) = holder(mounts, path) else {
            return Ok(false);
        };
        match (mount.typ.as_deref(), &mount.name) {
            (Some("tmpfs"), _) => Ok(false),
            (Some("volume"), Some(name)) => {
                let asked = self.api.inspect_volume(name);
                let volume = listing::within("inspect a volume", asked).await?;
                Ok(volume.driver != "local" || is_bound(&volume.options))
            }
            _ => Ok(true),
        }
    }
}

/// The mount that holds a path: the innermost.
fn holder<'a>(mounts: &'a [MountPoint], path: &str) -> Option<&'a MountPoint> {
    let holds = |mount: &&MountPoint| {
        let at = mount.destination.as_deref();
        at.is_some_and(|at| Path::new(path).starts_with(at))
    };
    let depth = |mount: &&MountPoint| mount.destination.as_ref().map_or(0, String::len);
    mounts.iter().filter(holds).max_by_key(depth)
}

/// Whether the options of a volume make it a folder of the machine (`mount --bind`).
fn is_bound(options: &HashMap<String, String>) -> bool {
    let words = options.get("o").map(String::as_str).unwrap_or_default();
    let is_bind = |word: &str| matches!(word.trim(), "bind" | "rbind");
    words.split(',').any(is_bind)
}

fn is_up(container: &ContainerSummary) -> bool {
    use ContainerSummaryStateEnum as State;
    matches!(
        container.state,
        Some(State::RUNNING | State::PAUSED | State::RESTARTING)
    )
}

/// Returns whether a mount lets its container write to what another holds.
fn writes_to(one: &MountPoint, other: &MountPoint) -> bool {
    let source = |mount: &MountPoint| mount.source.clone().filter(|source| !source.is_empty());
    let same_name = one.name.is_some() && one.name == other.name;
    let same_files = match (source(one), source(other)) {
        (Some(one), Some(other)) => {
            Path::new(&one).starts_with(&other) || Path::new(&other).starts_with(&one)
        }
        _ => false,
    };
    one.rw != Some(false) && (same_name || same_files)
}

/// Returns the container whose IPC namespace another uses, by its id.
fn ipc_of(container: &ContainerInspectResponse) -> Option<&str> {
    let mode = container.host_config.as_ref()?.ipc_mode.as_deref()?;
    mode.strip_prefix("container:")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(name: Option<&str>, source: &str, rw: bool) -> MountPoint {
        MountPoint {
            name: name.map(str::to_owned),
            source: Some(source.to_owned()),
            rw: Some(rw),
            ..MountPoint::default()
        }
    }

    #[test]
    fn who_may_only_read_a_volume_is_not_harmed() {
        let own = mount(Some("data"), "/v/data/_data", true);
        assert!(writes_to(&mount(Some("data"), "/v/data/_data", true), &own));
        assert!(!writes_to(
            &mount(Some("data"), "/v/data/_data", false),
            &own
        ));
        assert!(!writes_to(
            &mount(Some("more"), "/v/more/_data", true),
            &own
        ));
    }

    #[test]
    fn a_folder_within_the_volume_counts() {
        let own = mount(None, "/srv/data", true);
        assert!(writes_to(&mount(None, "/srv/data/part", true), &own));
        assert!(writes_to(&mount(None, "/srv", true), &own));
        assert!(!writes_to(&mount(None, "/srv/database", true), &own));
        assert!(!writes_to(&mount(None, "", true), &mount(None, "", true)));
    }
}
