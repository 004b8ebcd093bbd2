//! `duress list`.

use std::process::ExitCode;

use clap::Args;

use super::style::{print_line, say};
use super::{Done, Global, context, style, table};
use duress_model::CampaignOutcome;
use duress_store::CampaignRow;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// How many at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

pub(super) async fn main(global: &Global, arguments: Arguments) -> Done {
    let store = context::open_existing(global)?;
    let campaigns = store.campaigns(arguments.limit).await?;
    if global.json {
        style::print_json(&campaigns);
        return Ok(ExitCode::SUCCESS);
    }
    if campaigns.is_empty() {
        say!("No campaigns yet: `duress run campaign FILE` runs one.");
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = table::table(
        &["campaign", "name", "started", "state", "ended", "passed"],
        4,
    );
    for campaign in &campaigns {
        rows.add_row([
            campaign.id.clone(),
            campaign.name.clone(),
            style::time(campaign.started_at),
            state(campaign),
            format!("{}/{}", campaign.trials_ended, campaign.trials_planned),
            campaign.trials_passed.to_string(),
        ]);
    }
    print_line!("{}", table::lines(&rows));
    Ok(ExitCode::SUCCESS)
}

/// In one word.
pub(super) fn state(campaign: &CampaignRow) -> String {
    let state = campaign.outcome.map_or("running", CampaignOutcome::as_str);
    match campaign.dry_run {
        true => format!("{state} (dry run)"),
        false => state.to_owned(),
    }
}
