//! Where the database is when nobody says.

use std::env::var_os;
use std::path::PathBuf;

use duress_model::{Error, Result};

/// `$XDG_DATA_HOME/duress/duress.db`, else `~/.local/share/duress/duress.db` (XDG Base Directory Specification).
///
/// # Errors
/// `Environment` when neither variable is set.
pub fn default_path() -> Result<PathBuf> {
    let set = |name| {
        var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let data = set("XDG_DATA_HOME").or_else(|| Some(set("HOME")?.join(".local/share")));
    data.map(|folder| folder.join("duress/duress.db"))
        .ok_or_else(|| {
            Error::environment(
                "find a place for the database: neither XDG_DATA_HOME nor HOME is set",
            )
            .hint("name one with --db")
        })
}
