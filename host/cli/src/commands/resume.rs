//! `duress resume`.

use std::path::Path;

use clap::Args;
use duress_files::{Links, read_regular};

use crate::context::Context;
use crate::options::RunOptions;
use crate::{Done, execute};

/// The most of a campaign's file that is compared.
const FILE_LIMIT: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Campaign: ID, ID prefix or name (newest match wins)
    campaign: String,
    #[command(flatten)]
    options: RunOptions,
    /// Use the stored definition even if the campaign's file has changed since
    #[arg(long)]
    stored: bool,
}

pub(crate) async fn main(context: &Context, arguments: Arguments) -> Done {
    let store = context.existing_store()?;
    let campaign = store.campaign(&arguments.campaign).await?;
    let stored = store.stored_campaign(&campaign.id).await?;
    // A file that was removed cannot contradict what is stored.
    if !arguments.stored
        && let Some(path) = stored.source_path.as_deref().map(Path::new)
        && let Ok(now) = read_regular(path, FILE_LIMIT, Links::Followed)
        && let Ok(now) = String::from_utf8(now)
    {
        duress_runner::check_source(&campaign.id, &stored, path, &now).map_err(|error| {
            error.hint(format!(
                "restore the file, or use the stored definition: duress resume {} --stored",
                campaign.id
            ))
        })?;
    }
    execute::resume(context, store, campaign, stored, arguments.options).await
}
