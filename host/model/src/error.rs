//! The one error type of the library: what was tried, why it failed, and what to do about it.
//!
//! A message is a lower-case fragment that says what was tried, on what, and why not; hints say what to do. Only the command line
//! prints them.

use std::fmt;

/// Whose matter an error is. It decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Something that was tried on the system under test failed. Exit code 1.
    Failed,
    /// The user's input is wrong. Exit code 2.
    Input,
    /// The environment lacks something: an engine, a tool, a kernel feature, room on the disk. Exit code 3.
    Environment,
}

/// An error with hints.
#[derive(Debug, Clone)]
pub struct Error {
    kind: Kind,
    message: String,
    hints: Vec<String>,
}

/// What most functions of the library return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Returns an error of a kind, without hints.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hints: Vec::new(),
        }
    }

    /// Returns an error for something that was tried and failed.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(Kind::Failed, message)
    }

    /// Returns an error for wrong input of the user.
    pub fn input(message: impl Into<String>) -> Self {
        Self::new(Kind::Input, message)
    }

    /// Returns an error for what the environment lacks.
    pub fn environment(message: impl Into<String>) -> Self {
        Self::new(Kind::Environment, message)
    }

    /// Adds a line that says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Puts what was tried before the message: `context: message`.
    #[must_use]
    pub fn context(mut self, context: impl fmt::Display) -> Self {
        self.message = format!("{context}: {}", self.message);
        self
    }

    /// Whose matter it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns what to do, a line each.
    pub fn hints(&self) -> &[String] {
        &self.hints
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

/// Returns the message of an error's innermost cause, which says what happened; those around it often repeat what the caller names anyway.
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
