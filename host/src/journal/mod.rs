//! Changes, written down before they are made.
pub mod change;
