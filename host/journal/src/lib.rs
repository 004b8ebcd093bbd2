//! Changes, written down before they are made, and reverted whatever happens.
//!
//! `applying → in force → reverting → reverted`, or `void` when the container is gone. The row `applying` is durable before the first
//! action, so what a killed host left is always known; the row's change carries its own way back, so taking it back needs no plugin.

mod act;
mod arrangement;
pub mod change;
pub mod comparison;
mod history;
mod inverse;
pub mod kept;
mod limits;
mod processes;
mod recover;
mod report;
mod revert;
#[cfg(test)]
mod tests;
mod traffic;
mod trial;
mod words;

pub use act::Executor;
pub use arrangement::draw_token;
pub use history::Held;
pub use recover::{Recovered, recover};
pub use report::{Listener, Lost, RollbackReport, Step};
pub use trial::TrialJournal;

/// Why a change was not made or not reverted.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JournalError {
    /// It is malformed, unknown, or comes too late. Nothing was done.
    #[error("{0}")]
    Refused(String),
    /// It could not be made. What was made of it was reverted, unless the message says otherwise.
    #[error("{0}")]
    NotMade(String),
    /// It was made and its effect could not be seen. It was reverted, unless the message says otherwise.
    #[error("{0}")]
    NotInForce(String),
    /// It could not be reverted, or is still in force.
    #[error("{0}")]
    NotReverted(String),
    /// The journal itself could not be written; nothing was done.
    #[error("the journal cannot be written: {0}")]
    Store(duress_model::Error),
}
