//! What the journal says of a trial's changes.

use std::sync::Arc;

/// Events of the journal for observers of a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A change is in force.
    Applied(String),
    /// A change was reverted.
    Reverted(String),
    /// A change could not be reverted.
    Stuck(String, String),
}

/// Who is told of the steps. Telling must not wait.
#[derive(Clone)]
pub struct Listener(pub Arc<dyn Fn(Step) + Send + Sync>);

impl std::fmt::Debug for Listener {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Listener")
    }
}

/// A change that ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Its id.
    pub id: String,
    /// Its summary.
    pub summary: String,
    /// What of it no longer holds.
    pub what: String,
    /// It was made again; or why it could not be. `None` where nobody asked for it.
    pub reapplied: Option<Result<(), String>>,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "no longer in effect: {} ({} does not hold)",
            self.summary, self.what
        )?;
        match &self.reapplied {
            None => Ok(()),
            Some(Ok(())) => f.write_str("; it was made again"),
            Some(Err(why)) => write!(f, "; it could not be made again: {why}"),
        }
    }
}

/// What a rollback did.
#[derive(Debug, Clone, Default)]
pub struct RollbackReport {
    /// Summaries of what was reverted.
    pub reverted: Vec<String>,
    /// Summaries of what is still in force or unknown, and why.
    pub stuck: Vec<(String, String)>,
}
