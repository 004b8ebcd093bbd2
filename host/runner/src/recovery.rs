//! Which hosts of this database are dead, what they left, and taking it back.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Machine;
use duress_engine::{Engine, EngineError, Project};
use duress_http::Client;
use duress_journal::{Executor, Recovered, recover};
use duress_model::{CampaignOutcome, Result};
use duress_store::{ChangeRow, HostLock, Store, TrialRow};

/// What dead hosts of a database left.
#[derive(Debug, Default)]
pub struct Leftovers {
    /// Changes that may be in force, newest first.
    pub changes: Vec<ChangeRow>,
    /// Trials that never ended.
    pub trials: Vec<TrialRow>,
    /// Campaigns that never ended, by id.
    pub campaigns: Vec<String>,
    /// Stacks of trials that have ended, or that the database does not know.
    pub strays: Vec<Project>,
}

impl Leftovers {
    /// Nothing is left to revert.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.trials.is_empty() && self.strays.is_empty()
    }

    /// Looks for them. Nothing is changed.
    ///
    /// # Errors
    /// When the store or the engine cannot be read.
    pub async fn find(store: &Store, engine: &dyn Engine) -> Result<Self> {
        let is_dead = is_dead(store);
        let mut changes = store.unsettled_changes().await?;
        changes.retain(|change| is_dead(&change.host_id));
        let mut trials = store.running_trials().await?;
        trials.retain(|trial| is_dead(&trial.host_id));
        let campaigns = store.running_campaigns().await?;
        let campaigns = campaigns.into_iter().filter(|(_, host)| is_dead(host));
        let campaigns = campaigns.map(|(campaign, _)| campaign).collect();
        let dead = trials.iter().map(|trial| Project(trial.project.clone()));
        let strays = strays(store, engine, &dead.collect(), &is_dead).await?;
        Ok(Self {
            changes,
            trials,
            campaigns,
            strays,
        })
    }

    /// Looks for what one host has, dead or not: its guardian knows that it does not go on. Stacks of its trials that have ended, and that it
    /// could not remove, count too.
    ///
    /// # Errors
    /// When the store or the engine cannot be read.
    pub async fn of_host(store: &Store, engine: &dyn Engine, host: &str) -> Result<Self> {
        let mut changes = store.unsettled_changes().await?;
        changes.retain(|change| change.host_id == host);
        let mut trials = store.running_trials().await?;
        trials.retain(|trial| trial.host_id == host);
        let campaigns = store.running_campaigns().await?;
        let campaigns = campaigns.into_iter().filter(|(_, runs)| runs == host);
        let mut strays = stacks_of(host, engine).await?;
        strays.retain(|project| trials.iter().all(|trial| trial.project != project.0));
        Ok(Self {
            changes,
            trials,
            campaigns: campaigns.map(|(campaign, _)| campaign).collect(),
            strays: strays.into_iter().collect(),
        })
    }

    /// Reverts them. What could not be reverted is in the result, and is found again the next time.
    ///
    /// # Errors
    /// When the store cannot be read or written.
    pub async fn revert(
        self,
        store: &Store,
        engine: Arc<dyn Engine>,
        http: &Client,
    ) -> Result<Recovered> {
        let executor = Executor {
            engine: Arc::clone(&engine),
            http: http.clone(),
        };
        let mut recovered = recover(store, &executor, self.changes, self.trials).await?;
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

/// Whether a host of this database has ended: neither the folder of locks beside the database nor that of the machine says that it lives.
/// A copy of a database, or one whose folder of locks is gone, is thus no reason to revert what a living host has in force.
pub fn is_dead(store: &Store) -> impl Fn(&str) -> bool {
    let (locks, machine) = (store.host_locks(), Machine::this());
    move |host| HostLock::is_dead(&locks, host) && !machine.lives(host)
}

/// Notes the end of what dead hosts of this database left and what needs no engine: trials that changed nothing, and campaigns. A stack
/// that one of these trials left is known by its label, and removed by the next recovery that has an engine.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn note_dead_hosts(store: &Store) -> Result<()> {
    let is_dead = is_dead(store);
    let changed: BTreeSet<_> = store
        .unsettled_changes()
        .await?
        .into_iter()
        .map(|change| change.trial_id)
        .collect();
    for trial in store.running_trials().await? {
        if is_dead(&trial.host_id) && !changed.contains(&trial.id) {
            store.abandon_trial(&trial.id).await?;
        }
    }
    for (campaign, host) in store.running_campaigns().await? {
        if is_dead(&host) {
            let interrupted = CampaignOutcome::Interrupted;
            store.finish_campaign(&campaign, interrupted).await?;
        }
    }
    Ok(())
}

/// Reverts what dead hosts of this database left: their changes, their running trials, and stacks that no trial accounts for.
///
/// # Errors
/// When the store or the engine cannot be read.
pub async fn recover_dead_hosts(
    store: &Store,
    engine: Arc<dyn Engine>,
    http: &Client,
) -> Result<Recovered> {
    let leftovers = Leftovers::find(store, engine.as_ref()).await?;
    leftovers.revert(store, engine, http).await
}

/// Removes the stacks of one host, known by their labels, and with them the faults in them.
pub(super) async fn remove_stacks_of(host: &str, engine: &dyn Engine) -> Result<Recovered> {
    remove_stacks(stacks_of(host, engine).await?, engine).await
}

async fn stacks_of(host: &str, engine: &dyn Engine) -> Result<BTreeSet<Project>> {
    let left = engine.leftovers().await?;
    let own = left.into_iter().filter(|left| left.host == host);
    Ok(own.map(|left| left.project).collect())
}

async fn remove_stacks(projects: BTreeSet<Project>, engine: &dyn Engine) -> Result<Recovered> {
    let mut recovered = Recovered::default();
    for project in projects {
        match engine.remove_project(&project).await {
            Ok(()) => recovered.trials.push(project.to_string()),
            Err(EngineError::Gone(_)) => {}
            Err(error) => recovered.left.push(format!("the stack {project}: {error}")),
        }
    }
    Ok(recovered)
}

/// A stack of which this machine cannot tell whether its run lives.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Unknown {
    /// Its project.
    pub project: String,
    /// The database of its trial.
    pub database: String,
    /// The machine of its run; empty where an older duress made it.
    pub machine: String,
}

/// Removes the stacks of dead runs that an engine has, of whatever database: known by their labels, and with them the faults in them.
/// Nothing of a living run is touched, nor of one that another machine started: only that machine knows whether it lives.
///
/// # Errors
/// When the engine cannot be read.
pub async fn recover_all(
    engine: &dyn Engine,
    machine: &Machine,
    dry_run: bool,
) -> Result<(Recovered, Vec<Unknown>)> {
    let here = machine.name();
    let (mut dead, mut unknown) = (BTreeSet::new(), BTreeSet::new());
    for left in engine.leftovers().await? {
        if left.host.is_empty() || left.machine != here || here.is_empty() {
            unknown.insert(Unknown {
                project: left.project.to_string(),
                database: left.database,
                machine: left.machine,
            });
        } else if !machine.lives(&left.host) {
            dead.insert(left.project);
        }
    }
    let recovered = if dry_run {
        Recovered {
            trials: dead.iter().map(ToString::to_string).collect(),
            ..Recovered::default()
        }
    } else {
        remove_stacks(dead, engine).await?
    };
    Ok((recovered, unknown.into_iter().collect()))
}

/// Stacks of this database's trials that have ended, or that it does not know. Those of dead hosts' trials are counted there.
async fn strays(
    store: &Store,
    engine: &dyn Engine,
    dead: &BTreeSet<Project>,
    is_dead: &impl Fn(&str) -> bool,
) -> Result<Vec<Project>> {
    let database = store.path().display().to_string();
    let left = engine.leftovers().await?;
    let mine = left.into_iter().filter(|left| {
        if left.database_id.is_empty() {
            left.database == database
        } else {
            // After a restored backup, another database may have the path.
            left.database_id == store.identity() && is_dead(&left.host)
        }
    });
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
