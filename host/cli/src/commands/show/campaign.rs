//! A campaign with its trials.

use duress_model::Result;
use duress_store::{CampaignRow, Store};
use serde_json::json;

use super::comparison;
use crate::context::Context;
use crate::ui::print::{self, print_line, say};
use crate::ui::{format, style, summary, table};

pub(super) async fn show(
    context: &Context,
    store: &Store,
    campaign: &CampaignRow,
    limit: usize,
) -> Result<()> {
    let combinations = store.summary(&campaign.id).await?;
    let trials = store.trials_of_campaign(&campaign.id, limit).await?;
    // What they show together is of all of them, however many are listed. All trials of a campaign have its experiment, or none has.
    let experiments = match trials.iter().any(|trial| trial.experiment.is_some()) {
        true => comparison::of(&store.trials_of_campaign(&campaign.id, usize::MAX).await?),
        false => Vec::new(),
    };
    if context.json {
        print::json(&json!({
            "campaign": campaign, "combinations": combinations, "experiments": experiments, "trials": trials,
        }));
        return Ok(());
    }
    print_line!("{}  {}", style::GOOD.paint(&campaign.name), campaign.id);
    let file = campaign
        .source_path
        .as_deref()
        .map(|path| format!(", from {path}"));
    print_line!(
        "started {}, {}, variant {}, seed {}{}",
        format::time(campaign.started_at),
        format::campaign_state(campaign),
        campaign.variant,
        campaign.seed,
        file.unwrap_or_default()
    );
    print_line!(
        "{} of {} trials have ended{}",
        campaign.trials_ended,
        campaign.trials_planned,
        match campaign.dry_run {
            true => ", of a dry run: nothing was broken",
            false => "",
        }
    );
    print_line!();
    print_line!("{}", summary::combinations(&combinations));
    print_line!();
    let mut rows = table::table(&["trial", "id", "outcome", "targets", "recovered in"], 4);
    for trial in &trials {
        rows.add_row([
            trial.name.clone(),
            trial.id.clone(),
            match trial.superseded {
                true => format!("{}, ran again", format::trial_outcome(trial)),
                false => format::trial_outcome(trial),
            },
            format::names(&trial.targets),
            match (trial.recovery_ms, trial.circumstances.stayed_healthy) {
                (Some(ms), _) => format::duration(ms),
                (None, Some(true)) => "stayed healthy".to_owned(),
                (None, _) => "-".to_owned(),
            },
        ]);
    }
    print_line!("{}", table::lines(&rows));
    if usize::try_from(campaign.trials_ended).is_ok_and(|ended| ended > trials.len()) {
        say!("These are the newest {limit}; --limit shows more.");
    }
    comparison::print(&experiments);
    for trial in trials.iter().filter(|trial| !trial.superseded) {
        if let Some(error) = &trial.error {
            print_line!();
            print_line!(
                "{} {error}",
                style::ERROR.paint(format_args!("{}:", trial.name))
            );
        }
    }
    Ok(())
}
