//! What the verbs of `duress plugin` share: finding plugins, bringing them from elsewhere, and granting them permissions.

pub(crate) mod brought;
pub(crate) mod grant;
pub(crate) mod locate;
pub(crate) mod unpacked;

use std::path::PathBuf;

use clap::Args;

/// A plugin that is found from here.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Plugin: its folder, its component's file, or its name if it can be found from here
    pub(crate) plugin: String,
}

/// A root, whose lock is read and written.
#[derive(Debug, Args)]
pub(crate) struct Root {
    /// Folder with `plugins`, `subjects` and the lock [default: the nearest at or above the working directory]
    #[arg(long = "root", value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// How the lock of a root is changed.
#[derive(Debug, Args)]
pub(crate) struct Change {
    /// Do not ask for confirmation
    #[arg(long)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) root: Root,
}
