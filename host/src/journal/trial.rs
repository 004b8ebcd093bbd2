//! One trial's changes: made one at a time, and all taken back at its end.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::JournalError;
use super::act::{Actor, Failure};
use super::change::{Action, Change};
use crate::store::{ChangeRow, ChangeStatus, NewChange, Store};

/// How long the effect of a change may take to show, or to go, after its actions have ended.
const SETTLING: Duration = Duration::from_secs(5);
/// How often it is looked for meanwhile.
const LOOKS: Duration = Duration::from_millis(50);
/// The most changes of one trial, taken back or not: several for each of a hundred containers. More are a flood, and each takes time
/// to be taken back.
const CHANGE_LIMIT: usize = 1_000;
/// How often taking a change back is tried before it is reported.
const REVERT_ATTEMPTS: u32 = 3;
/// Between two attempts.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(300);

/// What the journal tells whoever follows a trial.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// A change is in force.
    Applied(String),
    /// A change was taken back.
    Reverted(String),
    /// A change could not be taken back.
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

/// The journal of one trial. Cheap to clone; the clones are one.
#[derive(Debug, Clone)]
pub struct TrialJournal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    actor: Actor,
    trial: String,
    host: String,
    /// One change at a time.
    made: Mutex<Made>,
    not_in_force: AtomicBool,
    /// Changes that are known to have ended by themselves, by id.
    lost: std::sync::Mutex<HashSet<String>>,
    listener: Listener,
}

/// What this journal has made. The rows are the same as in the store, and here for when that cannot be read.
#[derive(Debug, Default)]
struct Made {
    /// The rollback has begun: nothing more is made.
    closed: bool,
    /// What may still be in force, in the order in which it was made.
    unsettled: Vec<ChangeRow>,
    /// Ids of what is not.
    settled: HashSet<String>,
}

impl Made {
    fn settle(&mut self, id: &str) {
        self.unsettled.retain(|row| row.id != id);
        self.settled.insert(id.to_owned());
    }
}

/// A change that ended by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lost {
    /// Its summary.
    pub summary: String,
    /// What of it is not so any more.
    pub what: String,
    /// It was made again; or why it could not be. `None` where nobody asked for it.
    pub reapplied: Option<Result<(), String>>,
}

impl std::fmt::Display for Lost {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "ended by itself: {}: it is not so any more that {}",
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
    /// Summaries of what was taken back.
    pub reverted: Vec<String>,
    /// Summaries of what is still in force or unknown, and why.
    pub stuck: Vec<(String, String)>,
}

impl TrialJournal {
    /// The journal of a trial that a host runs, both by their ids in the store.
    pub fn new(
        store: Store,
        actor: Actor,
        trial: String,
        host: String,
        listener: Listener,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            actor,
            trial,
            host,
            made: Mutex::default(),
            not_in_force: AtomicBool::new(false),
            lost: std::sync::Mutex::default(),
            listener,
        }))
    }

    /// Write a change down, make it, and see that it is in force. Returns its id.
    ///
    /// It goes on to its end when the caller is dropped, so that no change is ever half made and unknown.
    pub async fn apply(&self, change: Change) -> Result<String, JournalError> {
        let inner = Arc::clone(&self.0);
        finish(tokio::spawn(async move { inner.apply(change).await })).await
    }

    /// Take one of this trial's changes back, and see that it is gone. One that is settled is no error.
    pub async fn revert(&self, id: &str) -> Result<(), JournalError> {
        let inner = Arc::clone(&self.0);
        let id = id.to_owned();
        finish(tokio::spawn(async move {
            let mut made = inner.made.lock().await;
            if made.settled.contains(&id) {
                return Ok(());
            }
            let unsettled = inner.unsettled(&made).await;
            match unsettled.into_iter().find(|row| row.id == id) {
                Some(row) => inner.revert(&mut made, &row).await,
                None if inner.was_mine(&id).await => Ok(()),
                None => Err(JournalError::Refused(format!(
                    "`{}` is no change of this trial",
                    id.escape_debug()
                ))),
            }
        }))
        .await
    }

    /// Take back everything that is not settled, newest first. One failure does not stop the others. Nothing can be made any more.
    pub async fn roll_back(&self) -> Result<RollbackReport, JournalError> {
        let inner = Arc::clone(&self.0);
        finish(tokio::spawn(async move {
            let mut made = inner.made.lock().await;
            made.closed = true;
            let mut report = RollbackReport::default();
            for row in inner.unsettled(&made).await.into_iter().rev() {
                match inner.revert(&mut made, &row).await {
                    Ok(()) => report.reverted.push(row.summary),
                    Err(error) => report.stuck.push((row.summary, error.to_string())),
                }
            }
            Ok(report)
        }))
        .await
    }

    /// Look at every change that was made and not taken back: those that ended by themselves are told once, and made again if that is
    /// wanted. What cannot be looked at now is left for the next time.
    pub async fn tend(&self, reapply: bool) -> Result<Vec<Lost>, JournalError> {
        let inner = Arc::clone(&self.0);
        finish(tokio::spawn(async move { inner.tend(reapply).await })).await
    }

    /// Whether some change was made whose effect could not be seen: the trial proves nothing.
    pub fn effect_was_missing(&self) -> bool {
        self.0.not_in_force.load(Ordering::Relaxed)
    }
}

async fn finish<T>(
    task: tokio::task::JoinHandle<Result<T, JournalError>>,
) -> Result<T, JournalError> {
    task.await.unwrap_or_else(|error| {
        Err(JournalError::NotReverted(format!(
            "the journal's task broke off: {error}"
        )))
    })
}

impl Inner {
    async fn apply(&self, change: Change) -> Result<String, JournalError> {
        let mut made = self.made.lock().await;
        if made.closed {
            return Err(JournalError::Refused(format!(
                "the change `{}` comes too late: the trial is being rolled back",
                change.summary
            )));
        }
        if made.unsettled.len() + made.settled.len() >= CHANGE_LIMIT {
            return Err(JournalError::Refused(format!(
                "the change `{}` was refused: a trial may make {CHANGE_LIMIT} changes, and this one has",
                change.summary
            )));
        }
        let id = uuid::Uuid::now_v7().to_string();
        let row = NewChange {
            id: id.clone(),
            trial_id: self.trial.clone(),
            host_id: self.host.clone(),
            project: change.project.to_string(),
            container: change.container.0.clone(),
            container_name: change.container_name.clone(),
            summary: change.summary.clone(),
            change: serde_json::to_value(&change).unwrap_or_default(),
        };
        let row = self
            .store
            .insert_change(row)
            .await
            .map_err(JournalError::Store)?;
        made.unsettled.push(row.clone());
        let Err(error) = self.make(&change).await else {
            // If this row is lost with the host, recovery takes the change back all the same.
            self.store.post_change_in_force(&id);
            self.tell(Step::Applied(change.summary));
            return Ok(id);
        };
        if matches!(error, JournalError::NotInForce(_)) {
            self.not_in_force.store(true, Ordering::Relaxed);
        }
        match self.revert(&mut made, &row).await {
            Ok(()) => Err(error),
            Err(left) => Err(JournalError::NotReverted(format!("{error}; and {left}"))),
        }
    }

    async fn make(&self, change: &Change) -> Result<(), JournalError> {
        let named = |why: String| JournalError::NotMade(format!("{}: {why}", change.summary));
        for action in &change.apply {
            self.actor
                .act(change, action)
                .await
                .map_err(|failure| match failure {
                    Failure::Gone => named(format!("{} is gone", change.container_name)),
                    Failure::Other(why) => named(why),
                })?;
        }
        let seen = self.actor.settle(change, true).await;
        seen.map(drop).map_err(|failure| {
            let why = match failure {
                Failure::Gone => format!("{} is gone", change.container_name),
                Failure::Other(why) => why,
            };
            JournalError::NotInForce(format!("{}: it took no effect: {why}", change.summary))
        })
    }

    async fn tend(&self, reapply: bool) -> Result<Vec<Lost>, JournalError> {
        let made = self.made.lock().await;
        let mut found = Vec::new();
        if made.closed {
            return Ok(found);
        }
        for row in &made.unsettled {
            let Ok(change) = serde_json::from_value::<Change>(row.change.clone()) else {
                continue;
            };
            let Ok(seen) = self.actor.observe(&change, true).await else {
                continue;
            };
            let gone: Vec<_> = seen
                .into_iter()
                .filter_map(|(what, holds)| (!holds).then_some(what))
                .collect();
            let new = self.note_lost(&row.id, !gone.is_empty());
            if gone.is_empty() || (!new && !reapply) {
                continue;
            }
            let reapplied = match reapply {
                false => None,
                true => Some(self.make_again(&change).await),
            };
            // What cannot be made again is told once.
            if new || reapplied == Some(Ok(())) {
                found.push(Lost {
                    summary: change.summary,
                    what: gone.join(", "),
                    reapplied,
                });
            }
        }
        Ok(found)
    }

    /// Note whether a change has ended by itself; whether that is new.
    fn note_lost(&self, id: &str, is_lost: bool) -> bool {
        let lost = self.lost.lock();
        let mut lost = lost.unwrap_or_else(std::sync::PoisonError::into_inner);
        if is_lost {
            lost.insert(id.to_owned())
        } else {
            lost.remove(id);
            false
        }
    }

    /// What is left of it is taken back first, so that nothing is there twice. Its row stands, and with it the way back.
    async fn make_again(&self, change: &Change) -> Result<(), String> {
        self.actor
            .undo(change)
            .await
            .map_err(|failure| match failure {
                Failure::Gone => format!("{} is gone", change.container_name),
                Failure::Other(why) => why,
            })?;
        self.make(change).await.map_err(|error| error.to_string())
    }

    /// What may still be in force, in the order in which it was made: by this journal, or by one of the same trial in another process.
    async fn unsettled(&self, made: &Made) -> Vec<ChangeRow> {
        let mut rows = made.unsettled.clone();
        match self.store.unsettled_changes_of_trial(&self.trial).await {
            Ok(stored) => {
                let known: HashSet<_> = rows.iter().map(|row| row.id.clone()).collect();
                let elsewhere =
                    |row: &ChangeRow| !known.contains(&row.id) && !made.settled.contains(&row.id);
                // The store has the newest first.
                let mut earlier: Vec<_> = stored.into_iter().filter(elsewhere).collect();
                earlier.reverse();
                earlier.append(&mut rows);
                earlier
            }
            // What this journal made is known without it.
            Err(error) => {
                tracing::warn!("{error}");
                rows
            }
        }
    }

    /// Whether a change is one of this trial's, whoever has settled it.
    async fn was_mine(&self, id: &str) -> bool {
        let rows = self.store.changes_of_trial(&self.trial).await;
        rows.is_ok_and(|rows| rows.iter().any(|row| row.id == id))
    }

    async fn revert(&self, made: &mut Made, row: &ChangeRow) -> Result<(), JournalError> {
        match take_back(&self.store, &self.actor, row).await {
            Ok(()) => {}
            // Whoever reads the journal next takes it back once more, which changes nothing.
            Err(error @ JournalError::Unrecorded(..)) => tracing::warn!("{error}"),
            Err(error) => {
                self.tell(Step::Stuck(row.summary.clone(), error.to_string()));
                return Err(error);
            }
        }
        made.settle(&row.id);
        self.tell(Step::Reverted(row.summary.clone()));
        Ok(())
    }

    fn tell(&self, step: Step) {
        (self.listener.0)(step);
    }
}

/// Take one change back: written down, done, seen, written down. Idempotent. A journal that cannot be written keeps nothing from being
/// mended: its row still has the way back.
pub(super) async fn take_back(
    store: &Store,
    actor: &Actor,
    row: &ChangeRow,
) -> Result<(), JournalError> {
    let unreadable = |error| {
        JournalError::NotReverted(format!("{}: its row cannot be read: {error}", row.summary))
    };
    let change: Change = serde_json::from_value(row.change.clone()).map_err(unreadable)?;
    let mut last = String::new();
    for attempt in 0..REVERT_ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(BETWEEN_ATTEMPTS).await;
        }
        if let Err(error) = store.change_reverting(&row.id).await {
            tracing::warn!("{error}");
        }
        let (status, why) = match actor.undo(&change).await {
            Ok(()) => (ChangeStatus::Reverted, None),
            Err(Failure::Gone) => (ChangeStatus::Void, None),
            Err(Failure::Other(why)) => (ChangeStatus::Reverting, Some(why)),
        };
        if let Some(why) = why {
            last = why;
            continue;
        }
        let unrecorded = |error| JournalError::Unrecorded(row.summary.clone(), error);
        return store
            .settle_change(&row.id, status)
            .await
            .map_err(unrecorded);
    }
    if let Err(error) = store.change_stuck(&row.id, &last).await {
        tracing::warn!("{error}");
    }
    Err(JournalError::NotReverted(format!(
        "{} on {} could not be taken back: {last}",
        row.summary, row.container_name
    )))
}

impl Actor {
    /// Do every action of the way back, and see that nothing of the change is in force.
    async fn undo(&self, change: &Change) -> Result<(), Failure> {
        let mut failures = Vec::new();
        for action in &change.revert {
            match self.act(change, action).await {
                Ok(()) => {}
                Err(Failure::Gone) => return Err(Failure::Gone),
                // A network's rules end with the container's processes; what is still there is seen below.
                Err(Failure::Other(_)) if self.network_is_gone(change, action).await => {}
                Err(Failure::Other(why)) => failures.push(why),
            }
        }
        let seen = self.settle(change, false).await?;
        // What was seen to be gone is gone, whatever an action said: most often that there was nothing to take back.
        if failures.is_empty() || seen > 0 {
            Ok(())
        } else {
            Err(Failure::Other(failures.join("; ")))
        }
    }

    async fn network_is_gone(&self, change: &Change, action: &Action) -> bool {
        use super::change::Place;
        use crate::engine::State;
        matches!(action, Action::Run(program) if program.place == Place::NetworkOfContainer)
            && matches!(
                self.engine.state(&change.container).await,
                Ok(State::Created | State::Exited | State::Dead)
            )
    }

    /// Wait until every part of a change that can be seen is in force, or none is. How many parts can be seen.
    async fn settle(&self, change: &Change, in_force: bool) -> Result<usize, Failure> {
        let deadline = Instant::now() + SETTLING;
        loop {
            let unseen = match self.observe(change, in_force).await {
                Ok(seen) => {
                    let parts = seen.len();
                    let wrong: Vec<_> = seen
                        .into_iter()
                        .filter(|(_, holds)| *holds != in_force)
                        .map(|(what, _)| what)
                        .collect();
                    if wrong.is_empty() {
                        return Ok(parts);
                    }
                    let not = if in_force {
                        "it is not so that"
                    } else {
                        "it is still so that"
                    };
                    format!("{not} {}", wrong.join(", and "))
                }
                Err(Failure::Gone) => return Err(Failure::Gone),
                Err(Failure::Other(why)) => why,
            };
            if Instant::now() >= deadline {
                return Err(Failure::Other(unseen));
            }
            tokio::time::sleep(LOOKS).await;
        }
    }
}
