//! `duress.lock`: what each plugin was granted. It lies beside the folders `plugins` and `subjects`, and is committed with them.
//!
//! The manifest asks, this file grants. A component that is not in it, or that is not what it says, is not run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::built_in::BuiltIn;
use super::manifest::PluginManifest;
use super::runtime::sha256;
use crate::capability::Requests;
use crate::{Error, Result, yaml};

/// The file's name.
pub const LOCK_FILE: &str = "duress.lock";
/// What stands above its content.
const HEADER: &str =
    "# What each plugin was granted. `duress plugin add` and `update` write it; commit it.\n";

/// The plugins of a root, by name.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockFile {
    /// The plugins that were granted something, by name.
    #[serde(default)]
    pub plugins: BTreeMap<String, Locked>,
    /// Plugins of the program's own that are not to be used here, e.g. `[faults]`.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub disable_built_in: BTreeSet<BuiltIn>,
}

/// What a plugin was when a person granted it what it asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// Its own version.
    pub version: String,
    /// Where it came from, see [`Source`](super::Source): a path, a URL, or `oci://…`.
    pub source: String,
    /// The digest of its component; absent for one that is built here, and so may be built again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// What it may do.
    pub grants: Requests,
}

impl LockFile {
    /// The lock of a root; empty where there is none yet.
    ///
    /// # Errors
    /// `Input` when it cannot be read, with every mistake.
    pub fn read(root: &Path) -> Result<Self> {
        let path = path(root);
        if !path.exists() {
            return Ok(Self::default());
        }
        let (lock, _) = yaml::load::<Self>(&path)?;
        Ok(lock)
    }

    /// Write it, whole or not at all.
    ///
    /// # Errors
    /// `Environment` when it cannot be written.
    pub fn write(&self, root: &Path) -> Result<()> {
        let path = path(root);
        let failed = |why: String| Error::environment(format!("write {}: {why}", path.display()));
        let text = serde_saphyr::to_string(self).map_err(|error| failed(error.to_string()))?;
        let temporary = path.with_extension("lock.tmp");
        fs::write(&temporary, format!("{HEADER}{text}"))
            .and_then(|()| fs::rename(&temporary, &path))
            .map_err(|error| failed(error.to_string()))
    }

    /// Whether a plugin may run: it is what was granted, and asks for what was granted. With `pinned`, its digest must be kept here.
    ///
    /// # Errors
    /// `Input`, with what is different.
    pub fn check(
        &self,
        manifest: &PluginManifest,
        digest: &str,
        folder: &Path,
        pinned: bool,
    ) -> Result<()> {
        let name = &manifest.name;
        let Some(locked) = self.plugins.get(name) else {
            return Err(Error::input(format!(
                "the plugin `{name}` was granted nothing yet: it is not in {LOCK_FILE}"
            ))
            .hint(format!(
                "see what it asks for, and grant it: duress plugin add {}",
                folder.display()
            )));
        };
        let differences = locked.differences(manifest, digest);
        if differences.is_empty() {
            if pinned && locked.digest.is_none() {
                return Err(Error::input(format!(
                    "{LOCK_FILE} does not hold the digest of the plugin `{name}`, and --locked wants it"
                ))
                .hint(format!("keep it: duress plugin add {}", folder.display())));
            }
            return Ok(());
        }
        Err(Error::input(format!(
            "the plugin `{name}` is not what was granted: {}",
            differences.join("; ")
        ))
        .hint(format!(
            "see what it asks for now, and grant it: duress plugin update {name}"
        )))
    }
}

impl Locked {
    /// Whether a folder holds the component with this digest, and its manifest.
    pub fn is_in(&self, folder: &Path) -> bool {
        let manifest = yaml::load::<PluginManifest>(&folder.join("plugin.yaml"));
        let component = manifest
            .ok()
            .and_then(|(manifest, _)| fs::read(folder.join(manifest.component)).ok());
        let found = component.map(|component| sha256(&component));
        found.is_some() && found == self.digest
    }

    /// What is not as it was, a phrase each.
    pub fn differences(&self, manifest: &PluginManifest, digest: &str) -> Vec<String> {
        let mut differences = Vec::new();
        if let Some(before) = self.digest.as_deref().filter(|before| *before != digest) {
            differences.push(format!("its digest was {before} and is {digest}"));
        }
        let (granted, asked) = (self.grants.in_words(), manifest.requests.in_words());
        let more = asked.iter().filter(|line| !granted.contains(line));
        differences.extend(more.map(|line| format!("it asks for more: {line}")));
        let less = granted.iter().filter(|line| !asked.contains(line));
        differences.extend(less.map(|line| format!("it does not ask any more: {line}")));
        differences
    }
}

/// Where the lock of a root is.
fn path(root: &Path) -> PathBuf {
    root.join(LOCK_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::ActionKind;

    fn manifest(actions: &[ActionKind]) -> PluginManifest {
        PluginManifest {
            name: "p".into(),
            version: "0.1.0".into(),
            summary: "s".into(),
            license: "MIT".into(),
            component: "p.wasm".into(),
            wit: "0.1.0".into(),
            requests: Requests {
                actions: actions.iter().copied().collect(),
                ..Requests::default()
            },
            settings: serde_json::json!({}),
        }
    }

    fn lock(digest: Option<&str>) -> LockFile {
        let locked = Locked {
            version: "0.1.0".into(),
            source: "plugins/p".into(),
            digest: digest.map(str::to_owned),
            grants: manifest(&[ActionKind::Pause]).requests,
        };
        LockFile {
            plugins: BTreeMap::from([("p".to_owned(), locked)]),
            ..LockFile::default()
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(
            LockFile::read(folder.path()).expect("none"),
            LockFile::default()
        );
        let disabling = LockFile {
            disable_built_in: BTreeSet::from([BuiltIn::Faults]),
            ..lock(None)
        };
        for lock in [
            lock(None),
            lock(Some("sha256:1")),
            disabling,
            LockFile::default(),
        ] {
            lock.write(folder.path()).expect("written");
            assert_eq!(LockFile::read(folder.path()).expect("read"), lock);
        }
        let text = fs::read_to_string(path(folder.path())).expect("a text");
        assert!(text.starts_with("# What"), "{text}");
    }

    #[test]
    fn only_what_was_granted_runs() {
        let folder = Path::new("plugins/p");
        let asked = manifest(&[ActionKind::Pause]);
        lock(Some("sha256:1"))
            .check(&asked, "sha256:1", folder, false)
            .expect("as granted");
        lock(None)
            .check(&asked, "sha256:2", folder, false)
            .expect("built here");
        let error = lock(None)
            .check(&asked, "sha256:2", folder, true)
            .expect_err("its digest is not kept");
        assert!(error.to_string().contains("--locked"), "{error}");
        lock(Some("sha256:1"))
            .check(&asked, "sha256:1", folder, true)
            .expect("pinned");
        let error = LockFile::default()
            .check(&asked, "sha256:1", folder, false)
            .expect_err("unknown");
        assert!(
            error.hints()[0].ends_with("duress plugin add plugins/p"),
            "{error}"
        );
        let error = lock(Some("sha256:1"))
            .check(&asked, "sha256:2", folder, false)
            .expect_err("another");
        assert!(
            error.to_string().contains("was sha256:1 and is sha256:2"),
            "{error}"
        );
        let more = manifest(&[ActionKind::Pause, ActionKind::FillDisk]);
        let error = lock(None)
            .check(&more, "sha256:1", folder, false)
            .expect_err("more");
        assert!(
            error
                .to_string()
                .contains("asks for more: to the containers that a trial picks: fill their disks"),
            "{error}"
        );
        let error = lock(None)
            .check(&manifest(&[]), "sha256:1", folder, false)
            .expect_err("less");
        assert!(
            error.to_string().contains("does not ask any more"),
            "{error}"
        );
    }
}
