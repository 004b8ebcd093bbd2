//! The packages that every use of duress needs.

use anyhow::Result;
use xshell::cmd;

use crate::apt;
use crate::progress::say;
use crate::sh::{CmdExt as _, shell};

/// A program, the Debian package with it, and its use. A C compiler is not listed: without one, this program was not linked.
const NEEDED: [(&str, &str, &str); 5] = [
    ("dockerd", "docker.io", "subjects run in containers"),
    (
        "docker-compose",
        "docker-compose",
        "stacks are started with it",
    ),
    ("tc", "iproute2", "network faults"),
    ("iptables", "iptables", "network faults"),
    (
        "nsenter",
        "util-linux",
        "network faults run in the containers' namespaces",
    ),
];

/// Installs those that are missing.
pub(crate) fn install() -> Result<()> {
    let missing = NEEDED
        .iter()
        .filter(|(program, ..)| !is_installed(program))
        .collect::<Vec<_>>();
    if missing.is_empty() {
        return Ok(());
    }
    for (program, package, reason) in &missing {
        say(&format!(
            "`{program}` is missing ({reason}): it is in the package {package}"
        ));
    }
    apt::install(missing.iter().map(|(_, package, _)| *package))
}

fn is_installed(program: &str) -> bool {
    let Ok(sh) = shell() else {
        return false;
    };
    match program {
        // Either compose tool will do.
        "docker-compose" if cmd!(sh, "docker compose version").works() => true,
        // A client whose daemon runs on another machine needs none here.
        "dockerd" if cmd!(sh, "docker info").works() => true,
        _ => apt::has(program),
    }
}
