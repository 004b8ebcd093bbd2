//! What the host tells its helper, which works beside a container, and what the helper answers.
//!
//! The helper is started in one of two ways:
//!
//! - `task --id ID JSON`: a [`Task`], which goes on until it is ended. The ID stands in the argument vector, where any duress
//!   finds it again, whatever its version. No other word of the vector may be `stop` or `runs`: an older duress takes such a
//!   process for a question about the task.
//! - `request JSON`: a [`Request`], which is answered at once.
//!
//! The host checks the size of what it sends, and the helper checks all of what it gets.

mod request;
mod work;

pub use request::{Fill, Process, Request};
pub use work::{Beside, Distribution, DnsLie, PacketQueue, Work};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The toolbox's image, with a helper that understands this protocol. The number changes with the protocol, so that two versions
/// of duress work on one machine.
pub const TOOLBOX_IMAGE: &str = "duress/toolbox:protocol-2";

/// The longest argument, in bytes: Linux refuses one of 128 KiB (`MAX_ARG_STRLEN` in execve(2)).
pub const ARGUMENT_LIMIT: usize = 120 << 10;

/// Work for the helper, and how it is done.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// What is done.
    pub work: Work,
    /// As whom a program runs, as the container's image or compose file names its user; empty: as the helper itself.
    #[serde(default)]
    pub user: String,
    /// After how many seconds it ends by itself, though nobody ends it.
    #[serde(default)]
    pub ends_after_seconds: Option<u64>,
}

/// Why an argument cannot be sent, or is refused. Each message is the end of a sentence.
#[derive(Debug, thiserror::Error)]
pub enum ArgumentError {
    /// It is longer than [`ARGUMENT_LIMIT`].
    #[error("takes {0} bytes, and {ARGUMENT_LIMIT} are the most")]
    TooLong(usize),
    /// It is not what this version of the helper understands.
    #[error("is not valid")]
    Invalid(#[from] serde_json::Error),
    /// It is outside its range.
    #[error("{0}")]
    OutOfRange(String),
}

impl Task {
    /// Returns the helper's arguments for a task of this name.
    ///
    /// # Errors
    /// [`ArgumentError::TooLong`].
    pub fn arguments(&self, id: &str) -> Result<Vec<String>, ArgumentError> {
        let words = ["task", "--id", id].map(str::to_owned);
        Ok(words.into_iter().chain([encode(self)?]).collect())
    }

    /// Reads a task from an argument.
    ///
    /// # Errors
    /// All of [`ArgumentError`].
    pub fn from_argument(text: &str) -> Result<Self, ArgumentError> {
        let task: Self = decode(text)?;
        task.work.check().map_err(ArgumentError::OutOfRange)?;
        Ok(task)
    }
}

impl Request {
    /// Returns the helper's arguments for it.
    ///
    /// # Errors
    /// [`ArgumentError::TooLong`].
    pub fn arguments(&self) -> Result<Vec<String>, ArgumentError> {
        Ok(vec!["request".to_owned(), encode(self)?])
    }

    /// Reads a request from an argument.
    ///
    /// # Errors
    /// All but [`ArgumentError::OutOfRange`].
    pub fn from_argument(text: &str) -> Result<Self, ArgumentError> {
        decode(text)
    }
}

fn encode(value: &impl Serialize) -> Result<String, ArgumentError> {
    let text = serde_json::to_string(value)?;
    bounded(&text)?;
    Ok(text)
}

fn decode<T: DeserializeOwned>(text: &str) -> Result<T, ArgumentError> {
    bounded(text)?;
    Ok(serde_json::from_str(text)?)
}

fn bounded(text: &str) -> Result<(), ArgumentError> {
    match text.len() {
        length if length > ARGUMENT_LIMIT => Err(ArgumentError::TooLong(length)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
