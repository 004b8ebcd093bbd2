//! What happens in a run, as one stream: the terminal, plain log lines and JSON lines are its readers.

use jiff::Timestamp;
use serde::Serialize;

use crate::{Circumstances, Outcome, Phase};

/// One thing that happened.
#[derive(Debug, Clone, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// A campaign begins.
    CampaignStarted {
        /// Its id.
        campaign: String,
        /// How many trials are to be run.
        trials: usize,
        /// How many run at once.
        parallel: usize,
        /// How many had finished before, and are not run again.
        finished_before: usize,
    },
    /// A trial begins in a slot.
    TrialStarted {
        /// The trial's id.
        id: String,
        /// Its name.
        trial: String,
        /// The slot, from 0.
        slot: usize,
        /// Its compose project: the label `com.docker.compose.project` of its containers.
        project: String,
    },
    /// A phase of a trial begins.
    PhaseStarted {
        /// The trial's name.
        trial: String,
        /// The slot.
        slot: usize,
        /// The phase.
        phase: Phase,
    },
    /// Something worth a line happened in a trial.
    Note {
        /// The trial's name.
        trial: String,
        /// The slot.
        slot: usize,
        /// A line, e.g. `applied: delay eth0 by 100ms`.
        message: String,
        /// A person should see it even when little is shown.
        important: bool,
    },
    /// A trial has ended and is stored.
    TrialEnded {
        /// The trial's id.
        id: String,
        /// Its name.
        trial: String,
        /// The slot.
        slot: usize,
        /// The result.
        outcome: Outcome,
        /// From when the last fault was seen to be gone to the first healthy report, in milliseconds; absent where the subject stayed
        /// healthy.
        recovery_ms: Option<i64>,
        /// What else happened.
        circumstances: Circumstances,
        /// Why it did not pass.
        error: Option<String>,
        /// What to do about it.
        hints: Vec<String>,
    },
    /// A slot waits before its next trial.
    CoolingDown {
        /// The slot.
        slot: usize,
        /// For how long.
        seconds: f64,
    },
    /// The engine does not answer: a slot waits for it before its next trial.
    EngineGone {
        /// The slot.
        slot: usize,
        /// What was tried.
        error: String,
        /// For how long at most.
        seconds: u64,
    },
    /// As many trials in a row did not pass as the campaign bears: no more are begun.
    FailedEnough {
        /// How many that were.
        failures: u32,
        /// How many trials are not run.
        left: usize,
    },
    /// A trial was aborted for safety, and the experiment says that no more are begun then.
    StoppedByAbort {
        /// How many trials are not run.
        left: usize,
    },
    /// Somebody asked for the end: running trials are rolled back.
    Stopping {
        /// Why the machine was halted; absent for a signal to this process.
        halted: Option<String>,
        /// This process stood still, and its guardian has reverted what it had in force.
        taken_over: bool,
    },
    /// All is over.
    CampaignEnded {
        /// Its id.
        campaign: String,
        /// Trials that ran to their end, whatever their outcome.
        finished: usize,
        /// It was stopped before all had run.
        interrupted: bool,
    },
}

/// An event and when it happened.
#[derive(Debug, Clone, Serialize)]
pub struct Timed {
    /// When (RFC 3339).
    pub time: Timestamp,
    /// What.
    #[serde(flatten)]
    pub event: Event,
}
