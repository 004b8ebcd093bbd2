//! One trial's changes: applied one at a time, and all reverted at its end.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::act::{Executor, Failure};
use super::arrangement;
use super::change::Change;
use super::comparison;
use super::history::{Held, History};
use super::report::{Listener, Lost, RollbackReport, Step};
use super::revert::{REVERT_LIMIT, revert};
use super::{JournalError, kept, limits};
use duress_store::{ChangeRow, ChangeStatus, NewChange, PendingNote, Store};

/// After how long a change that seems to have ended is looked at once more.
const SECOND_LOOK: Duration = Duration::from_millis(200);
/// The most changes of one trial, reverted or not: several for each of a hundred containers. More are a flood, and each takes time
/// to be reverted.
const CHANGE_LIMIT: usize = 1_000;
/// Time limit of a whole rollback. What is not reverted by then is reported as stuck, and left to recovery: the stack is removed, and
/// other trials go on.
pub(super) const ROLLBACK_LIMIT: Duration = Duration::from_secs(300);
/// The least time for each change while a rollback has any left.
const LEAST_SHARE: Duration = Duration::from_secs(10);
/// How long a rollback waits, once everything is reverted, for the store to record it. Recovery reverts again what is not on record.
const RECORDING_LIMIT: Duration = Duration::from_secs(5);

/// The journal of one trial. Cheap to clone; the clones are one.
#[derive(Debug, Clone)]
pub struct TrialJournal(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    executor: Executor,
    trial: String,
    host: String,
    /// One change at a time.
    made: Mutex<Made>,
    not_in_force: AtomicBool,
    /// Changes that are known to have ended by themselves, by id.
    lost: std::sync::Mutex<HashSet<String>>,
    history: History,
    listener: Listener,
    /// The rollback has begun, or is about to: what is being made or looked at gives way to it.
    closing: CancellationToken,
    /// When a task of this trial ends by itself, counted from its start.
    tasks_end_after: Option<Duration>,
}

/// What this journal has made. The rows are the same as in the store, and here for when that cannot be read.
#[derive(Debug, Default)]
struct Made {
    /// The rollback has begun: nothing more is made.
    closed: bool,
    /// Changes whose rows are being written, by id. Nothing of them was made yet.
    writing: HashMap<String, Change>,
    /// What may still be in force, in the order in which it was made.
    unsettled: Vec<ChangeRow>,
    /// Ids of what is not.
    settled: HashSet<String>,
    /// What all changes so far keep of files, in bytes.
    kept: usize,
    /// What was settled, and is not known to be on record.
    notes: Vec<Note>,
}

/// How a change was settled, and the write that records it.
#[derive(Debug)]
struct Note {
    id: String,
    status: ChangeStatus,
    /// Absent after a write that failed.
    pending: Option<PendingNote>,
}

impl Made {
    fn settle(&mut self, store: &Store, id: &str, status: ChangeStatus) {
        self.unsettled.retain(|row| row.id != id);
        self.settled.insert(id.to_owned());
        self.notes.push(Note {
            id: id.to_owned(),
            status,
            pending: Some(store.note_change(id, status)),
        });
    }

    /// Waits, for a bounded time, until what was settled is recorded. What is not is recorded the next time; a reader of the journal may
    /// revert it once more, which changes nothing.
    async fn record(&mut self, store: &Store) {
        let deadline = Instant::now() + RECORDING_LIMIT;
        for mut note in std::mem::take(&mut self.notes) {
            let pending = note.pending.take();
            let pending = pending.unwrap_or_else(|| store.note_change(&note.id, note.status));
            let why = match tokio::time::timeout_at(deadline, pending.written()).await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => error.to_string(),
                Err(_) => format!("no answer from the database within {RECORDING_LIMIT:?}"),
            };
            tracing::warn!("a change was reverted, which is not on record yet: {why}");
            self.notes.push(note);
        }
    }
}

impl TrialJournal {
    /// Returns the journal of a trial that a host runs, both by their ids in the store.
    pub fn new(
        store: Store,
        executor: Executor,
        trial: String,
        host: String,
        listener: Listener,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            executor,
            trial,
            host,
            made: Mutex::default(),
            not_in_force: AtomicBool::new(false),
            lost: std::sync::Mutex::default(),
            history: History::default(),
            listener,
            closing: CancellationToken::new(),
            tasks_end_after: None,
        }))
    }

    /// Has each task that this trial starts end by itself after so long, though nobody ends it.
    #[must_use]
    pub fn tasks_end_after(mut self, limit: Duration) -> Self {
        // Nobody shares a journal that was just made.
        if let Some(inner) = Arc::get_mut(&mut self.0) {
            inner.tasks_end_after = Some(limit);
        }
        self
    }

    /// Records a change, applies it, and checks that it is in force. Returns its id.
    ///
    /// It goes on to its end when the caller is dropped, so that no change is ever half made and unknown.
    pub async fn apply(&self, change: Change) -> Result<String, JournalError> {
        let inner = Arc::clone(&self.0);
        finish(tokio::spawn(async move { inner.apply(change).await })).await
    }

    /// Reverts one of this trial's changes, and checks that it is gone. One that is settled is not an error.
    pub async fn revert(&self, id: &str) -> Result<(), JournalError> {
        let inner = Arc::clone(&self.0);
        let id = id.to_owned();
        finish(tokio::spawn(async move {
            let mut made = inner.made.lock().await;
            if made.settled.contains(&id) {
                return Ok(());
            }
            // What is known here is reverted without a look into the store, which may be slow to answer.
            let mut found = made.unsettled.iter().find(|row| row.id == id).cloned();
            if found.is_none() {
                found = inner
                    .elsewhere(&made)
                    .await
                    .into_iter()
                    .find(|row| row.id == id);
            }
            match found {
                Some(row) => inner.revert_with_later(&mut made, &row).await,
                None if inner.was_mine(&id).await => Ok(()),
                None => Err(JournalError::Refused(format!(
                    "`{}` is not a change of this trial",
                    id.escape_debug()
                ))),
            }
        }))
        .await
    }

    /// Reverts everything that is not settled, newest first. One failure does not stop the others. Nothing can be made any more.
    ///
    /// What this journal made is reverted without waiting for the store. The whole takes a bounded time: what could not be reverted by
    /// then is reported as stuck.
    pub async fn roll_back(&self) -> Result<RollbackReport, JournalError> {
        let inner = Arc::clone(&self.0);
        inner.closing.cancel();
        finish(tokio::spawn(async move {
            let mut made = inner.made.lock().await;
            made.closed = true;
            let deadline = Instant::now() + ROLLBACK_LIMIT;
            let mut report = RollbackReport::default();
            let newest_first: Vec<_> = made.unsettled.iter().rev().cloned().collect();
            inner
                .revert_all(&mut made, newest_first, deadline, &mut report)
                .await;
            // What another process made for this trial is older than all that this one did.
            let elsewhere = inner.elsewhere(&made).await;
            inner
                .revert_all(&mut made, elsewhere, deadline, &mut report)
                .await;
            made.record(&inner.store).await;
            Ok(report)
        }))
        .await
    }

    /// Looks at every change that was made and not reverted: those that ended by themselves are told once, and made again if that is
    /// wanted. What cannot be looked at now is left for the next time.
    pub async fn tend(&self, reapply: bool) -> Result<Vec<Lost>, JournalError> {
        let inner = Arc::clone(&self.0);
        finish(tokio::spawn(async move { inner.tend(reapply).await })).await
    }

    /// Returns how many packets met the rules and disciplines of some changes that are in force. `None` where nothing counts them.
    pub async fn packets(&self, changes: &[String]) -> Option<u64> {
        let rows: Vec<_> = {
            let made = self.0.made.lock().await;
            let own = made.unsettled.iter();
            own.filter(|row| changes.contains(&row.id))
                .cloned()
                .collect()
        };
        let mut total = None;
        for row in rows {
            let Ok(change) = serde_json::from_value::<Change>(row.change) else {
                continue;
            };
            let counting = self.0.executor.packets(&change);
            if let Some(packets) = self.0.closing.run_until_cancelled(counting).await? {
                total = Some(total.unwrap_or(0) + packets);
            }
        }
        total
    }

    /// Returns every change that this journal has made, in the order in which they were made.
    pub fn held(&self) -> Vec<Held> {
        self.0.history.all()
    }

    /// Returns whether some change was made whose effect could not be seen: the trial proves nothing.
    pub fn effect_was_missing(&self) -> bool {
        self.0.not_in_force.load(Ordering::Relaxed)
    }
}

/// Returns the time for one of several changes that are to be reverted: a part of what is left, so that one that hangs leaves time for the
/// others, and no less than most of them need.
pub(super) fn share(remaining: Duration, changes: u32) -> Duration {
    let part = remaining / changes.max(1);
    part.max(LEAST_SHARE).min(REVERT_LIMIT).min(remaining)
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
    async fn apply(&self, mut change: Change) -> Result<String, JournalError> {
        let summary = change.summary.clone();
        let too_late = || {
            JournalError::Refused(format!(
                "the change `{summary}` comes too late: the trial is being rolled back"
            ))
        };
        let looking = self.executor.holds_already(&change);
        let Some(already) = self.closing.run_until_cancelled(looking).await else {
            return Err(too_late());
        };
        if let Some(what) = already {
            self.not_in_force.store(true, Ordering::Relaxed);
            return Err(JournalError::NotInForce(format!(
                "{}: nothing was changed, because this holds already: {what}",
                change.summary
            )));
        }
        let comparing = comparison::write_down(&self.executor, &mut change);
        let Some(compared) = self.closing.run_until_cancelled(comparing).await else {
            return Err(too_late());
        };
        compared?;
        let id = uuid::Uuid::now_v7().to_string();
        {
            let mut made = self.made.lock().await;
            if made.closed {
                return Err(too_late());
            }
            if made.unsettled.len() + made.settled.len() + made.writing.len() >= CHANGE_LIMIT {
                return Err(JournalError::Refused(format!(
                    "the change `{}` was refused: a trial may make {CHANGE_LIMIT} changes, and this one has",
                    change.summary
                )));
            }
            // While nothing else is made, so that what is read is what counts.
            limits::write_down(&self.executor, &mut change, &made.unsettled).await?;
            arrangement::refuse_conflict(&change, &made.unsettled, made.writing.values())?;
            kept::write_down(&self.executor, &mut change, &made.unsettled).await?;
            if made.kept + change.kept() > kept::KEPT_LIMIT {
                return Err(JournalError::Refused(format!(
                    "the change `{}` was refused: the changes of a trial may keep {} MiB of files",
                    change.summary,
                    kept::KEPT_LIMIT >> 20
                )));
            }
            made.kept += change.kept();
            made.writing.insert(id.clone(), change.clone());
        }
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
        // A rollback of what was made before does not wait for this row.
        let written = self.store.insert_change(row).await;
        let mut made = self.made.lock().await;
        made.writing.remove(&id);
        let row = written.map_err(JournalError::Store)?;
        if made.closed {
            made.settle(&self.store, &id, ChangeStatus::Void);
            return Err(too_late());
        }
        made.unsettled.push(row.clone());
        self.history.begin(&id, &change);
        let change = limits::composed(change, &id, &made.unsettled);
        let Err(error) = self.make(&change).await else {
            self.history.took_effect(&id);
            // If this row is lost with the host, recovery takes the change back all the same.
            self.store.post_change_in_force(&id);
            self.tell(Step::Applied(change.summary));
            return Ok(id);
        };
        if matches!(error, JournalError::NotInForce(_)) {
            self.not_in_force.store(true, Ordering::Relaxed);
        }
        match self.revert(&mut made, &row, REVERT_LIMIT).await {
            Ok(()) => Err(error),
            Err(left) => Err(JournalError::NotReverted(format!("{error}; and {left}"))),
        }
    }

    async fn make(&self, change: &Change) -> Result<(), JournalError> {
        let named = |why: String| JournalError::NotMade(format!("{}: {why}", change.summary));
        for action in &change.apply {
            if self.closing.is_cancelled() {
                return Err(named("the trial is being rolled back".to_owned()));
            }
            self.executor
                .act(change, action, self.tasks_end_after)
                .await
                .map_err(|failure| match failure {
                    Failure::Gone => named(format!("{} is gone", change.container_name)),
                    Failure::Other(why) => named(why),
                })?;
        }
        let seen = self.executor.settle(change, true).await;
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
            let looking = self.gone(&change);
            // A rollback does not wait for a look.
            let Some(seen) = self.closing.run_until_cancelled(looking).await else {
                break;
            };
            let Some(gone) = seen else {
                continue;
            };
            let new = self.note_lost(&row.id, !gone.is_empty());
            if gone.is_empty() || (!new && !reapply) {
                continue;
            }
            let reapplied = match reapply {
                false => None,
                true => {
                    let change = limits::composed(change.clone(), &row.id, &made.unsettled);
                    Some(self.make_again(&change).await)
                }
            };
            // What cannot be made again is told once.
            if new || reapplied == Some(Ok(())) {
                found.push(Lost {
                    id: row.id.clone(),
                    summary: change.summary,
                    what: gone.join(", "),
                    reapplied,
                });
            }
        }
        Ok(found)
    }

    /// Which parts of a change do not hold any more; `None` where that cannot be seen. One look may be wrong, two in a row are not.
    async fn gone(&self, change: &Change) -> Option<Vec<String>> {
        let mut gone = Vec::new();
        for look in 0..2 {
            if look > 0 {
                tokio::time::sleep(SECOND_LOOK).await;
            }
            gone = match self.executor.observe(change, true).await {
                Ok(seen) => seen
                    .into_iter()
                    .filter_map(|(what, holds)| (!holds).then_some(what))
                    .collect(),
                Err(Failure::Gone) => vec![format!("{} is there", change.container_name)],
                Err(Failure::Other(_)) => return None,
            };
            if gone.is_empty() {
                break;
            }
        }
        Some(gone)
    }

    /// Notes whether a change has ended by itself; whether that is new.
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

    /// What is left of it is reverted first, so that nothing is there twice. Its row stays, and with it how to revert it.
    async fn make_again(&self, change: &Change) -> Result<(), String> {
        self.executor
            .undo(change)
            .await
            .map_err(|failure| match failure {
                Failure::Gone => format!("{} is gone", change.container_name),
                Failure::Other(why) => why,
            })?;
        self.make(change).await.map_err(|error| error.to_string())
    }

    /// What another process made for this trial and did not settle, newest first. Where the store does not answer, none is known.
    async fn elsewhere(&self, made: &Made) -> Vec<ChangeRow> {
        let reading = self.store.unsettled_changes_of_trial(&self.trial);
        let mut rows = match tokio::time::timeout(RECORDING_LIMIT, reading).await {
            Ok(Ok(rows)) => rows,
            Ok(Err(error)) => {
                tracing::warn!("{error}");
                Vec::new()
            }
            Err(_) => {
                tracing::warn!("no answer from the database within {RECORDING_LIMIT:?}");
                Vec::new()
            }
        };
        let own: HashSet<_> = made.unsettled.iter().map(|row| &row.id).collect();
        rows.retain(|row| {
            !own.contains(&row.id)
                && !made.settled.contains(&row.id)
                && !made.writing.contains_key(&row.id)
        });
        rows
    }

    /// Returns whether a change is one of this trial's, settled or not.
    async fn was_mine(&self, id: &str) -> bool {
        let rows = self.store.changes_of_trial(&self.trial).await;
        rows.is_ok_and(|rows| rows.iter().any(|row| row.id == id))
    }

    /// Reverts these in their order, each within what is left of the time.
    async fn revert_all(
        &self,
        made: &mut Made,
        rows: Vec<ChangeRow>,
        deadline: Instant,
        report: &mut RollbackReport,
    ) {
        let mut late = Vec::new();
        let mut left = rows.len() as u32;
        for row in rows {
            let limit = share(deadline.saturating_duration_since(Instant::now()), left);
            left -= 1;
            match self.revert(made, &row, limit).await {
                Ok(()) => report.reverted.push(row.summary),
                Err(error) => late.push((row, error)),
            }
        }
        // Those that need longer than their share get what the others have left.
        for (row, mut error) in late {
            let limit = deadline.saturating_duration_since(Instant::now());
            if !limit.is_zero() {
                match self.revert(made, &row, limit.min(REVERT_LIMIT)).await {
                    Ok(()) => {
                        report.reverted.push(row.summary);
                        continue;
                    }
                    Err(again) => error = again,
                }
            }
            report.stuck.push((row.summary, error.to_string()));
        }
    }

    /// Reverts a change, and before it what was changed in containers that it has made: that would go with them unseen.
    async fn revert_with_later(
        &self,
        made: &mut Made,
        row: &ChangeRow,
    ) -> Result<(), JournalError> {
        for later in arrangement::later_in_copies(row, &made.unsettled) {
            self.revert(made, &later, REVERT_LIMIT).await?;
        }
        self.revert(made, row, REVERT_LIMIT).await
    }

    async fn revert(
        &self,
        made: &mut Made,
        row: &ChangeRow,
        limit: Duration,
    ) -> Result<(), JournalError> {
        match revert(&self.store, &self.executor, row, &made.unsettled, limit).await {
            Ok(status) => {
                self.history.went(&row.id, Instant::now());
                made.settle(&self.store, &row.id, status);
            }
            Err(error) => {
                self.tell(Step::Stuck(row.summary.clone(), error.to_string()));
                return Err(error);
            }
        }
        self.tell(Step::Reverted(row.summary.clone()));
        Ok(())
    }

    fn tell(&self, step: Step) {
        (self.listener.0)(step);
    }
}
