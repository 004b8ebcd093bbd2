//! The rest of a campaign that was interrupted.

use std::path::Path;

use duress_model::CampaignOutcome;
use duress_runner::{Record, Tally};
use duress_store::{CampaignRow, Store, StoredCampaign};

use crate::Done;
use crate::context::Context;
use crate::options::RunOptions;
use crate::ui::print::say;
use crate::ui::summary;

/// Runs the trials of a campaign that have not finished.
pub(crate) async fn resume(
    context: &Context,
    store: Store,
    campaign: CampaignRow,
    stored: StoredCampaign,
    options: RunOptions,
) -> Done {
    if campaign.outcome == Some(CampaignOutcome::Completed) && !stored.dry_run {
        say!(
            "Nothing is left to run: every trial of {} has ended.",
            campaign.id
        );
        let nothing = Tally::default();
        return summary::print(context, &store, &campaign.id, nothing).await;
    }
    let file = stored.source_path.clone();
    let catalog = context
        .catalog(file.as_deref().map(Path::new))?
        .pinned(options.locked);
    let prepared = duress_runner::resume(&campaign, stored, &catalog).await?;
    store.close().await?;
    let record = Record::Begun { id: campaign.id };
    super::run(context, prepared, record, options).await
}
