//! Files that changes replace: what was there is read and written down with the change, and restored byte for byte.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest as _, Sha256};

use super::JournalError;
use super::act::Executor;
use super::change::{Action, Change};
use duress_engine::{ENGINE_FILES, EngineError, FILE_LIMIT, FileCopy, Replacement, Standing};
use duress_store::ChangeRow;

/// The most that one trial's changes may keep of files, in bytes, new contents and originals together.
pub(super) const KEPT_LIMIT: usize = 16 << 20;

/// Bytes, as base64 in JSON.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bytes(pub Vec<u8>);

impl Serialize for Bytes {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = BASE64_STANDARD.decode(text);
        bytes.map(Self).map_err(serde::de::Error::custom)
    }
}

/// What a file is restored to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Original {
    /// Not known yet: the change is not written down.
    #[default]
    Unknown,
    /// There was no file.
    Absent,
    /// This one.
    File {
        /// All of it.
        contents: Bytes,
        /// Of the contents, SHA-256 in hexadecimal digits: what was damaged in the database is not restored.
        digest: String,
        /// Permission bits.
        mode: u32,
        /// Number of its owner.
        user: u32,
        /// Number of its group.
        group: u32,
    },
}

impl Original {
    fn of(file: FileCopy) -> Self {
        Self::File {
            digest: digest(&file.contents),
            contents: Bytes(file.contents),
            mode: file.mode,
            user: file.user,
            group: file.group,
        }
    }

    /// The file, once it is known and if it is what was written down.
    pub(super) fn file(&self) -> Result<Option<FileCopy>, String> {
        match self {
            Self::Unknown => Err("it was not written down what the file was before".into()),
            Self::Absent => Ok(None),
            Self::File {
                contents,
                digest: expected,
                mode,
                user,
                group,
            } => {
                let actual = digest(&contents.0);
                if actual != *expected {
                    return Err(format!(
                        "the journal's copy of the file is damaged: its digest is {actual} instead of {expected}"
                    ));
                }
                Ok(Some(FileCopy {
                    contents: contents.0.clone(),
                    mode: *mode,
                    user: *user,
                    group: *group,
                }))
            }
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::File { contents, .. } => contents.0.len(),
            Self::Unknown | Self::Absent => 0,
        }
    }
}

fn digest(contents: &[u8]) -> String {
    hex::encode(Sha256::digest(contents))
}

/// A file that a change replaces, with what it was.
#[derive(Debug)]
pub(super) struct Replaced<'a> {
    path: &'a str,
    contents: &'a [u8],
    token: &'a str,
    original: Result<Option<FileCopy>, String>,
}

impl Replaced<'_> {
    /// For the engine, once it is known what there was.
    pub(super) fn wanted(&self) -> Result<Replacement<'_>, String> {
        Ok(Replacement {
            path: self.path,
            contents: self.contents,
            original: self.original.as_ref().map_err(String::clone)?.as_ref(),
            token: self.token,
        })
    }

    /// Whether the file is the new one; with `in_force` unset, whether it is not restored yet.
    pub(super) fn holds(&self, there: &Standing, in_force: bool) -> bool {
        let is_new = || matches!(there, Standing::File(file) if file.contents == self.contents);
        // What the engine writes into its own files is its own affair.
        if in_force || ENGINE_FILES.contains(&self.path) {
            return is_new();
        }
        match (&self.original, there) {
            (Ok(Some(original)), Standing::File(file)) => file != original,
            (Ok(None), Standing::Absent) => false,
            _ => true,
        }
    }
}

impl Change {
    /// The file that it replaces at a path.
    pub(super) fn replaced(&self, path: &str) -> Option<Replaced<'_>> {
        let (path, contents, token) = self.apply.iter().find_map(|action| match action {
            Action::ReplaceFile {
                path: at,
                contents,
                token,
            } if at == path => Some((at, contents, token)),
            _ => None,
        })?;
        let original = self.revert.iter().find_map(|action| match action {
            Action::RestoreFile { path: at, original } if at == path => Some(original),
            _ => None,
        })?;
        Some(Replaced {
            path,
            contents: &contents.0,
            token,
            original: original.file(),
        })
    }

    /// The paths of all files that it replaces.
    pub fn replaced_paths(&self) -> impl Iterator<Item = &str> {
        self.apply.iter().filter_map(|action| match action {
            Action::ReplaceFile { path, .. } => Some(path.as_str()),
            _ => None,
        })
    }

    /// What it keeps of files, in bytes.
    pub(super) fn kept(&self) -> usize {
        let size = |action: &Action| match action {
            Action::ReplaceFile { contents, .. } => contents.0.len(),
            Action::RestoreFile { original, .. } => original.size(),
            _ => 0,
        };
        self.apply.iter().chain(&self.revert).map(size).sum()
    }
}

/// Whether a path of a file is absolute, and the only one for what it names.
pub(super) fn is_plain(path: &str) -> bool {
    let mut parts = path.split('/');
    parts.next() == Some("")
        && path.len() > 1
        && !path.contains('\0')
        && parts.all(|part| !matches!(part, "" | "." | ".."))
}

/// Whether a file's new contents are within the limit.
pub(super) fn check_size(contents: &Bytes) -> Result<(), String> {
    if contents.0.len() <= FILE_LIMIT {
        return Ok(());
    }
    Err(format!(
        "writes {} bytes into a file: at most {FILE_LIMIT} are allowed",
        contents.0.len()
    ))
}

/// Puts what is there now into the `revert` of a change that replaces files. `rows` are the changes that may be in force.
pub(super) async fn write_down(
    executor: &Executor,
    change: &mut Change,
    rows: &[ChangeRow],
) -> Result<(), JournalError> {
    let paths: Vec<String> = change.replaced_paths().map(str::to_owned).collect();
    for path in paths {
        let refused =
            |why: String| JournalError::Refused(format!("{}: {path} {why}", change.summary));
        if rows.iter().any(|row| replaces(row, change, &path)) {
            return Err(refused(
                "is replaced by another change that is in force: revert that one first".into(),
            ));
        }
        let look = || executor.engine.read_file(&change.container, &path);
        let original = match executor.thawed(change, look).await {
            Ok(Standing::Absent) => Original::Absent,
            Ok(Standing::File(file)) => Original::of(file),
            Ok(Standing::Other(why)) => return Err(refused(why)),
            Err(EngineError::Gone(_)) => {
                return Err(refused(format!(
                    "cannot be read: {} is gone",
                    change.container_name
                )));
            }
            Err(error) => return Err(refused(format!("cannot be read: {error}"))),
        };
        for action in &mut change.revert {
            if let Action::RestoreFile {
                path: at,
                original: kept,
            } = action
                && *at == path
            {
                *kept = original.clone();
            }
        }
    }
    Ok(())
}

/// Whether a row's change replaces the same file.
fn replaces(row: &ChangeRow, change: &Change, path: &str) -> bool {
    let other: Result<Change, _> = serde_json::from_value(row.change.clone());
    other.is_ok_and(|other| {
        other.container == change.container && other.replaced_paths().any(|at| at == path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn original() -> Original {
        Original::of(FileCopy {
            contents: b"one\0two\xff".to_vec(),
            mode: 0o640,
            user: 70,
            group: 71,
        })
    }

    #[test]
    fn a_file_comes_out_of_the_journal_as_it_went_in() {
        let text = serde_json::to_string(&original()).expect("JSON");
        let read: Original = serde_json::from_str(&text).expect("an original");
        assert_eq!(read, original());
        let file = read.file().expect("undamaged").expect("a file");
        assert_eq!(file.contents, b"one\0two\xff");
    }

    #[test]
    fn a_damaged_copy_is_not_restored() {
        let Original::File {
            digest,
            mode,
            user,
            group,
            ..
        } = original()
        else {
            panic!("a file");
        };
        let damaged = Original::File {
            contents: Bytes(b"one\0two".to_vec()),
            digest,
            mode,
            user,
            group,
        };
        assert!(damaged.file().is_err_and(|why| why.contains("damaged")));
        assert!(Original::Unknown.file().is_err());
        assert_eq!(Original::Absent.file(), Ok(None));
    }

    #[test]
    fn only_one_path_leads_to_a_file() {
        for path in ["/a", "/a/b.conf", "/etc/.hidden"] {
            assert!(is_plain(path), "{path}");
        }
        for path in [
            "", "/", "a", "a/b", "/a/", "//a", "/a//b", "/./a", "/a/../b", "/..", "/a\0",
        ] {
            assert!(!is_plain(path), "{path:?}");
        }
    }
}
