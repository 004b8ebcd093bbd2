//! `duress.lock`: what each plugin was granted. It is stored beside the folders `plugins` and `subjects`, and committed with them.
//!
//! The manifest asks, this file grants. A component that is not in it, or that is not what it says, is not run.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::built_in::BuiltIn;
use super::catalog::Catalog;
use super::manifest::{PluginManifest, is_plugin_name, merged, read_component};
use super::package::embedded;
use super::runtime::{COMPONENT_LIMIT, sha256};
use duress_capability::Permissions;
use duress_files::{Links, read_regular, replace};
use duress_model::{Error, Result};

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
    /// The settings in its manifest, for one that is pinned by its digest: they tell it what to do as its code does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "duress_yaml::any_mapping")]
    pub settings: Option<serde_json::Value>,
    /// What it may do.
    pub grants: Permissions,
}

impl LockFile {
    /// Returns the lock of a root; empty if there isn't one yet.
    ///
    /// # Errors
    /// `Input` when it cannot be read, with every mistake.
    pub fn read(root: &Path) -> Result<Self> {
        let path = path(root);
        if !path.exists() {
            return Ok(Self::default());
        }
        let (lock, document) = duress_yaml::load::<Self>(&path)?;
        // A name becomes the name of a folder beneath `plugins`.
        let wrong = lock.plugins.keys().filter(|name| !is_plugin_name(name));
        let problems: Vec<_> = wrong
            .map(|name| {
                let escaped = name.replace('~', "~0").replace('/', "~1");
                let shown = duress_yaml::shown(name);
                document.problem_at_key(
                    &format!("/plugins/{escaped}"),
                    format!("`{shown}` is not the name of a plugin"),
                )
            })
            .collect();
        if !problems.is_empty() {
            return Err(duress_yaml::LoadError::from(document.invalid(problems)).into());
        }
        Ok(lock)
    }

    /// Writes it, whole or not at all.
    ///
    /// # Errors
    /// `Environment` when it cannot be written.
    pub fn write(&self, root: &Path) -> Result<()> {
        let path = path(root);
        let failed = |why: String| Error::environment(format!("write {}: {why}", path.display()));
        let text = serde_saphyr::to_string(self).map_err(|error| failed(error.to_string()))?;
        replace(&path, format!("{HEADER}{text}").as_bytes())
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
                "see what it asks for, and grant it: {}",
                how_to_add(folder)
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
    /// Returns whether a folder holds the component with this digest, and the manifest that the component brings.
    pub fn is_in(&self, folder: &Path) -> bool {
        let path = folder.join("plugin.yaml");
        let read = || {
            let (manifest, _) = duress_yaml::load::<PluginManifest>(&path).ok()?;
            let text = read_regular(&path, COMPONENT_LIMIT, Links::Refused).ok()?;
            let file = manifest.component_file().ok()?;
            let component = read_component(folder, file, COMPONENT_LIMIT).ok()?;
            Some((text, component))
        };
        read().is_some_and(|(text, component)| {
            let brought = embedded(&component).ok().flatten();
            brought.is_some_and(|brought| brought.as_bytes() == text)
                && self.digest.as_deref() == Some(sha256(&component).as_str())
        })
    }

    /// Returns the settings of a manifest as they are kept: none are an empty object.
    pub fn settings_of(manifest: &PluginManifest) -> serde_json::Value {
        merged(&serde_json::Value::Null, &manifest.settings)
    }

    /// Returns what is not as it was, a phrase each.
    pub fn differences(&self, manifest: &PluginManifest, digest: &str) -> Vec<String> {
        let mut differences = Vec::new();
        if let Some(before) = self.digest.as_deref().filter(|before| *before != digest) {
            differences.push(format!("its digest was {before} and is {digest}"));
        }
        if let Some(before) = &self.settings
            && self.digest.is_some()
            && *before != Self::settings_of(manifest)
        {
            let now = Self::settings_of(manifest);
            differences.push(format!(
                "the settings in its manifest were {before} and are {now}"
            ));
        }
        // What is granted is compared, and never the text in which a person is told of it.
        let (granted, asked) = (&self.grants, &manifest.permissions);
        let more = asked.beyond(granted).in_words();
        differences.extend(more.iter().map(|line| format!("it asks for more: {line}")));
        let less = granted.beyond(asked).in_words();
        differences.extend(
            less.iter()
                .map(|line| format!("it does not ask any more: {line}")),
        );
        debug_assert!(granted == asked || !differences.is_empty());
        differences
    }
}

/// Returns the command that grants the plugin of a folder, with the flags that fit.
fn how_to_add(folder: &Path) -> String {
    let mut command = format!("duress plugin add {}", folder.display());
    // Built from source here, and so from time to time another component.
    if folder.join("src").is_dir() {
        command.push_str(" --built-here");
    }
    let root = folder
        .parent()
        .filter(|plugins| plugins.ends_with("plugins"))
        .and_then(Path::parent);
    let here = std::env::current_dir().ok();
    let nearest = here.as_deref().and_then(Catalog::nearest_root);
    if let Some(root) = root.filter(|root| root.is_absolute() && nearest.as_deref() != Some(root)) {
        command.push_str(&format!(" --root {}", root.display()));
    }
    command
}

/// Returns where the lock of a root is.
fn path(root: &Path) -> PathBuf {
    root.join(LOCK_FILE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use duress_capability::ActionKind;

    fn manifest(actions: &[ActionKind]) -> PluginManifest {
        PluginManifest {
            name: "p".into(),
            version: "0.1.0".into(),
            summary: "s".into(),
            license: "MIT".into(),
            component: "p.wasm".into(),
            wit: "0.1.0".into(),
            permissions: Permissions {
                actions: actions.iter().copied().collect(),
                ..Permissions::default()
            },
            settings: serde_json::json!({}),
        }
    }

    fn lock(digest: Option<&str>) -> LockFile {
        let locked = Locked {
            version: "0.1.0".into(),
            source: "plugins/p".into(),
            digest: digest.map(str::to_owned),
            settings: digest.map(|_| serde_json::json!({})),
            grants: manifest(&[ActionKind::Pause]).permissions,
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
        let text = std::fs::read_to_string(path(folder.path())).expect("a text");
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
        let mut set = manifest(&[ActionKind::Pause]);
        set.settings = serde_json::json!({ "url": "http://elsewhere/" });
        let error = lock(Some("sha256:1"))
            .check(&set, "sha256:1", folder, false)
            .expect_err("other settings");
        assert!(error.to_string().contains("settings"), "{error}");
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

    #[test]
    fn a_name_that_is_a_path_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in [
            "../outside",
            "/etc/outside",
            ".",
            "..",
            "a/b",
            "A",
            "",
            "-x",
            "x y",
        ] {
            let text = format!(
                "plugins:\n  {name:?}:\n    version: 0.1.0\n    source: https://a.example/x.wasm\n    grants: {{}}\n"
            );
            std::fs::write(path(folder.path()), text).expect("written");
            let error = LockFile::read(folder.path()).expect_err(name);
            assert!(
                error.to_string().contains("not the name of a plugin"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_program_among_many_is_not_hidden() {
        let many = |more: Option<&str>| {
            let names = (0..60).map(|number| format!("{:a<60}{number}", "program"));
            let mut manifest = manifest(&[]);
            manifest.permissions.programs.container =
                names.chain(more.map(str::to_owned)).collect();
            manifest
        };
        let locked = Locked {
            version: "0.1.0".into(),
            source: "plugins/p".into(),
            digest: None,
            settings: None,
            grants: many(None).permissions,
        };
        assert_eq!(locked.differences(&many(None), "sha256:1"), [""; 0]);
        let differences = locked.differences(&many(Some("sh")), "sha256:1");
        assert_eq!(
            differences,
            [
                "it asks for more: in any container of its own trial, run: sh",
                "it asks for more: with sh: run ANYTHING in any container of its own trial",
            ]
        );
        let question = many(Some("sh")).permissions.in_words().join("\n");
        assert!(question.contains(", sh\n"), "{question}");
    }
}
