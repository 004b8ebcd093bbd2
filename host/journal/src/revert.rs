//! Reverting one change: the act first, its record after. How to revert is in memory, so no revert waits for the store.

use std::time::Duration;

use tokio::time::Instant;

use super::act::{Executor, Failure, LONGEST_OFFLINE};
use super::change::{Action, Change};
use super::{JournalError, limits};
use duress_store::{ChangeRow, ChangeStatus, Store};

/// How long the effect of a change may take to show, or to go, after its actions have ended.
const SETTLING: Duration = Duration::from_secs(5);
/// The longest that a change may ask to wait for its effect.
const LONGEST_SETTLING: Duration = Duration::from_secs(60);
/// How often it is looked for meanwhile.
const LOOKS: Duration = Duration::from_millis(50);
/// How often reverting a change is tried before it is reported.
const REVERT_ATTEMPTS: u32 = 3;
/// Between two attempts.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(300);
/// Time limit of one action of a revert, and of one look at what it left: a program or a call that hangs keeps other faults in force.
const ACTION_LIMIT: Duration = Duration::from_secs(30);
/// Time limit of one change's revert, with all of its attempts: three actions that hang.
pub(super) const REVERT_LIMIT: Duration = Duration::from_secs(90);

/// Reverts one change beside others that may be in force, and returns how it was settled. Idempotent; the caller records what it returns.
///
/// The store is written before and after, but not waited for: a journal that cannot be written keeps no fault in force. Its row
/// still says how to revert it.
pub(super) async fn revert(
    store: &Store,
    executor: &Executor,
    row: &ChangeRow,
    in_force: &[ChangeRow],
    limit: Duration,
) -> Result<ChangeStatus, JournalError> {
    let unreadable = |error| {
        JournalError::NotReverted(format!("{}: its row cannot be read: {error}", row.summary))
    };
    let change: Change = serde_json::from_value(row.change.clone()).map_err(unreadable)?;
    let change = limits::composed(change, &row.id, in_force);
    let deadline = Instant::now() + limit;
    let mut last = String::new();
    store.post_change_reverting(&row.id);
    for attempt in 0..REVERT_ATTEMPTS {
        if attempt > 0 {
            tokio::time::sleep(BETWEEN_ATTEMPTS).await;
        }
        match tokio::time::timeout_at(deadline, executor.undo(&change)).await {
            Ok(Ok(())) => return Ok(ChangeStatus::Reverted),
            Ok(Err(Failure::Gone)) => return Ok(ChangeStatus::Void),
            Ok(Err(Failure::Other(why))) => last = why,
            Err(_) => {
                let before = if last.is_empty() {
                    String::new()
                } else {
                    format!(" (before that: {last})")
                };
                last = format!("not finished within {:.0} s{before}", limit.as_secs_f64());
                break;
            }
        }
    }
    store.post_change_stuck(&row.id, &last);
    Err(JournalError::NotReverted(format!(
        "{} on {} could not be reverted: {last}",
        row.summary, row.container_name
    )))
}

/// Time limit of one action of a revert.
fn limit_of(action: &Action) -> Duration {
    match action {
        // It stops the container first.
        Action::RunOffline { .. } => ACTION_LIMIT + LONGEST_OFFLINE,
        _ => ACTION_LIMIT,
    }
}

/// Bounds one action of a revert, or one look.
async fn within<T>(
    limit: Duration,
    what: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let late = |_| {
        Err(Failure::Other(format!(
            "an action was not finished within {} s",
            limit.as_secs()
        )))
    };
    tokio::time::timeout(limit, what).await.unwrap_or_else(late)
}

impl Executor {
    /// Performs every action of `revert`, and checks that nothing of the change is in force.
    pub(super) async fn undo(&self, change: &Change) -> Result<(), Failure> {
        let mut failures = Vec::new();
        for action in &change.revert {
            match within(limit_of(action), self.act(change, action, None)).await {
                Ok(()) => {}
                Err(Failure::Gone) => return Err(Failure::Gone),
                // A network's rules end with the container's processes; what is still there is seen below.
                Err(Failure::Other(_)) if self.network_is_gone(change, action).await => {}
                Err(Failure::Other(why)) => failures.push(why),
            }
        }
        let seen = self.settle(change, false).await?;
        // What was seen to be gone is gone, even if an action failed: most often because there was nothing to revert.
        if failures.is_empty() || seen > 0 {
            Ok(())
        } else {
            Err(Failure::Other(failures.join("; ")))
        }
    }

    async fn network_is_gone(&self, change: &Change, action: &Action) -> bool {
        use super::change::Place;
        use duress_engine::State;
        matches!(action, Action::Run(program) if program.place == Place::NetworkOfContainer)
            && matches!(
                self.engine.state(&change.container).await,
                Ok(State::Created | State::Exited | State::Dead)
            )
    }

    /// Waits until every part of a change that can be seen is in force, or none is. How many parts can be seen.
    pub(super) async fn settle(&self, change: &Change, in_force: bool) -> Result<usize, Failure> {
        let wait = change.effect_wait_ms.map(Duration::from_millis);
        let deadline = Instant::now() + wait.unwrap_or(SETTLING).min(LONGEST_SETTLING);
        loop {
            let unseen = match within(ACTION_LIMIT, self.observe(change, in_force)).await {
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
