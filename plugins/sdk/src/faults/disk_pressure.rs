//! `disk_pressure`: a part of what a file system has left is taken up by one file.
//!
//! It never fills a container's root file system: that is most often the machine's own disk.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts;
use crate::{
    Action, Change, Error, Fault, FileSystem, Fill, Parameters, Result, Step, Token, containers,
};

/// How much, and where.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DiskPressure {
    /// How much of the space that is available now is taken up, in percent.
    #[schemars(range(min = 1, max = 100))]
    pub fill_percent: u8,
    /// A directory on the file system to fill, as the container sees it; never on its root file system.
    #[schemars(regex(pattern = "^/"))]
    pub path: String,
}

impl Default for DiskPressure {
    fn default() -> Self {
        Self {
            fill_percent: 90,
            path: "/data".into(),
        }
    }
}

impl Parameters for DiskPressure {}

/// The fault. Each subject must see to it that `/data` is a volume of its own, or give `path` another default.
pub fn fault() -> Fault {
    Fault::for_each(
        "disk_pressure",
        "Take up a part of the space that a container's data directory has left.",
        |pressure: &DiskPressure, target, _| {
            let file_system = containers::file_system(&target.name, &pressure.path)?;
            fill(pressure, &target.name, &file_system, Token::fresh())
        },
    )
}

/// Fill the disk of one container.
pub fn fill(
    pressure: &DiskPressure,
    target: &str,
    file_system: &FileSystem,
    token: Token,
) -> Result<Step> {
    let DiskPressure { fill_percent, path } = pressure;
    if file_system.root {
        return Err(Error::Invalid(format!(
            "{path} of {target} is on the container's root file system, which is most often the machine's own disk: \
             give {path} a volume of its own, or name another `path`"
        )));
    }
    let size = share(file_system.available, *fill_percent);
    if size == 0 {
        return Err(Error::Failed(format!(
            "{path} of {target} has no space left that could be taken up"
        )));
    }
    let file = format!("{}/duress-fill-{token}", path.trim_end_matches('/'));
    Ok(Step {
        facts: facts! {
            "target_container": target,
            "fill_percent": fill_percent,
            "fill_file": file,
            "fill_bytes": size,
        },
        changes: vec![Change {
            container: target.into(),
            summary: format!(
                "fill {fill_percent} % of what {path} of {target} has left ({size} bytes)"
            ),
            apply: vec![Action::FillDisk(Fill {
                path: file.clone(),
                size,
            })],
            revert: vec![Action::RemoveFill(file)],
            in_force: None,
        }],
    })
}

/// A percentage of some bytes, rounded down.
fn share(bytes: u64, percent: u8) -> u64 {
    let percent = u64::from(percent.min(100));
    bytes / 100 * percent + bytes % 100 * percent / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(root: bool, available: u64, path: &str) -> Result<Step> {
        let pressure = DiskPressure {
            fill_percent: 80,
            path: path.into(),
        };
        let file_system = FileSystem {
            capacity: 1 << 30,
            available,
            root,
        };
        fill(&pressure, "tikv0", &file_system, Token(5))
    }

    #[test]
    fn the_share_is_of_what_is_available() {
        let step = plan(false, 1000, "/data/").expect("a plan");
        assert_eq!(step.facts["fill_bytes"], 800);
        assert_eq!(
            step.facts["fill_file"],
            "/data/duress-fill-0000000000000005"
        );
    }

    #[test]
    fn the_root_file_system_is_refused() {
        let error = plan(true, 1000, "/data").expect_err("the root file system");
        assert!(matches!(error, Error::Invalid(_)), "{error}");
    }

    #[test]
    fn a_full_disk_is_refused() {
        assert!(plan(false, 1, "/data").is_err());
    }

    #[test]
    fn a_share_never_overflows_and_never_exceeds_the_whole() {
        assert_eq!(share(u64::MAX, 100), u64::MAX);
        assert_eq!(share(199, 50), 99);
    }
}
