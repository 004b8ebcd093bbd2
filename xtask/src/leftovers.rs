//! What duress made in the container engine and did not remove.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use xshell::cmd;

use crate::sh::{CmdExt as _, shell};

/// How long the engine may take to finish removals that are under way.
const REMOVAL_LIMIT: Duration = Duration::from_secs(30);
/// Time between two looks.
const PAUSE: Duration = Duration::from_millis(500);

/// Returns every container, network and volume with a label of duress or of its tests, as `kind name`.
pub(crate) fn all() -> Result<Vec<String>> {
    let mut left = Vec::new();
    // A toolbox may belong to no project, and a test runs containers by itself.
    for label in [
        "io.duress.project",
        "io.duress.toolbox-of",
        "io.duress.test",
    ] {
        left.extend(labelled(label)?);
    }
    left.sort();
    left.dedup();
    Ok(left)
}

/// As [`all`], without what was there `before`, once the engine has had time to finish what it removes.
pub(crate) fn since(before: &[String]) -> Result<Vec<String>> {
    let deadline = Instant::now() + REMOVAL_LIMIT;
    loop {
        let mut left = all()?;
        left.retain(|what| !before.contains(what));
        if left.is_empty() || Instant::now() >= deadline {
            return Ok(left);
        }
        std::thread::sleep(PAUSE);
    }
}

/// Says of a container that was left what helps to find who made it; of anything else its name alone.
pub(crate) fn described(what: &str) -> String {
    let Some(name) = what.strip_prefix("container ") else {
        return what.to_owned();
    };
    let looked = shell().and_then(|sh| {
        let template = "image {{.Config.Image}}; command {{json .Path}} {{json .Args}}; state {{.State.Status}}, exit code \
                        {{.State.ExitCode}}; created {{.Created}}, started {{.State.StartedAt}}, ended {{.State.FinishedAt}}; \
                        labels {{json .Config.Labels}}";
        cmd!(sh, "docker inspect --type container --format {template} {name}").capture()
    });
    match looked {
        Ok(details) => format!("{what}: {}", details.trim()),
        Err(error) => format!("{what}: {error}"),
    }
}

/// As [`all`], of one database's trials.
pub(crate) fn of_database(path: &Path) -> Result<Vec<String>> {
    labelled(&format!("io.duress.database={}", path.display()))
}

fn labelled(label: &str) -> Result<Vec<String>> {
    let sh = shell()?;
    let containers = cmd!(
        sh,
        "docker ps --all --filter label={label} --format '{{.Names}}'"
    );
    let networks = cmd!(
        sh,
        "docker network ls --filter label={label} --format '{{.Name}}'"
    );
    let volumes = cmd!(
        sh,
        "docker volume ls --filter label={label} --format '{{.Name}}'"
    );
    let mut left = Vec::new();
    for (kind, list) in [
        ("container", containers),
        ("network", networks),
        ("volume", volumes),
    ] {
        let names = list.capture()?;
        left.extend(names.lines().map(|name| format!("{kind} {name}")));
    }
    Ok(left)
}
