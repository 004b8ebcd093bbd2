//! `duress show`: a campaign with its trials, or a trial with all that is known of it.

mod audit;
mod campaign;
mod comparison;
mod experiment;
mod trial;

use std::process::ExitCode;

use clap::Args;
use duress_store::TrialRow;

use crate::Done;
use crate::context::Context;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Campaign or trial: ID, ID prefix or name (newest match wins)
    name: String,
    #[command(flatten)]
    filter: audit::Filter,
    /// Also print every sample of the trial's metrics, and its workload by second
    #[arg(long)]
    metrics: bool,
    /// Also print the trial's log
    #[arg(long)]
    log: bool,
    /// Number of a campaign's trials to show, newest first; 0 for all
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

pub(crate) async fn main(context: &Context, arguments: Arguments) -> Done {
    let store = context.existing_store()?;
    // A campaign's name may be a trial's too only where a trial was run again: its campaign holds just that trial.
    let campaign_of_that_name = match arguments.filter.audit || arguments.log || arguments.metrics {
        true => None,
        false => store.find_campaign(&arguments.name).await?,
    };
    // A dry run hides no real trial of the same name.
    let hides = |trial: &TrialRow| !trial.dry_run && trial.name == arguments.name;
    let campaign_of_that_name = match campaign_of_that_name {
        Some(found) if found.dry_run => {
            let real = store.find_trial(&arguments.name).await?;
            real.is_none_or(|trial| !hides(&trial)).then_some(found)
        }
        found => found,
    };
    if let Some(found) = campaign_of_that_name {
        let limit = match arguments.limit {
            0 => usize::MAX,
            limit => limit,
        };
        campaign::show(context, &store, &found, limit).await?;
    } else {
        let found = store.trial(&arguments.name).await?;
        trial::show(context, &store, &found, &arguments).await?;
    }
    Ok(ExitCode::SUCCESS)
}
