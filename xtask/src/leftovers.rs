//! What duress made in the container engine and did not remove.

use std::path::Path;

use anyhow::Result;

use crate::sh::Sh;

/// Returns every container, network and volume with one of duress's labels, as `kind name`. A toolbox may belong to no project.
pub(crate) fn all() -> Result<Vec<String>> {
    let mut left = labelled("io.duress.project")?;
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
    let filter = &format!("label={label}");
    let mut left = Vec::new();
    for (kind, command) in [
        (
            "container",
            ["ps", "--all", "--filter", filter, "--format", "{{.Names}}"].as_slice(),
        ),
        (
            "network",
            &["network", "ls", "--filter", filter, "--format", "{{.Name}}"],
        ),
        (
            "volume",
            &["volume", "ls", "--filter", filter, "--format", "{{.Name}}"],
        ),
    ] {
        let listed = Sh::new("docker").args(command).read()?;
        left.extend(listed.lines().map(|name| format!("{kind} {name}")));
    }
    Ok(left)
}
