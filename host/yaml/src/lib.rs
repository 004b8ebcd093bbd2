//! YAML files of people's own: read strictly, with every mistake at once and each at its place.
//!
//! A file is parsed once into a plain JSON value and an index of where each part of it stands ([`Document`]). The value is checked
//! against the JSON Schema of the type that is wanted, so a file with five mistakes is told of all five; only then does serde see
//! it. Scalars follow YAML 1.2's core schema: `yes` and `no` are text. This module must never print, and never panic on any input.

use std::path::Path;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;

mod document;
mod file;
mod invalid;
mod node;
mod schema;
mod syntax;
#[cfg(test)]
mod tests;
mod violation;
mod words;

pub use document::{Document, Place};
pub use invalid::{Invalid, PROBLEMS_SHOWN, Problem};
pub use schema::{any_mapping, schema_of};
pub use words::{list_of, shown};

/// Why a file could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// There is no such file, or it cannot be read as text.
    #[error(transparent)]
    File(#[from] duress_model::Error),
    /// Its content is wrong.
    #[error(transparent)]
    Content(#[from] Invalid),
}

impl LoadError {
    /// Returns what a person sees of a wrong content, with the places drawn; nothing for the rest, which is an ordinary error.
    pub fn content(&self) -> Option<&Invalid> {
        match self {
            Self::File(_) => None,
            Self::Content(invalid) => Some(invalid),
        }
    }
}

impl From<LoadError> for duress_model::Error {
    fn from(error: LoadError) -> Self {
        match error {
            LoadError::File(error) => error,
            LoadError::Content(invalid) => invalid.into(),
        }
    }
}

/// Loads a file of at most [`file::SIZE_LIMIT`] bytes as a `T`.
///
/// The document comes along for checks that the schema cannot make: it turns a JSON pointer into a [`Problem`] with a place.
pub fn load<T: DeserializeOwned + JsonSchema>(path: &Path) -> Result<(T, Document), LoadError> {
    let document = Document::read(path)?;
    let (value, problems) = document.interpret();
    match value {
        Some(value) => Ok((value, document)),
        None => Err(document.invalid(problems).into()),
    }
}
