//! The two files of a plugin that was taken in: read, written beneath a root, and removed again.
//!
//! A root comes from somebody's repository, and repositories can hold links: nothing is written or removed through one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use duress_files::{Links, read_regular, replace};
use duress_model::{Error, Result};
use duress_plugin::{Fetched, PluginManifest, sha256};

/// The manifest's name.
const MANIFEST: &str = "plugin.yaml";

/// A plugin's manifest and its component.
pub(crate) struct Unpacked {
    text: Vec<u8>,
    manifest: PluginManifest,
    component: Vec<u8>,
}

impl Unpacked {
    /// From what a server or a registry gave.
    pub(crate) fn from(fetched: Fetched) -> Result<Self> {
        let document = duress_yaml::Document::parse(MANIFEST, fetched.manifest.as_str())
            .map_err(|invalid| Error::from(duress_yaml::LoadError::from(invalid)))?;
        let (manifest, problems) = document.interpret::<PluginManifest>();
        let manifest = manifest
            .ok_or_else(|| Error::from(duress_yaml::LoadError::from(document.invalid(problems))))?;
        manifest.component_file()?;
        Ok(Self {
            text: fetched.manifest.into_bytes(),
            manifest,
            component: fetched.component,
        })
    }

    /// From a folder.
    pub(crate) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let (manifest, document) = duress_yaml::load::<PluginManifest>(&path)?;
        let component = folder.join(manifest.component_file()?);
        let read = read_regular(&component, duress_plugin::COMPONENT_LIMIT, Links::Refused);
        let component = read.map_err(|error| {
            Error::input(format!(
                "read the component {}: {error}",
                component.display()
            ))
        })?;
        Ok(Self {
            text: document.text().as_bytes().to_vec(),
            manifest,
            component,
        })
    }

    pub(crate) fn component(&self) -> &[u8] {
        &self.component
    }

    pub(crate) fn text(&self) -> std::borrow::Cow<'_, str> {
        String::from_utf8_lossy(&self.text)
    }

    pub(crate) fn manifest(&self) -> &PluginManifest {
        &self.manifest
    }

    /// Refuses a plugin that is not the one that was looked at.
    pub(crate) fn must_be(&self, digest: &str, manifest: &PluginManifest) -> Result<()> {
        let is_same = sha256(&self.component) == digest
            && self.manifest.permissions == manifest.permissions
            && self.manifest.name == manifest.name;
        match is_same {
            true => Ok(()),
            false => Err(Error::input(format!(
                "the plugin `{}` changed while it was read",
                manifest.name
            ))
            .hint("run the command again, and read the requested permissions")),
        }
    }

    /// Writes both files beside each other: first aside, then each in its place.
    pub(crate) fn write_to(&self, folder: &Path) -> Result<()> {
        let component = folder.join(self.manifest.component_file()?);
        replace(&component, &self.component)
            .and_then(|()| replace(&folder.join(MANIFEST), &self.text))
            .map_err(|error| failed("write to", folder, &error))
    }

    /// Writes it beneath a root. Other files in its folder stay as they are.
    pub(crate) fn take_in(&self, root: &Path) -> Result<()> {
        let folder = folder_of(root, &self.manifest.name)?;
        fs::create_dir_all(&folder).map_err(|error| failed("make", &folder, &error))?;
        self.write_to(&folder)
    }
}

/// Removes what was taken in, and its folder once that is empty.
pub(crate) fn remove_files(root: &Path, name: &str) -> Result<()> {
    let folder = folder_of(root, name)?;
    let component = duress_yaml::load::<PluginManifest>(&folder.join(MANIFEST))
        .ok()
        .and_then(|(manifest, _)| Some(folder.join(manifest.component_file().ok()?)));
    for path in [component, Some(folder.join(MANIFEST))]
        .into_iter()
        .flatten()
    {
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(failed("remove", &path, &error));
            }
            _ => {}
        }
    }
    match fs::remove_dir(&folder) {
        // Other files are somebody's own.
        Err(error)
            if !matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::DirectoryNotEmpty
            ) =>
        {
            Err(failed("remove", &folder, &error))
        }
        _ => Ok(()),
    }
}

/// Returns the folder of a plugin beneath a root: no link leads elsewhere.
fn folder_of(root: &Path, name: &str) -> Result<PathBuf> {
    let plugins = root.join("plugins");
    let folder = plugins.join(name);
    for path in [&plugins, &folder] {
        match fs::symlink_metadata(path) {
            Ok(found) if !found.is_dir() => {
                return Err(Error::input(format!(
                    "{} is a link or a file, and not a folder: nothing is written or removed through it",
                    path.display()
                ))
                .hint("put a folder in its place, or name another root with --root"));
            }
            _ => {}
        }
    }
    Ok(folder)
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> Error {
    Error::environment(format!("{verb} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn plugin(component: &str) -> Result<Unpacked> {
        Unpacked::from(Fetched {
            manifest: format!(
                "name: theirs\nversion: 0.1.0\nsummary: s\nlicense: MIT\ncomponent: {component}\nwit: 0.1.1\n"
            ),
            component: b"component".to_vec(),
        })
    }

    #[test]
    fn a_component_lies_beside_its_manifest() {
        for path in [
            "../x.wasm",
            "/etc/x",
            "a/x.wasm",
            "..",
            "plugin.yaml",
            "\"\"",
        ] {
            assert!(plugin(path).is_err(), "{path}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let there = plugin("x.wasm").expect("a plugin");
        there.write_to(folder.path()).expect("written");
        Unpacked::read(folder.path()).expect("regular files");
        let component = folder.path().join("x.wasm");
        fs::remove_file(&component).expect("removed");
        symlink("/dev/zero", &component).expect("a link");
        Unpacked::read(folder.path()).err().expect("a link");
        fs::remove_file(&component).expect("removed");
        let pipe = std::process::Command::new("mkfifo")
            .arg(&component)
            .status();
        assert!(pipe.expect("mkfifo(1)").success());
        Unpacked::read(folder.path()).err().expect("a pipe");
    }

    #[test]
    fn nothing_is_written_or_removed_through_a_link() {
        let root = tempfile::tempdir().expect("a folder");
        let victim = tempfile::tempdir().expect("a folder");
        let at = |name: &str| victim.path().join(name);
        fs::write(at("plugin.yaml"), b"mine").expect("a file");
        fs::write(at("x.wasm"), b"mine").expect("a file");
        let unpacked = plugin("x.wasm").expect("a plugin");
        let untouched = || {
            unpacked.take_in(root.path()).expect_err("a link");
            remove_files(root.path(), "theirs").expect_err("a link");
            for file in ["plugin.yaml", "x.wasm"] {
                assert_eq!(fs::read(at(file)).expect("a file"), b"mine");
            }
        };
        let plugins = root.path().join("plugins");
        symlink(victim.path(), &plugins).expect("a link");
        untouched();
        fs::remove_file(&plugins).expect("removed");
        fs::create_dir(&plugins).expect("a folder");
        symlink(victim.path(), plugins.join("theirs")).expect("a link");
        untouched();
        fs::remove_file(plugins.join("theirs")).expect("removed");
        // Links in the place of the files themselves are replaced.
        fs::create_dir(plugins.join("theirs")).expect("a folder");
        for file in ["plugin.yaml", "x.wasm"] {
            symlink(at(file), plugins.join("theirs").join(file)).expect("a link");
        }
        unpacked.take_in(root.path()).expect("replaced");
        let own = plugins.join("theirs/notes");
        fs::write(&own, b"notes").expect("a file");
        remove_files(root.path(), "theirs").expect("removed");
        assert!(own.exists() && !plugins.join("theirs/x.wasm").exists());
        for file in ["plugin.yaml", "x.wasm"] {
            assert_eq!(fs::read(at(file)).expect("a file"), b"mine");
        }
    }
}
