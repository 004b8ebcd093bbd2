//! `duress show`: a campaign with its trials, or a trial with all that is known of it.

use std::process::ExitCode;

use clap::Args;
use serde_json::{Value, json};

use super::style::{print_line, say};
use super::{Done, Global, context, list, style, summary, table};
use duress_journal::change::Change;
use duress_store::{AuditRow, CampaignRow, ChangeRow, Store, TrialRow};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A campaign or a trial: its id, a beginning of it, or its name; of several the newest
    name: String,
    /// Every host call of the trial's plugins, allowed or denied
    #[arg(long)]
    audit: bool,
    /// Of the audit, the calls made in this function alone, e.g. `inject` [default: all but `health`]
    #[arg(long, value_name = "NAME", requires = "audit")]
    function: Option<String>,
    /// Of the audit, the calls of this plugin alone
    #[arg(long, value_name = "NAME", requires = "audit")]
    plugin: Option<String>,
    /// The trial's log
    #[arg(long)]
    log: bool,
    /// How many of a campaign's trials, the newest; 0 for all
    #[arg(long, value_name = "N", default_value_t = 100)]
    limit: usize,
}

impl Arguments {
    /// Returns whether a call is to be shown. Health checks are many, and seldom what one looks for.
    fn wants(&self, call: &AuditRow) -> bool {
        let short = call.function.rsplit('.').next().unwrap_or_default();
        let function = match &self.function {
            Some(wanted) => *wanted == call.function || wanted == short,
            None => short != "health",
        };
        function
            && self
                .plugin
                .as_ref()
                .is_none_or(|wanted| *wanted == call.plugin)
    }
}

pub(super) async fn main(global: &Global, arguments: Arguments) -> Done {
    let store = context::open_existing(global)?;
    // A campaign's name may be a trial's too only where a trial was run again: its campaign holds just that trial.
    let campaign_of_that_name = match arguments.audit || arguments.log {
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
        campaign(global, &store, &found, limit).await?;
    } else {
        let found = store.trial(&arguments.name).await?;
        trial(global, &store, &found, &arguments).await?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn campaign(
    global: &Global,
    store: &Store,
    campaign: &CampaignRow,
    limit: usize,
) -> duress_model::Result<()> {
    let combinations = store.summary(&campaign.id).await?;
    let trials = store.trials_of_campaign(&campaign.id, limit).await?;
    if global.json {
        style::print_json(
            &json!({ "campaign": campaign, "combinations": combinations, "trials": trials }),
        );
        return Ok(());
    }
    print_line!("{}  {}", style::GOOD.paint(&campaign.name), campaign.id);
    let file = campaign
        .source_path
        .as_deref()
        .map(|path| format!(", from {path}"));
    print_line!(
        "started {}, {}, variant {}, seed {}{}",
        style::time(campaign.started_at),
        list::state(campaign),
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
                true => format!("{}, ran again", outcome(trial)),
                false => outcome(trial),
            },
            names(&trial.targets),
            match (trial.recovery_ms, trial.circumstances.stayed_healthy) {
                (Some(ms), _) => style::duration(ms),
                (None, Some(true)) => "stayed healthy".to_owned(),
                (None, _) => "-".to_owned(),
            },
        ]);
    }
    print_line!("{}", table::lines(&rows));
    if usize::try_from(campaign.trials_ended).is_ok_and(|ended| ended > trials.len()) {
        say!("These are the newest {limit}; --limit shows more.");
    }
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

async fn trial(
    global: &Global,
    store: &Store,
    trial: &TrialRow,
    arguments: &Arguments,
) -> duress_model::Result<()> {
    let phases = store.phases(&trial.id).await?;
    let changes = store.changes_of_trial(&trial.id).await?;
    let (audit, left_out) = if arguments.audit {
        let all = store.audit(&trial.id).await?;
        let number = all.len();
        let wanted: Vec<_> = all
            .into_iter()
            .filter(|call| arguments.wants(call))
            .collect();
        let left_out = number - wanted.len();
        (Some(wanted), left_out)
    } else {
        (None, 0)
    };
    let log = if arguments.log {
        Some(store.log(&trial.id).await?)
    } else {
        None
    };
    if global.json {
        style::print_json(&json!({
            "trial": trial, "phases": phases, "changes": changes, "audit": audit, "log": log,
        }));
        return Ok(());
    }
    print_line!("{}  {}", style::GOOD.paint(&trial.name), trial.id);
    print_line!("of {}", trial.campaign_id);
    print_line!(
        "started {}, {}, seed {}",
        style::time(trial.started_at),
        outcome(trial),
        trial.seed
    );
    if let Some(error) = &trial.error {
        print_line!("{} {error}", style::ERROR.paint("error:"));
        for hint in trial
            .hints
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
        {
            print_line!("  {} {hint}", style::HINT.paint("hint:"));
        }
    }
    let faults = trial.spec["faults"].as_array();
    for fault in faults.into_iter().flatten() {
        let mut when = String::new();
        if let Some(at) = fault["at_ms"].as_i64().filter(|at| *at > 0) {
            when.push_str(&format!(" after {}", style::duration(at)));
        }
        if let Some(hold) = fault["hold_ms"].as_i64() {
            when.push_str(&format!(" for {}", style::duration(hold)));
        }
        print_line!(
            "fault {} with {}{when}",
            fault["name"].as_str().unwrap_or("?"),
            fault["parameters"],
        );
    }
    if faults.is_some_and(|faults| !faults.is_empty()) {
        let word = match trial.dry_run {
            true => "would change",
            false => "changed",
        };
        print_line!("{word} {}", names(&trial.targets));
    }
    circumstances(trial);
    if !phases.is_empty() {
        print_line!();
        let mut rows = table::table(&["phase", "outcome", "took"], 2);
        for phase in &phases {
            let took = style::duration(phase.ended_at - phase.began_at);
            rows.add_row([phase.phase.clone(), phase.outcome.clone(), took]);
        }
        print_line!("{}", table::lines(&rows));
    }
    if !changes.is_empty() {
        print_line!();
        let mut rows = table::table(&["change", "container", "status"], 3);
        for change in changes.iter().rev() {
            rows.add_row([&change.summary, &change.container_name, &change.status]);
        }
        print_line!("{}", table::lines(&rows));
        if arguments.audit {
            for change in changes.iter().rev() {
                programs(change);
            }
        }
    }
    if let Some(metadata) = &trial.metadata {
        print_line!();
        print_line!("{} {metadata}", style::FAINT.paint("metadata:"));
    }
    metrics(trial);
    for call in audit.iter().flatten() {
        let detail = call
            .detail
            .as_deref()
            .map(|detail| format!(": {detail}"))
            .unwrap_or_default();
        print_line!(
            "{} {:<8} {} {} {} {}{detail}",
            style::time(call.at),
            call.verdict,
            call.plugin,
            style::FAINT.paint(format_args!("in {}", call.function)),
            call.call,
            call.arguments
        );
    }
    if left_out > 0 {
        let calls = if left_out == 1 {
            "call is"
        } else {
            "calls are"
        };
        say!("{left_out} {calls} left out; `--function health` shows those of health checks.");
    }
    for line in log.iter().flatten() {
        print_line!(
            "{} {:<5} {}: {}",
            style::time(line.at),
            line.level,
            line.source,
            line.message
        );
    }
    Ok(())
}

/// How the subject came through, and what a reader must know to judge it.
fn circumstances(trial: &TrialRow) {
    let found = &trial.circumstances;
    if trial.dry_run {
        print_line!("dry run: nothing was changed");
    }
    match trial.recovery_ms {
        Some(ms) => print_line!(
            "healthy again {} after the last fault was gone",
            style::duration(ms)
        ),
        None if found.stayed_healthy == Some(true) => print_line!("stayed healthy"),
        None => {}
    }
    for (waited, what) in [
        (found.engine_wait_ms, "engine"),
        (found.database_wait_ms, "database"),
    ] {
        if waited > 0 {
            let waited = style::duration(waited);
            print_line!("waited {waited} for the {what} meanwhile, which does not count");
        }
    }
    for what in &found.disturbances {
        print_line!("{} {what}", style::WARN.paint("disturbed:"));
    }
    for what in &found.reverted_by_host {
        print_line!("reverted by the host, because its own cleanup did not: {what}");
    }
    if let Some(pressure) = &found.pressure {
        let word = match pressure.is_overload() {
            true => "this machine was OVERLOADED: work waited for",
            false => "work of this machine waited for",
        };
        print_line!("{word} {pressure} of the time");
    }
}

/// What a change did, and what its rollback does, action by action.
fn programs(change: &ChangeRow) {
    // One that an older version wrote may have another form.
    let Ok(whole) = serde_json::from_value::<Change>(change.change.clone()) else {
        return;
    };
    print_line!();
    print_line!("{} on {}", change.summary, change.container_name);
    for (verb, actions) in [("apply", &whole.apply), ("revert", &whole.revert)] {
        for action in actions {
            print_line!(
                "  {} {action}",
                style::FAINT.paint(format_args!("{verb:<6}"))
            );
        }
    }
}

/// The subject's own numbers before and after; the whole state is in the JSON.
fn metrics(trial: &TrialRow) {
    let of = |state: &Option<Value>| -> Vec<Value> {
        let metrics = state
            .as_ref()
            .and_then(|state| state.get("metrics")?.as_array().cloned());
        metrics.unwrap_or_default()
    };
    let (before, after) = (of(&trial.state_before), of(&trial.state_after));
    if before.is_empty() {
        return;
    }
    let mut rows = table::table(&["metric", "before", "after"], 1);
    for metric in &before {
        let now = after.iter().find(|other| other["name"] == metric["name"]);
        rows.add_row([
            metric["name"].as_str().unwrap_or("?").to_owned(),
            metric["value"].to_string(),
            now.map_or_else(|| "-".to_owned(), |metric| metric["value"].to_string()),
        ]);
    }
    print_line!();
    print_line!("{}", table::lines(&rows));
}

fn outcome(trial: &TrialRow) -> String {
    let outcome = trial.outcome.map_or("running", |outcome| outcome.as_str());
    match trial.dry_run {
        true => format!("{outcome} (dry run)"),
        false => outcome.to_owned(),
    }
}

/// A list of names in one line.
fn names(list: &Value) -> String {
    let names: Vec<_> = list
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    if names.is_empty() {
        "-".to_owned()
    } else {
        names.join(", ")
    }
}
