//! Who makes operations, and why one did not succeed.

use async_trait::async_trait;

use duress_model::text::tame;

/// The longest name of a kind of failure, in bytes.
const KIND_LIMIT: usize = 32;
/// The longest detail that is kept of a failure, in bytes.
pub(crate) const DETAIL_LIMIT: usize = 300;

/// The kind of an operation that found no place among those under way.
pub const OVERLOAD: &str = "overload";
/// The kind of an operation that did not end within its time limit.
pub const TIMEOUT: &str = "timeout";
/// The kind of an operation whose client broke down: a mistake in duress itself.
pub const CLIENT_FAILED: &str = "client_failed";
/// The kind of whatever has no kind of its own.
pub const OTHER: &str = "other";

/// A client that makes operations, many at once.
#[async_trait]
pub trait Client: Send + Sync + 'static {
    /// Makes the operation of this number, counted from 0. It is dropped when its time limit has passed.
    ///
    /// # Errors
    /// Why it did not succeed.
    async fn operate(&self, number: u64) -> Result<(), Failure>;
}

/// Why an operation did not succeed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    kind: String,
    detail: String,
}

impl Failure {
    /// A failure of a kind, e.g. `refused`, with one line for a person. A kind is 1 to 32 lower-case letters, digits and `_`; another
    /// becomes `other`, and its name stands in the detail.
    pub fn new(kind: &str, detail: &str) -> Self {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if (1..=KIND_LIMIT).contains(&kind.len()) && kind.chars().all(fits) {
            return Self {
                kind: kind.to_owned(),
                detail: tame(detail, DETAIL_LIMIT),
            };
        }
        let kind = tame(kind, KIND_LIMIT);
        Self {
            kind: OTHER.to_owned(),
            detail: tame(&format!("{kind}: {detail}"), DETAIL_LIMIT),
        }
    }

    /// What it is counted under.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// What happened, in one line.
    pub fn detail(&self) -> &str {
        &self.detail
    }
}
