//! What came of a trial.

use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSql, ToSqlOutput, ValueRef};
use serde::Serialize;

/// What came of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The fault took effect, was reverted, and the subject recovered.
    #[default]
    Passed,
    /// The injection, the rollback or the validation failed.
    Failed,
    /// The subject was not healthy again in time.
    TimedOut,
    /// The fault's effect could not be shown, so the trial proves nothing.
    Invalid,
    /// The stack or the engine failed, before any fault or without one.
    Environment,
    /// Something that was not the trial's doing changed what it was about, so it proves nothing.
    Disturbed,
    /// The host ended it for safety.
    Aborted,
    /// The user ended it, or its host was killed.
    Cancelled,
}

const ALL: [Outcome; 8] = [
    Outcome::Passed,
    Outcome::Failed,
    Outcome::TimedOut,
    Outcome::Invalid,
    Outcome::Environment,
    Outcome::Disturbed,
    Outcome::Aborted,
    Outcome::Cancelled,
];

impl Outcome {
    /// As it is stored and printed, e.g. `timed_out`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Invalid => "invalid",
            Self::Environment => "environment",
            Self::Disturbed => "disturbed",
            Self::Aborted => "aborted",
            Self::Cancelled => "cancelled",
        }
    }
}

impl ToSql for Outcome {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(self.as_str().into())
    }
}

impl FromSql for Outcome {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let text = value.as_str()?;
        ALL.into_iter()
            .find(|outcome| outcome.as_str() == text)
            .ok_or(FromSqlError::InvalidType)
    }
}
