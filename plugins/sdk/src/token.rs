//! A name for one change, so that what it leaves in the system is found by a mark of its own, never by position.

use std::fmt;

use crate::host;

/// 64 bits from the trial's seeded sequence, shown as 16 hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token(pub u64);

impl Token {
    /// One that no other change of this trial has.
    pub fn fresh() -> Self {
        Self(host::random())
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}
