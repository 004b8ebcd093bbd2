//! `disk_pressure`: a part of what a file system has left is taken up by one file.
//!
//! It fills a container's root file system, most often the machine's own disk, only when it is told so in so many words.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts;
use crate::{
    Action, Change, Container, Error, Fault, FileSystem, Fill, Parameters, Problem, Result, Scene,
    Step, Token, containers,
};

/// How much, and where.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct DiskPressure {
    /// How much of the space that is available now is taken up, in percent. Without either: 90.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub fill_percent: Option<u8>,
    /// Instead: how much is taken up, in bytes; no more than is available.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub fill_bytes: Option<u64>,
    /// A directory on the file system to fill, as the container sees it.
    #[schemars(regex(pattern = "^/"))]
    pub path: String,
    /// The path may lie on the container's root file system, or on a disk of the machine: all that is there fills up too.
    pub allow_root_filesystem: bool,
}

/// The share when nothing is said, in percent.
const USUAL: u8 = 90;

impl Default for DiskPressure {
    fn default() -> Self {
        Self {
            fill_percent: None,
            fill_bytes: None,
            path: "/data".into(),
            allow_root_filesystem: false,
        }
    }
}

impl Parameters for DiskPressure {
    fn problems(&self) -> Vec<Problem> {
        let both = self.fill_percent.is_some() && self.fill_bytes.is_some();
        let problem = Problem {
            pointer: "/fill_bytes".into(),
            message: "stands beside fill_percent: it is one or the other".into(),
        };
        both.then_some(problem).into_iter().collect()
    }
}

/// Returns the fault. Each subject must see to it that `/data` is a volume of its own, or give `path` another default.
pub fn fault() -> Fault {
    and_then(
        "Take up a part of the space that a container's data directory has left.",
        |step, _, _| Ok(step),
    )
}

/// As [`fault`], with more to each step: what the system itself makes of a full disk.
pub fn and_then(
    summary: &'static str,
    more: impl Fn(Step, &Container, &Scene) -> Result<Step> + 'static,
) -> Fault {
    Fault::for_each(
        "disk_pressure",
        summary,
        move |pressure: &DiskPressure, target, scene| {
            let file_system = file_system(&target.name, &pressure.path)?;
            let step = fill(pressure, &target.name, &file_system, Token::fresh())?;
            more(step, target, scene)
        },
    )
}

/// Fills the disk of one container.
pub fn fill(
    pressure: &DiskPressure,
    target: &str,
    file_system: &FileSystem,
    token: Token,
) -> Result<Step> {
    let path = &pressure.path;
    if file_system.root && !pressure.allow_root_filesystem {
        return Err(on_root(target, path));
    }
    let available = file_system.available;
    let size = match pressure.fill_bytes {
        Some(bytes) if bytes > available => {
            return Err(Error::Invalid(format!(
                "{path} of {target} has {available} bytes left, fewer than {bytes}"
            )));
        }
        Some(bytes) => bytes,
        None => share(available, pressure.fill_percent.unwrap_or(USUAL)),
    };
    if size == 0 {
        return Err(Error::Failed(format!(
            "{path} of {target} has no space left that could be taken up"
        )));
    }
    let fill_percent = match (pressure.fill_percent, pressure.fill_bytes) {
        (Some(percent), _) => percent,
        // At most 100.
        (None, Some(bytes)) => (bytes as f64 * 100.0 / available as f64).round() as u8,
        (None, None) => USUAL,
    };
    let file = format!("{}/duress-fill-{token}", path.trim_end_matches('/'));
    Ok(Step {
        facts: facts! {
            "target_container": target,
            "fill_percent": fill_percent,
            "fill_file": file,
            "fill_bytes": size,
        },
        changes: vec![
            Change {
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
            }
            .into(),
        ],
    })
}

/// Returns the file system that holds a folder of a container.
pub(super) fn file_system(target: &str, path: &str) -> Result<FileSystem> {
    containers::file_system(target, path).map_err(|error| unusable(target, path, error))
}

/// Explains why a path cannot be used. The host's own words name neither the container nor the parameter.
fn unusable(target: &str, path: &str, error: Error) -> Error {
    let explained = |why: &str| {
        format!(
            "cannot use {path} of {target}: {why}; `path` must be a folder that is in the container"
        )
    };
    match error {
        Error::Invalid(why) => Error::Invalid(explained(&why)),
        Error::Failed(why) if why.contains("No such file") || why.contains("Not a directory") => {
            Error::Invalid(explained(&why))
        }
        Error::Failed(why) => Error::Failed(format!("cannot use {path} of {target}: {why}")),
        other => other,
    }
}

/// Why a path on the root file system is left alone.
pub(super) fn on_root(target: &str, path: &str) -> Error {
    Error::Invalid(format!(
        "{path} of {target} is on the container's root file system, which is most often the machine's own disk: \
         give {path} a volume of its own, name another `path`, or say `allow_root_filesystem: true`"
    ))
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
            fill_percent: Some(80),
            path: path.into(),
            ..DiskPressure::default()
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
    fn a_folder_that_is_not_there_is_told_with_its_container() {
        let said = Error::Failed("look at /nope: No such file or directory (os error 2)".into());
        let error = unusable("etcd1", "/nope", said);
        assert!(matches!(error, Error::Invalid(_)), "{error}");
        let text = error.text();
        assert!(
            text.contains("/nope of etcd1") && text.contains("`path`"),
            "{text}"
        );
    }

    #[test]
    fn the_root_file_system_is_refused() {
        let error = plan(true, 1000, "/data").expect_err("the root file system");
        assert!(matches!(error, Error::Invalid(_)), "{error}");
    }

    #[test]
    fn bytes_are_taken_as_they_are_said_and_no_more_than_there_are() {
        let file_system = FileSystem {
            capacity: 1 << 30,
            available: 1000,
            root: true,
        };
        let fill_bytes = |bytes| {
            let pressure = DiskPressure {
                fill_bytes: Some(bytes),
                allow_root_filesystem: true,
                ..DiskPressure::default()
            };
            fill(&pressure, "tikv0", &file_system, Token(5))
        };
        let step = fill_bytes(250).expect("a plan");
        assert_eq!(
            (&step.facts["fill_bytes"], &step.facts["fill_percent"]),
            (&250.into(), &25.into())
        );
        assert!(fill_bytes(1001).is_err());
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
