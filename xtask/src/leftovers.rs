//! What duress made in the container engine and did not remove.

use std::path::Path;

use anyhow::Result;
use xshell::cmd;

use crate::sh::{CmdExt as _, shell};

/// Returns every container, network and volume with one of duress's labels, as `kind name`.
pub(crate) fn all() -> Result<Vec<String>> {
    let mut left = labelled("io.duress.project")?;
    // A toolbox may belong to no project.
    left.extend(labelled("io.duress.toolbox-of")?);
    left.sort();
    left.dedup();
    Ok(left)
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
