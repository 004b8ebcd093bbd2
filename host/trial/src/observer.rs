//! What a trial tells while it runs.

use std::sync::Arc;

use crate::EventSender;
use duress_journal::{Listener, Step};
use duress_model::{Event, Phase};

/// Tells one trial's events, under its name and slot.
#[derive(Debug, Clone)]
pub struct Observer {
    trial: String,
    slot: usize,
    events: EventSender,
}

impl Observer {
    /// For the trial of that name in a slot.
    pub fn new(trial: String, slot: usize, events: EventSender) -> Self {
        Self {
            trial,
            slot,
            events,
        }
    }

    pub(super) fn phase(&self, phase: Phase) {
        self.send(Event::PhaseStarted {
            trial: self.trial.clone(),
            slot: self.slot,
            phase,
        });
    }

    pub(super) fn note(&self, message: String) {
        self.line(message, false);
    }

    pub(super) fn important(&self, message: String) {
        self.line(message, true);
    }

    /// For the journal: its steps become lines.
    pub(super) fn listener(&self) -> Listener {
        let observer = self.clone();
        Listener(Arc::new(move |step| match step {
            Step::Applied(summary) => observer.note(format!("applied: {summary}")),
            Step::Reverted(summary) => observer.note(format!("reverted: {summary}")),
            Step::Stuck(summary, why) => {
                observer.important(format!("NOT REVERTED: {summary}: {why}"));
            }
        }))
    }

    fn line(&self, message: String, important: bool) {
        self.send(Event::Note {
            trial: self.trial.clone(),
            slot: self.slot,
            message,
            important,
        });
    }

    fn send(&self, event: Event) {
        self.events.send(event);
    }
}
