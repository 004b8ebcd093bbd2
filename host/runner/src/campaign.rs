//! A whole campaign: put on record, run, and its end put on record.

use std::path::PathBuf;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Prepared, Schedule, Tally, run};
use duress_model::{CampaignOutcome, Error, Result};
use duress_store::NewCampaign;
use duress_trial::{EventSender, RunContext};

/// A campaign to run.
#[derive(Debug)]
pub struct Job {
    /// What is to be run.
    pub prepared: Prepared,
    /// Whether it is new.
    pub record: Record,
    /// Trials at once, at least 1.
    pub parallel: usize,
    /// Between the trials of a slot.
    pub cooldown: Duration,
}

/// How a campaign stands in the store.
#[derive(Debug, Clone)]
pub enum Record {
    /// Not yet.
    New {
        /// The file's absolute path and its text, where it came from a file.
        source: Option<(PathBuf, String)>,
    },
    /// It was started before and is resumed: finished trials are not run again.
    Begun {
        /// Its id.
        id: String,
    },
}

impl Job {
    /// Runs it; its id, and the result.
    ///
    /// # Errors
    /// `Input` when another process runs it; else as for [`run`].
    pub async fn run(
        mut self,
        context: &RunContext,
        events: &EventSender,
        cancel: &CancellationToken,
    ) -> Result<(String, Tally)> {
        let (campaign, finished_before) = match self.record.clone() {
            Record::New { source } => (self.begin(context, source).await?, 0),
            Record::Begun { id } => {
                let finished = self.take_up(context, &id).await?;
                (id, finished)
            }
        };
        let schedule = Schedule {
            campaign: campaign.clone(),
            parallel: self.parallel,
            cooldown: self.cooldown,
            stop_after_failures: self.prepared.plan.campaign.stop_after_failures,
            finished_before,
        };
        let result = run(context, self.prepared.trials, &schedule, events, cancel).await;
        let outcome = match &result {
            Ok(tally) if tally.interrupted => CampaignOutcome::Interrupted,
            Ok(_) => CampaignOutcome::Completed,
            Err(_) => CampaignOutcome::Failed,
        };
        let noted = context
            .store
            .finish_own_campaign(&campaign, &context.id, outcome)
            .await;
        let tally = result?;
        noted?;
        Ok((campaign, tally))
    }

    async fn begin(
        &self,
        context: &RunContext,
        source: Option<(PathBuf, String)>,
    ) -> Result<String> {
        let plan = &self.prepared.plan;
        let id = plan.new_id(jiff::Timestamp::now());
        let (path, source) = source.unzip();
        context
            .store
            .insert_campaign(NewCampaign {
                id: id.clone(),
                host_id: context.id.clone(),
                name: plan.campaign.name.clone(),
                variant: plan.campaign.variant.clone(),
                definition: serde_json::to_value(plan).unwrap_or_default(),
                source,
                source_path: path.map(|path| path.display().to_string()),
                seed: plan.seed,
                trials_planned: self.prepared.trials.len(),
                digests: self.prepared.digests.clone(),
                dry_run: self.prepared.dry_run,
            })
            .await?;
        Ok(id)
    }

    /// Leaves out what has finished; how many that were.
    async fn take_up(&mut self, context: &RunContext, id: &str) -> Result<usize> {
        if !context.store.take_up_campaign(id, &context.id).await? {
            return Err(
                Error::input(format!("{id} is running: another process runs it"))
                    .hint("wait for it, or end it with Ctrl+C there or with `duress halt`"),
            );
        }
        let finished = context.store.finished_trials(id).await?;
        let trials = &mut self.prepared.trials;
        trials.retain(|trial| !finished.contains(&trial.spec.name));
        Ok(finished.len())
    }
}
