//! Which hosts of this database are dead, and what they left.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::Result;
use crate::engine::{Engine, EngineError, Project};
use crate::http::Client;
use crate::journal::{Actor, HostLock, Recovered, recover};
use crate::store::{CampaignOutcome, Store};

/// Take back what dead hosts of this database left: their changes, their running trials, and stacks that no trial accounts for.
///
/// What could not be done is in the answer; hosts of which something is left are looked at again the next time.
///
/// # Errors
/// When the store or the engine cannot be read.
pub async fn recover_dead_hosts(
    store: &Store,
    engine: Arc<dyn Engine>,
    http: &Client,
) -> Result<Recovered> {
    let locks = store.host_locks();
    let is_dead = |host: &str| HostLock::is_dead(&locks, host);
    let mut changes = store.unsettled_changes().await?;
    changes.retain(|change| is_dead(&change.host_id));
    let running = store.running_trials().await?;
    let (trials, alive): (Vec<_>, Vec<_>) = running
        .into_iter()
        .partition(|trial| is_dead(&trial.host_id));
    let hosts: BTreeSet<_> = changes
        .iter()
        .map(|change| change.host_id.clone())
        .chain(trials.iter().map(|trial| trial.host_id.clone()))
        .collect();

    let actor = Actor {
        engine: Arc::clone(&engine),
        http: http.clone(),
    };
    let mut recovered = recover(store, &actor, changes, trials).await?;
    for (campaign, host) in store.running_campaigns().await? {
        if is_dead(&host) {
            store
                .finish_campaign(&campaign, CampaignOutcome::Interrupted)
                .await?;
        }
    }
    let alive = alive
        .into_iter()
        .map(|trial| Project(trial.project))
        .collect();
    strays(store, engine.as_ref(), &alive, &mut recovered).await?;
    if recovered.left.is_empty() {
        for host in hosts {
            HostLock::forget(&locks, &host);
        }
    }
    Ok(recovered)
}

/// Remove stacks of this database's trials that have ended, or that it does not know.
async fn strays(
    store: &Store,
    engine: &dyn Engine,
    alive: &BTreeSet<Project>,
    recovered: &mut Recovered,
) -> Result<()> {
    let database = store.path().display().to_string();
    let left = engine.leftovers().await?;
    let mine = left.into_iter().filter(|left| left.database == database);
    // A trial is on record before its stack is made, so what runs now was read as running before, or began since: look again.
    let projects: BTreeSet<_> = mine
        .map(|left| left.project)
        .filter(|project| !alive.contains(project))
        .collect();
    let running: BTreeSet<_> = store
        .running_trials()
        .await?
        .into_iter()
        .map(|trial| Project(trial.project))
        .collect();
    for project in projects.difference(&running) {
        match engine.remove_project(project).await {
            Ok(()) => recovered.trials.push(project.to_string()),
            Err(EngineError::Gone(_)) => {}
            Err(error) => recovered.left.push(format!("the stack {project}: {error}")),
        }
    }
    Ok(())
}
