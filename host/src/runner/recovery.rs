//! Which hosts of this database are dead, what they left, and taking it back.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::Result;
use crate::engine::{Engine, EngineError, Project};
use crate::http::Client;
use crate::journal::{Actor, Recovered, recover};
use crate::store::{CampaignOutcome, ChangeRow, HostLock, Store, TrialRow};

/// What dead hosts of a database left.
#[derive(Debug, Default)]
pub struct Remains {
    /// Changes that may be in force, newest first.
    pub changes: Vec<ChangeRow>,
    /// Trials that never ended.
    pub trials: Vec<TrialRow>,
    /// Campaigns that never ended, by id.
    pub campaigns: Vec<String>,
    /// Stacks of trials that have ended, or that the database does not know.
    pub strays: Vec<Project>,
}

impl Remains {
    /// There is nothing to take back.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.trials.is_empty() && self.strays.is_empty()
    }

    /// Look for them. Nothing is changed.
    ///
    /// # Errors
    /// When the store or the engine cannot be read.
    pub async fn find(store: &Store, engine: &dyn Engine) -> Result<Self> {
        let locks = store.host_locks();
        let is_dead = |host: &str| HostLock::is_dead(&locks, host);
        let mut changes = store.unsettled_changes().await?;
        changes.retain(|change| is_dead(&change.host_id));
        let mut trials = store.running_trials().await?;
        trials.retain(|trial| is_dead(&trial.host_id));
        let campaigns = store.running_campaigns().await?;
        let campaigns = campaigns.into_iter().filter(|(_, host)| is_dead(host));
        let campaigns = campaigns.map(|(campaign, _)| campaign).collect();
        let dead = trials.iter().map(|trial| Project(trial.project.clone()));
        let strays = strays(store, engine, &dead.collect()).await?;
        Ok(Self {
            changes,
            trials,
            campaigns,
            strays,
        })
    }

    /// Take them back. What could not be done is in the answer; it is found again the next time.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn take_back(
        self,
        store: &Store,
        engine: Arc<dyn Engine>,
        http: &Client,
    ) -> Result<Recovered> {
        let actor = Actor {
            engine: Arc::clone(&engine),
            http: http.clone(),
        };
        let mut recovered = recover(store, &actor, self.changes, self.trials).await?;
        for project in self.strays {
            match engine.remove_project(&project).await {
                Ok(()) => recovered.trials.push(project.to_string()),
                Err(EngineError::Gone(_)) => {}
                Err(error) => recovered.left.push(format!("the stack {project}: {error}")),
            }
        }
        for campaign in self.campaigns {
            let interrupted = CampaignOutcome::Interrupted;
            store.finish_campaign(&campaign, interrupted).await?;
        }
        if recovered.left.is_empty() {
            HostLock::tidy(&store.host_locks());
        }
        Ok(recovered)
    }
}

/// Note the end of what dead hosts of this database left and what needs no engine: trials that changed nothing, and campaigns. A stack
/// that one of these trials left is known by its label, and removed by the next recovery that has an engine.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn note_dead_hosts(store: &Store) -> Result<()> {
    let locks = store.host_locks();
    let changed: BTreeSet<_> = store
        .unsettled_changes()
        .await?
        .into_iter()
        .map(|change| change.trial_id)
        .collect();
    for trial in store.running_trials().await? {
        if HostLock::is_dead(&locks, &trial.host_id) && !changed.contains(&trial.id) {
            store.abandon_trial(&trial.id).await?;
        }
    }
    for (campaign, host) in store.running_campaigns().await? {
        if HostLock::is_dead(&locks, &host) {
            let interrupted = CampaignOutcome::Interrupted;
            store.finish_campaign(&campaign, interrupted).await?;
        }
    }
    Ok(())
}

/// Take back what dead hosts of this database left: their changes, their running trials, and stacks that no trial accounts for.
///
/// # Errors
/// When the store or the engine cannot be read.
pub async fn recover_dead_hosts(
    store: &Store,
    engine: Arc<dyn Engine>,
    http: &Client,
) -> Result<Recovered> {
    let remains = Remains::find(store, engine.as_ref()).await?;
    remains.take_back(store, engine, http).await
}

/// Stacks of this database's trials that have ended, or that it does not know. Those of dead hosts' trials are counted there.
async fn strays(
    store: &Store,
    engine: &dyn Engine,
    dead: &BTreeSet<Project>,
) -> Result<Vec<Project>> {
    let database = store.path().display().to_string();
    let left = engine.leftovers().await?;
    let mine = left.into_iter().filter(|left| left.database == database);
    let projects: BTreeSet<_> = mine.map(|left| left.project).collect();
    if projects.is_empty() {
        return Ok(Vec::new());
    }
    // A trial is on record before its stack is made, and is read after the stacks were: none that runs is missing here.
    let running: BTreeSet<_> = store
        .running_trials()
        .await?
        .into_iter()
        .map(|trial| Project(trial.project))
        .collect();
    let strays = projects.into_iter();
    Ok(strays
        .filter(|project| !dead.contains(project) && !running.contains(project))
        .collect())
}
