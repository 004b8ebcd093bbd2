//! Many trials: slots that take one after the other, cool down between them, and stop together.
//!
//! A trial that fails is recorded and the run goes on. What ends a run early is the user, or a store that cannot be written.

mod campaign;
pub mod guardian;
mod machine;
mod prepare;
mod recovery;
mod resume;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub use campaign::{Job, Record};
pub use machine::{Machine, Presence, Running};
pub use prepare::{Prepared, operations_of, prepare, repeat};
pub use recovery::{Leftovers, Unknown, is_dead, note_dead_hosts, recover_all, recover_dead_hosts};
pub use resume::{campaign_of_file, check_source, resume};

use duress_experiment::OnAbort;
use duress_model::{Error, Event, Outcome, Result};
use duress_store::NewTrial;
use duress_trial::{EventSender, Finished, Observer, RunContext, Trial};

/// How long a campaign waits for an engine that does not answer.
const ENGINE_PATIENCE: Duration = Duration::from_secs(300);

/// How a run goes.
#[derive(Debug, Clone)]
pub struct Schedule {
    /// The campaign's id in the store.
    pub campaign: String,
    /// Trials at once, at least 1.
    pub parallel: usize,
    /// Between the trials of a slot.
    pub cooldown: Duration,
    /// After so many trials in a row that did not pass, no more are begun.
    pub stop_after_failures: Option<u32>,
    /// Trials of the campaign that had finished before, and are not run again.
    pub finished_before: usize,
}

/// What a run came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Trials that ended, whatever their outcome but cancelled.
    pub finished: usize,
    /// Those that passed.
    pub passed: usize,
    /// Trials that ended one after the other without having passed, up to now.
    pub failed_in_a_row: u32,
    /// It was stopped before every trial had ended.
    pub interrupted: bool,
    /// A trial was aborted, and those that had not begun are not run.
    pub is_aborted: bool,
}

/// Runs trials to their end.
///
/// # Errors
/// When the store cannot be written, or a slot broke off; every trial that had begun is rolled back all the same.
pub async fn run(
    context: &RunContext,
    trials: Vec<Trial>,
    schedule: &Schedule,
    events: &EventSender,
    cancel: &CancellationToken,
) -> Result<Tally> {
    tell(
        events,
        Event::CampaignStarted {
            campaign: schedule.campaign.clone(),
            trials: trials.len(),
            parallel: schedule.parallel,
            finished_before: schedule.finished_before,
        },
    );
    let total = trials.len();
    let run = Arc::new(Run {
        context: context.clone(),
        schedule: schedule.clone(),
        queue: Mutex::new(trials.into()),
        tally: Mutex::default(),
        events: events.clone(),
        cancel: cancel.clone(),
    });
    let mut slots = JoinSet::new();
    for slot in 0..schedule.parallel.max(1) {
        let run = Arc::clone(&run);
        slots.spawn(async move { run.slot(slot).await });
    }
    let mut result = Ok(());
    while let Some(ended) = slots.join_next().await {
        let ended =
            ended.unwrap_or_else(|error| Err(Error::failed(format!("a slot broke off: {error}"))));
        if ended.is_err() {
            // The others must not go on breaking things that nobody can write down.
            cancel.cancel();
            result = result.and(ended);
        }
    }
    result?;
    let mut tally = *run.tally.lock().unwrap_or_else(PoisonError::into_inner);
    // Who asked for the end when all had ended has changed nothing.
    let stopped = cancel.is_cancelled() || run.has_failed_enough(&tally) || tally.is_aborted;
    tally.interrupted = stopped && tally.finished < total;
    tell(
        events,
        Event::CampaignEnded {
            campaign: schedule.campaign.clone(),
            finished: tally.finished,
            interrupted: tally.interrupted,
        },
    );
    Ok(tally)
}

struct Run {
    context: RunContext,
    schedule: Schedule,
    queue: Mutex<VecDeque<Trial>>,
    tally: Mutex<Tally>,
    events: EventSender,
    cancel: CancellationToken,
}

impl Run {
    /// Takes trials until there are none, or the run is stopped.
    async fn slot(&self, slot: usize) -> Result<()> {
        while let Some(trial) = self.next() {
            if !self.engine_answers(slot).await? {
                break;
            }
            self.one(slot, &trial).await?;
            if self.schedule.cooldown.is_zero() || self.is_empty() || self.cancel.is_cancelled() {
                continue;
            }
            let seconds = self.schedule.cooldown.as_secs_f64();
            tell(&self.events, Event::CoolingDown { slot, seconds });
            let cooldown = tokio::time::sleep(self.schedule.cooldown);
            // Whichever comes first: the end of the pause or of the run.
            self.cancel.run_until_cancelled(cooldown).await;
        }
        Ok(())
    }

    /// Returns whether there is an engine to run a trial on. Trials that fail for want of one would be wasted: it is waited for.
    async fn engine_answers(&self, slot: usize) -> Result<bool> {
        let Some(engine) = &self.context.engine else {
            return Ok(true);
        };
        let Err(error) = engine.ping().await else {
            return Ok(true);
        };
        tell(
            &self.events,
            Event::EngineGone {
                slot,
                error: error.to_string(),
                seconds: ENGINE_PATIENCE.as_secs(),
            },
        );
        let answers = duress_engine::await_answer(engine.as_ref(), ENGINE_PATIENCE);
        match self.cancel.run_until_cancelled(answers).await {
            None => Ok(false),
            Some(Ok(())) => Ok(true),
            Some(Err(error)) => Err(Error::from(error).hint(format!(
                "go on once it answers: duress resume {}",
                self.schedule.campaign
            ))),
        }
    }

    async fn one(&self, slot: usize, trial: &Trial) -> Result<()> {
        let name = trial.spec.name.clone();
        self.context
            .store
            .start_trial(NewTrial {
                id: trial.id.clone(),
                campaign_id: self.schedule.campaign.clone(),
                host_id: self.context.id.clone(),
                slot,
                project: trial.project.to_string(),
                digests: trial.digests(),
                spec: trial.spec.clone(),
                experiment: trial
                    .experiment
                    .as_ref()
                    .and_then(|plan| serde_json::to_value(plan.as_ref()).ok()),
            })
            .await?;
        tell(
            &self.events,
            Event::TrialStarted {
                id: trial.id.clone(),
                trial: name.clone(),
                slot,
                project: trial.project.to_string(),
            },
        );
        let observer = Observer::new(name.clone(), slot, self.events.clone());
        let Finished {
            outcome,
            error,
            recovery_ms,
            circumstances,
        } = trial.run(&self.context, &observer, &self.cancel).await?;
        {
            let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
            tally.finished += usize::from(outcome != Outcome::Cancelled);
            tally.passed += usize::from(outcome == Outcome::Passed);
            match outcome {
                Outcome::Passed => tally.failed_in_a_row = 0,
                Outcome::Cancelled => {}
                _ => tally.failed_in_a_row += 1,
            }
        }
        let stops = trial.experiment.as_ref().map(|plan| plan.on_abort) == Some(OnAbort::Stop);
        if outcome == Outcome::Aborted && stops {
            self.stop_after_abort();
        }
        tell(
            &self.events,
            Event::TrialEnded {
                id: trial.id.clone(),
                trial: name,
                slot,
                outcome,
                recovery_ms,
                circumstances,
                hints: error
                    .as_ref()
                    .map_or_else(Vec::new, |error| error.hints().to_vec()),
                error: error.map(|error| error.to_string()),
            },
        );
        Ok(())
    }

    /// What was too dangerous once is not tried again.
    fn stop_after_abort(&self) {
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let left = queue.len();
        queue.clear();
        drop(queue);
        let mut tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.is_aborted |= left > 0;
        drop(tally);
        if left > 0 {
            tell(&self.events, Event::StoppedByAbort { left });
        }
    }

    fn next(&self) -> Option<Trial> {
        if self.cancel.is_cancelled() {
            return None;
        }
        let tally = *self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        if self.has_failed_enough(&tally) && !queue.is_empty() {
            let left = queue.len();
            queue.clear();
            let failures = tally.failed_in_a_row;
            tell(&self.events, Event::FailedEnough { failures, left });
        }
        drop(queue);
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
    }

    fn has_failed_enough(&self, tally: &Tally) -> bool {
        let limit = self.schedule.stop_after_failures;
        limit.is_some_and(|limit| tally.failed_in_a_row >= limit)
    }

    fn is_empty(&self) -> bool {
        self.queue
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_empty()
    }
}

fn tell(events: &EventSender, event: Event) {
    events.send(event);
}
