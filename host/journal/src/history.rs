//! What a trial's journal has made, as evidence: which changes took effect, on which containers, from when until when.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::change::{Action, Change};
use duress_engine::ContainerId;

/// One change of a trial.
#[derive(Debug, Clone)]
pub struct Held {
    /// Its id in the journal.
    pub id: String,
    /// The container, by the engine's name.
    pub container: ContainerId,
    /// The container, by the plugin's name.
    pub container_name: String,
    /// One line.
    pub summary: String,
    /// Containers that it sets aside while it is in force, by the engine's names.
    pub set_aside: Vec<ContainerId>,
    /// It stops, restarts or ends the container, or one of its processes: the container may start again because of it.
    pub ends_processes: bool,
    /// It freezes the container.
    pub pauses: bool,
    /// When it was seen to be in force; `None` while it is being made, and where it took no effect.
    pub in_force: Option<Instant>,
    /// When it was seen to be gone.
    pub gone: Option<Instant>,
}

impl Held {
    fn new(id: &str, change: &Change) -> Self {
        let ends = |action: &Action| {
            matches!(
                action,
                Action::Signal(_)
                    | Action::SignalProcess { .. }
                    | Action::Stop { .. }
                    | Action::Start
                    | Action::Restart { .. }
                    | Action::Rearrange(_)
                    | Action::RunOffline { .. }
            )
        };
        let mut actions = change.apply.iter().chain(&change.revert);
        Self {
            id: id.to_owned(),
            container: change.container.clone(),
            container_name: change.container_name.clone(),
            summary: change.summary.clone(),
            set_aside: change
                .arrangements()
                .flat_map(|one| one.aside.iter().cloned())
                .collect(),
            ends_processes: actions.any(ends),
            pauses: change.apply.contains(&Action::Pause),
            in_force: None,
            gone: None,
        }
    }

    /// Whether it is a change of that container, or sets it aside.
    pub fn concerns(&self, container: &ContainerId) -> bool {
        self.container == *container || self.set_aside.contains(container)
    }

    /// It was made, and has not been seen to be gone.
    pub fn is_in_force(&self) -> bool {
        self.in_force.is_some() && self.gone.is_none()
    }
}

/// Every change of a trial, in the order in which they were made.
#[derive(Debug, Default)]
pub(super) struct History(Mutex<Vec<Held>>);

impl History {
    fn lock(&self) -> MutexGuard<'_, Vec<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, id: &str, update: impl FnOnce(&mut Held)) {
        if let Some(held) = self.lock().iter_mut().find(|held| held.id == id) {
            update(held);
        }
    }

    /// A change is about to be made.
    pub(super) fn begin(&self, id: &str, change: &Change) {
        self.lock().push(Held::new(id, change));
    }

    /// It is in force.
    pub(super) fn took_effect(&self, id: &str) {
        self.update(id, |held| held.in_force = Some(Instant::now()));
    }

    /// It was seen to be gone.
    pub(super) fn went(&self, id: &str, at: Instant) {
        self.update(id, |held| held.gone = Some(at));
    }

    pub(super) fn all(&self) -> Vec<Held> {
        self.lock().clone()
    }
}
