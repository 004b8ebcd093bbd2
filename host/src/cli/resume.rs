//! `duress resume`.

use std::path::Path;
use std::time::Duration;

use clap::Args;

use super::execute::job;
use super::style::say;
use super::{Done, Global, context, execute, summary};
use duress_files::{Links, read_regular};
use duress_model::CampaignOutcome;
use duress_runner::{Record, Tally};
use duress_store::{CampaignRow, Store, StoredCampaign};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The campaign: its id, a beginning of it, or its name; of several the newest
    campaign: String,
    #[command(flatten)]
    common: Common,
    /// Go by the stored definition even where the campaign's file has changed since
    #[arg(long)]
    stored: bool,
}

#[derive(Debug, Clone, Copy, Args)]
pub(super) struct Common {
    /// Trials at once (instead of the campaign's own number)
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = super::run::whole)]
    pub(super) parallel: Option<u64>,
    /// Refuse plugins whose digests are not kept in duress.lock
    #[arg(long)]
    pub(super) locked: bool,
    /// How long this process may be dead or stand still before its guardian reverts every fault; `off` runs without a guardian
    #[arg(long, value_name = "SECONDS|off", env = "DURESS_GUARDIAN", default_value = "5", value_parser = grace)]
    pub(super) guardian: Grace,
}

/// After what silence a guardian acts; none without a guardian.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grace(pub(super) Option<Duration>);

fn grace(text: &str) -> Result<Grace, String> {
    if text == "off" {
        return Ok(Grace(None));
    }
    let seconds: Option<f64> = text.strip_suffix('s').unwrap_or(text).parse().ok();
    seconds
        .filter(|seconds| (1.0..=3_600.0).contains(seconds))
        .map(|seconds| Grace(Some(Duration::from_secs_f64(seconds))))
        .ok_or_else(|| "give a time from 1 to 3600 seconds, or `off`".to_owned())
}

pub(super) async fn main(global: &Global, arguments: Arguments) -> Done {
    let store = context::open_existing(global)?;
    let campaign = store.campaign(&arguments.campaign).await?;
    let stored = store.stored_campaign(&campaign.id).await?;
    // A file that is gone cannot contradict what is stored.
    if !arguments.stored
        && let Some(path) = stored.source_path.as_deref().map(Path::new)
        && let Ok(now) = read_regular(path, 1 << 20, Links::Followed)
        && let Ok(now) = String::from_utf8(now)
    {
        duress_runner::check_source(&campaign.id, &stored, path, &now).map_err(|error| {
            error.hint(format!(
                "put the file back, or go by the stored definition: duress resume {} --stored",
                campaign.id
            ))
        })?;
    }
    go_on(global, store, campaign, stored, arguments.common).await
}

/// `duress run campaign FILE --resume`.
pub(super) async fn from_file(global: &Global, file: &Path, text: &str, common: Common) -> Done {
    let store = context::open_existing(global)?;
    let campaign = duress_runner::campaign_of_file(&store, file).await?;
    let stored = store.stored_campaign(&campaign.id).await?;
    duress_runner::check_source(&campaign.id, &stored, file, text).map_err(|error| {
        error.hint("put the file back, or leave --resume out to begin a new campaign")
    })?;
    go_on(global, store, campaign, stored, common).await
}

async fn go_on(
    global: &Global,
    store: Store,
    campaign: CampaignRow,
    stored: StoredCampaign,
    common: Common,
) -> Done {
    if campaign.outcome == Some(CampaignOutcome::Completed) && !stored.dry_run {
        say!(
            "Nothing is left to run: every trial of {} has ended.",
            campaign.id
        );
        let nothing = Tally::default();
        return summary::print(global, &store, &campaign.id, nothing).await;
    }
    let file = stored.source_path.clone();
    let catalog = context::catalog(file.as_deref().map(Path::new))?.pinned(common.locked);
    let prepared = duress_runner::resume(&campaign, stored, &catalog).await?;
    store.close().await?;
    drop(store);
    let record = Record::Begun { id: campaign.id };
    let job = job(prepared, record, common.parallel)?;
    execute::main(global, job, common.guardian).await
}
