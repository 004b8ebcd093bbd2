//! What must be true of a campaign whenever the machine dies.

use std::collections::{BTreeMap, BTreeSet};

use duress_model::{CampaignOutcome, Phase};
use duress_store::{ChangeStatus, TrialRow};
use serde_json::Value;

use super::scenario::{Broken, Simulation};

macro_rules! must {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err(format!($($message)+));
        }
    };
}

impl Simulation {
    /// At any moment: what is broken is in the journal, with its way back.
    pub fn check_journal(&self) -> std::result::Result<(), Broken> {
        let changes = self.look(async |store| store.unsettled_changes().await);
        let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let mut tokens = BTreeSet::new();
        for change in changes {
            let id = change.change["container"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            let actions = change.change["apply"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            known
                .entry(id)
                .or_default()
                .extend(actions.iter().map(kind));
            for arrangement in actions.iter().filter_map(|one| one.get("rearrange")) {
                tokens.insert(arrangement["token"].as_str().unwrap_or_default().to_owned());
                let aside = arrangement["aside"].as_array().cloned().unwrap_or_default();
                for id in aside.iter().filter_map(Value::as_str) {
                    known
                        .entry(id.to_owned())
                        .or_default()
                        // It is stopped first.
                        .extend(["end", "rearrange"].map(str::to_owned));
                }
            }
        }
        let machine = self.world.lock();
        for container in machine.stacks.values().flat_map(|stack| &stack.containers) {
            // What was made is on record by the arrangement that made it.
            if let Some((token, _)) = &container.made_for {
                must!(
                    tokens.contains(token),
                    "{} was made, and no row of the journal has it",
                    container.id
                );
                continue;
            }
            let none = BTreeSet::new();
            let known = known.get(&container.id).unwrap_or(&none);
            for changed in container.changed() {
                must!(
                    known.contains(changed),
                    "`{changed}` of {} ({}) is in force, and no row of the journal has it",
                    container.id,
                    container.service
                );
            }
        }
        Ok(())
    }

    /// After a recovery in which no stack could be removed: nothing is in force in any of them.
    pub fn check_reverted(&self) -> std::result::Result<(), Broken> {
        let machine = self.world.lock();
        for container in machine.stacks.values().flat_map(|stack| &stack.containers) {
            let changed = container.changed();
            must!(
                changed.is_empty(),
                "{changed:?} of {} is still in force",
                container.id
            );
        }
        Ok(())
    }

    /// After a recovery: nothing is left, and nothing is said to run.
    pub fn check_recovered(&self) -> std::result::Result<(), Broken> {
        let stacks: Vec<_> = self.world.lock().stacks.keys().cloned().collect();
        must!(stacks.is_empty(), "stacks are left: {stacks:?}");
        let unsettled = self.look(async |store| store.unsettled_changes().await);
        must!(unsettled.is_empty(), "changes are unsettled: {unsettled:?}");
        let running = self.look(async |store| store.running_trials().await);
        must!(
            running.is_empty(),
            "trials are said to run: {}",
            running.len()
        );
        let campaigns = self.look(async |store| store.running_campaigns().await);
        must!(
            campaigns.is_empty(),
            "campaigns are said to run: {campaigns:?}"
        );
        Ok(())
    }

    /// Returns what has finished, by name, with the row that says so.
    pub fn finished(&self) -> BTreeMap<String, String> {
        let trials = self.look(
            async |store| match store.find_campaign("simulated").await? {
                Some(campaign) => store.trials_of_campaign(&campaign.id, usize::MAX).await,
                None => Ok(Vec::new()),
            },
        );
        let finished = trials.into_iter().filter(|trial| {
            trial
                .outcome
                .is_some_and(|outcome| outcome.as_str() != "cancelled")
        });
        finished.map(|trial| (trial.name, trial.id)).collect()
    }

    /// At the end: every trial has finished once, those from before a crash as they were, within their blast radius, and in order.
    pub fn check_complete(
        &self,
        before: &BTreeMap<String, String>,
    ) -> std::result::Result<(), Broken> {
        let campaign = self.look(async |store| store.find_campaign("simulated").await);
        let Some(campaign) = campaign else {
            return Ok(());
        };
        must!(
            campaign.outcome == Some(CampaignOutcome::Completed),
            "it is {:?}",
            campaign.outcome
        );
        must!(
            campaign.trials_ended == campaign.trials_planned,
            "{} of {} trials have ended",
            campaign.trials_ended,
            campaign.trials_planned
        );
        let trials =
            self.look(async |store| store.trials_of_campaign(&campaign.id, usize::MAX).await);
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        let touched = self.world.lock().touched.clone();
        for trial in &trials {
            let outcome = trial.outcome.map_or("running", |outcome| outcome.as_str());
            must!(outcome != "running", "{} never ended", trial.name);
            must!(
                trial.superseded == (outcome == "cancelled"),
                "an attempt at {} is {outcome}, and superseded: {}",
                trial.name,
                trial.superseded
            );
            if !trial.superseded {
                let twice = seen.insert(&trial.name, &trial.id);
                must!(twice.is_none(), "{} has finished twice", trial.name);
            }
            self.check_trial(trial, touched.get(&trial.id))?;
        }
        for (name, id) in before {
            must!(
                seen.get(name.as_str()) == Some(&id.as_str()),
                "{name} had finished as {id}, and is now {:?}",
                seen.get(name.as_str())
            );
        }
        Ok(())
    }

    fn check_trial(
        &self,
        trial: &TrialRow,
        touched: Option<&BTreeSet<String>>,
    ) -> std::result::Result<(), Broken> {
        let phases = self.look(async |store| store.phases(&trial.id).await);
        let order: Vec<_> = phases.iter().map(|ended| ended.phase).collect();
        must!(
            order.is_sorted() && !order.contains(&Phase::Report),
            "the phases of {} are out of order: {phases:?}",
            trial.name
        );
        // What a crash kept from being noted is in the journal all the same.
        let changes = self.look(async |store| store.changes_of_trial(&trial.id).await);
        must!(
            outcome_of(trial) != "passed"
                || changes
                    .iter()
                    .all(|change| change.status != ChangeStatus::Void),
            "{} has passed, and its fault ended with a container that somebody removed",
            trial.name
        );
        let mut allowed: BTreeSet<_> = changes
            .iter()
            .map(|change| change.container_name.clone())
            .collect();
        for name in touched.into_iter().flatten() {
            must!(
                allowed.contains(name),
                "{} changed {name}, which no row of its journal names",
                trial.name
            );
        }
        if !trial.superseded {
            for name in &trial.targets {
                allowed.remove(name);
            }
            must!(
                allowed.is_empty(),
                "{} reached beyond its targets: {allowed:?}",
                trial.name
            );
        }
        for change in changes {
            must!(
                matches!(change.status, ChangeStatus::Reverted | ChangeStatus::Void),
                "a change of {} is {}",
                trial.name,
                change.status
            );
        }
        Ok(())
    }

    /// The outcomes, in a world in which nothing goes wrong.
    pub fn check_passed(&self) -> std::result::Result<(), Broken> {
        let trials = self.look(async |store| {
            let campaign = store.campaign("simulated").await?;
            store.trials_of_campaign(&campaign.id, usize::MAX).await
        });
        for trial in trials.iter().filter(|trial| !trial.superseded) {
            let outcome = trial.outcome.map_or("running", |outcome| outcome.as_str());
            must!(
                outcome == "passed",
                "{} is {outcome}: {:?}",
                trial.name,
                trial.error
            );
        }
        Ok(())
    }
}

fn outcome_of(trial: &TrialRow) -> &'static str {
    trial.outcome.map_or("running", |outcome| outcome.as_str())
}

/// Returns an action's kind, as [`duress_simulated::Container::changed`] calls it.
fn kind(action: &Value) -> String {
    let name = match action {
        Value::Object(map) => map.keys().next().map_or("", String::as_str),
        other => other.as_str().unwrap_or_default(),
    };
    match name {
        "signal" | "stop" | "restart" => "end".to_owned(),
        other => other.to_owned(),
    }
}
