//! Errors for people: the contract's variants, with what makes them easy to write.

use std::fmt;

use crate::Error;

/// What most functions here return.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Puts what was tried before the text: `context: text`. A time-out has no text, and becomes a failure with one.
    #[must_use]
    pub fn context(self, context: impl fmt::Display) -> Self {
        match self {
            Self::Denied(text) => Self::Denied(format!("{context}: {text}")),
            Self::Invalid(text) => Self::Invalid(format!("{context}: {text}")),
            Self::Unavailable(text) => Self::Unavailable(format!("{context}: {text}")),
            Self::Failed(text) => Self::Failed(format!("{context}: {text}")),
            Self::Timeout(_) => Self::Failed(format!("{context}: {}", self.text())),
        }
    }

    /// Returns the text alone, for a sentence of one's own.
    pub fn text(&self) -> String {
        match self {
            Self::Denied(text)
            | Self::Invalid(text)
            | Self::Unavailable(text)
            | Self::Failed(text) => text.clone(),
            Self::Timeout(milliseconds) => format!("no end within {milliseconds} ms"),
        }
    }

    /// Trying again can never help: the host refused, or the request is wrong.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Denied(_) | Self::Invalid(_))
    }
}
