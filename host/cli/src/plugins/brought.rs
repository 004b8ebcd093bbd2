//! Plugins from anywhere, in a folder of this machine.

use std::path::{Path, PathBuf};

use duress_model::{Error, Result};
use duress_plugin::{BuiltIn, Fetched, Runtime, Source};
use tempfile::TempDir;

use super::locate::absolute;
use super::unpacked::Unpacked;

/// A plugin that lies somewhere, and what holds it there.
pub(crate) struct Brought {
    pub(crate) folder: PathBuf,
    /// As the lock says it.
    pub(super) source: String,
    /// It must be copied beneath the root.
    pub(super) is_elsewhere: bool,
    /// What was fetched is here until it has been taken in.
    _folder: Option<TempDir>,
}

/// From wherever it is to a folder of this machine.
pub(crate) async fn bring(source: &Source, root: &Path) -> Result<Brought> {
    if let Source::Path(folder) = source
        && !folder.is_file()
    {
        let folder = absolute(folder).map_err(|error| {
            error.hint("it is a folder with a plugin.yaml, a component's file, a URL, or oci://HOST/NAME:TAG")
        })?;
        let inside = folder.strip_prefix(root).ok();
        return Ok(Brought {
            source: match inside {
                // The root itself, for a plugin in the same folder as its subjects.
                Some(inside) if inside.as_os_str().is_empty() => ".".to_owned(),
                Some(inside) => inside.display().to_string(),
                None => folder.display().to_string(),
            },
            is_elsewhere: inside.is_none(),
            folder,
            _folder: None,
        });
    }
    let source = match source {
        Source::Path(file) => &Source::Path(absolute(file)?),
        elsewhere => elsewhere,
    };
    let fetched = fetched(source, None).await?;
    let folder = tempfile::tempdir()
        .map_err(|error| Error::environment(format!("make a folder for {source}: {error}")))?;
    Unpacked::from(fetched)?.write_to(folder.path())?;
    Ok(Brought {
        folder: folder.path().to_owned(),
        source: source.to_string(),
        is_elsewhere: true,
        _folder: Some(folder),
    })
}

/// A plugin that belongs to the program, as if it lay in a folder.
pub(crate) fn unpack_built_in(built_in: BuiltIn) -> Result<Brought> {
    let name = built_in.name();
    let failed = |error: std::io::Error| {
        Error::environment(format!("unpack the built-in plugin `{name}`: {error}"))
    };
    let folder = tempfile::tempdir().map_err(failed)?;
    let fetched = Fetched {
        manifest: built_in.manifest_text().to_owned(),
        component: built_in.component()?.to_owned(),
    };
    Unpacked::from(fetched)?.write_to(folder.path())?;
    std::fs::write(
        folder.path().join("conformance.yaml"),
        built_in.conformance_text(),
    )
    .map_err(failed)?;
    Ok(Brought {
        folder: folder.path().to_owned(),
        source: name.to_owned(),
        is_elsewhere: true,
        _folder: Some(folder),
    })
}

pub(crate) async fn fetched(source: &Source, digest: Option<&str>) -> Result<Fetched> {
    let kept = Runtime::fetched_directory();
    let fetched = source.fetch(digest, kept.as_deref()).await?;
    fetched.ok_or_else(|| Error::input(format!("{source} is a folder, which cannot be fetched")))
}
