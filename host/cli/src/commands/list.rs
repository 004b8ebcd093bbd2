//! `duress list`.

use std::process::ExitCode;

use clap::Args;

use crate::Done;
use crate::context::Context;
use crate::ui::print::{self, print_line, say};
use crate::ui::{format, table};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Largest number of campaigns to list
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
}

pub(crate) async fn main(context: &Context, arguments: Arguments) -> Done {
    let store = context.existing_store()?;
    let campaigns = store.campaigns(arguments.limit).await?;
    if context.json {
        print::json(&campaigns);
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
            format::time(campaign.started_at),
            format::campaign_state(campaign),
            format!("{}/{}", campaign.trials_ended, campaign.trials_planned),
            campaign.trials_passed.to_string(),
        ]);
    }
    print_line!("{}", table::lines(&rows));
    Ok(ExitCode::SUCCESS)
}
