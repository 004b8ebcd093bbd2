//! `duress run`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

use super::execute::job;
use super::{Done, Global, context, execute, resume};
use duress_campaign::{Draft, Flags};
use duress_model::{Error, TrialSpec};
use duress_runner::Record;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    flags: FlagArguments,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Run a campaign from a YAML file
    Campaign {
        /// The file
        file: PathBuf,
        /// Resume the newest campaign of this file: finished trials are not run again
        #[arg(long, conflicts_with = "dry_run")]
        resume: bool,
        #[command(flatten)]
        how: How,
    },
    /// Run a trial again, with the same seed, parameters and times
    Trial {
        /// Its id, a unique beginning of it, or its name
        trial: String,
        #[command(flatten)]
        how: How,
    },
}

#[derive(Debug, Args)]
struct How {
    #[command(flatten)]
    common: resume::Common,
    /// Bring stacks up, break nothing, and print what would be done
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct FlagArguments {
    /// The system to run against
    #[arg(long, value_name = "NAME")]
    subject: Vec<String>,
    /// How to break it
    #[arg(long, value_name = "FAULT")]
    chaos: Vec<String>,
    /// A parameter of the fault
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// Trials of each combination
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole)]
    trials: Option<u64>,
    /// Add trials without a fault
    #[arg(long)]
    baseline: bool,
    /// How long the fault holds
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    duration: Option<f64>,
    /// How long the subject may take to be healthy again [default: the subject's own]
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    recovery_timeout: Option<f64>,
    /// A pause between the trials of a slot
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true, value_parser = seconds)]
    cooldown: Option<f64>,
    /// Begin no more trials after so many in a row that did not pass
    #[arg(long, value_name = "N")]
    stop_after_failures: Option<u64>,
    /// A service that may be hurt [default: all that the subject allows]
    #[arg(long = "target", value_name = "SERVICE")]
    targets: Vec<String>,
    /// How many containers are hurt at once
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole)]
    target_count: Option<u64>,
    /// The number from which every choice is drawn
    #[arg(long, allow_negative_numbers = true, value_parser = whole)]
    seed: Option<u64>,
    /// A name for what is compared
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
}

/// A whole number that is not negative.
pub(super) fn whole(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "it must be a whole number, and not negative".to_owned())
}

/// A number of seconds; its range is the campaign's matter.
fn seconds(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| "it must be a number of seconds, e.g. 10 or 0.5".to_owned())
}

impl FlagArguments {
    fn flags(self, parallel: Option<u64>) -> Flags {
        Flags {
            subjects: self.subject,
            chaos: self.chaos,
            params: self.params,
            trials: self.trials,
            parallel,
            cooldown_seconds: self.cooldown,
            stop_after_failures: self.stop_after_failures,
            baseline: self.baseline,
            variant: self.variant,
            seed: self.seed,
            duration_seconds: self.duration,
            recovery_timeout_seconds: self.recovery_timeout,
            targets: self.targets,
            target_count: self.target_count,
        }
    }
}

pub(super) async fn main(global: &Global, arguments: Arguments) -> Done {
    match arguments.what {
        Some(What::Campaign { file, resume, how }) => campaign(global, &file, resume, &how).await,
        Some(What::Trial { trial, how }) => again(global, &trial, &how).await,
        None if arguments.flags.subject.is_empty() => Err(nothing_to_run().into()),
        None => {
            let how = arguments.how;
            let draft = Draft::from_flags(&arguments.flags.flags(how.common.parallel));
            let catalog = context::catalog(None)?.pinned(how.common.locked);
            let prepared = duress_runner::prepare(draft, &catalog, how.dry_run).await?;
            let record = Record::New { source: None };
            let job = job(prepared, record, how.common.parallel)?;
            execute::main(global, job, how.common.guardian).await
        }
    }
}

fn nothing_to_run() -> Error {
    Error::input("nothing to run: neither a campaign nor a subject was named")
        .hint("a campaign from a file: duress run campaign FILE")
        .hint("trials from flags: duress run --subject NAME --chaos FAULT, or --baseline")
        .hint("a trial again: duress run trial TRIAL")
        .hint("`duress subject list` and `duress fault list` say what there is")
}

async fn campaign(global: &Global, file: &Path, resume: bool, how: &How) -> Done {
    let draft = Draft::load(file)?;
    let file = std::path::absolute(file)
        .map_err(|error| Error::input(format!("find {}: {error}", file.display())))?;
    if resume {
        return resume::from_file(global, &file, draft.source(), how.common).await;
    }
    let source = Some((file.clone(), draft.source().to_owned()));
    let catalog = context::catalog(Some(&file))?.pinned(how.common.locked);
    let prepared = duress_runner::prepare(draft, &catalog, how.dry_run).await?;
    execute::main(
        global,
        job(prepared, Record::New { source }, how.common.parallel)?,
        how.common.guardian,
    )
    .await
}

async fn again(global: &Global, trial: &str, how: &How) -> Done {
    let store = context::open_existing(global)?;
    let row = store.trial(trial).await?;
    let spec: TrialSpec = serde_json::from_value(row.spec).map_err(|error| {
        Error::failed(format!("read the description of trial {}: {error}", row.id))
    })?;
    store.close().await?;
    let catalog = context::catalog(None)?.pinned(how.common.locked);
    let prepared = duress_runner::repeat(spec, &catalog, how.dry_run).await?;
    execute::main(
        global,
        job(prepared, Record::New { source: None }, how.common.parallel)?,
        how.common.guardian,
    )
    .await
}
