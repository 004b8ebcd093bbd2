//! Where the database is when nobody says.

use std::path::PathBuf;

use duress_model::{Error, Result};
use etcetera::BaseStrategy as _;

/// `$XDG_DATA_HOME/duress/duress.db`, else `~/.local/share/duress/duress.db` (XDG Base Directory Specification).
///
/// # Errors
/// `Environment` when this user has no home.
pub fn default_path() -> Result<PathBuf> {
    let folders = etcetera::base_strategy::Xdg::new().map_err(|_| {
        Error::environment("find a place for the database: this user has no home (HOME is not set)")
            .hint("name one with --db")
    })?;
    Ok(folders.data_dir().join("duress/duress.db"))
}
