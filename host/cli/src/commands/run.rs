//! `duress run`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use duress_campaign::Draft;
use duress_model::Error;
use duress_plugin::Catalog;
use duress_runner::Record;
use duress_store::StoredSpec;

use crate::context::Context;
use crate::flags::Flags;
use crate::options::RunOptions;
use crate::{Done, execute};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    how: How,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Run a campaign from a YAML file
    Campaign {
        /// Campaign file
        file: PathBuf,
        /// Resume the newest campaign of this file: finished trials are not run again
        #[arg(long, conflicts_with = "dry_run")]
        resume: bool,
        #[command(flatten)]
        how: How,
    },
    /// Run a trial again, with the same seed, parameters and times
    Trial {
        /// Trial: ID, unique ID prefix, or name
        trial: String,
        #[command(flatten)]
        how: How,
    },
}

#[derive(Debug, Args)]
struct How {
    #[command(flatten)]
    options: RunOptions,
    /// Start the stacks, inject nothing, and print what would be changed
    #[arg(long)]
    dry_run: bool,
}

pub(crate) async fn main(context: &Context, arguments: Arguments) -> Done {
    match arguments.what {
        Some(What::Campaign { file, resume, how }) => campaign(context, &file, resume, &how).await,
        Some(What::Trial { trial, how }) => again(context, &trial, &how).await,
        None if arguments.flags.subjects.is_empty() => Err(nothing_to_run().into()),
        None => {
            let options = arguments.how.options;
            let catalog = context.catalog(None)?.pinned(options.locked);
            let operations = operations(&arguments.flags, &catalog).await?;
            let draft = arguments.flags.draft(options.parallel, &operations);
            let prepared = duress_runner::prepare(draft, &catalog, arguments.how.dry_run).await?;
            execute::run(context, prepared, Record::New { source: None }, options).await
        }
    }
}

/// Returns the operations that a workload from flags is made of.
async fn operations(flags: &Flags, catalog: &Catalog) -> Result<Vec<String>, Error> {
    if flags.rate.is_none() || flags.url.is_some() {
        return Ok(Vec::new());
    }
    let [name] = flags.subjects.as_slice() else {
        return Err(
            Error::input("--rate without --url needs exactly one --subject")
                .hint("for more, write a campaign file"),
        );
    };
    // One that does not exist is told with all else.
    if !catalog.has_subject(name) {
        return Ok(Vec::new());
    }
    let subject = catalog.subject(name).await?;
    let operations = duress_runner::operations_of(&subject).await?;
    if operations.is_empty() {
        return Err(Error::input(format!(
            "the plugin of subject `{name}` brings no operations for a workload"
        ))
        .hint("name what clients are to request: --url http://SERVICE:PORT/"));
    }
    Ok(operations)
}

fn nothing_to_run() -> Error {
    Error::input("nothing to run: name a campaign, a subject or a trial")
        .hint("run a campaign from a file: duress run campaign FILE")
        .hint("run trials from flags: duress run --subject NAME --chaos FAULT, or --baseline")
        .hint("run a trial again: duress run trial TRIAL")
        .hint("list what there is: duress subject list, duress fault list")
}

async fn campaign(context: &Context, file: &Path, resume: bool, how: &How) -> Done {
    let draft = Draft::load(file)?;
    let file = std::path::absolute(file)
        .map_err(|error| Error::input(format!("find {}: {error}", file.display())))?;
    if resume {
        return resume_file(context, &file, draft.source(), how.options).await;
    }
    let source = Some((file.clone(), draft.source().to_owned()));
    let catalog = context.catalog(Some(&file))?.pinned(how.options.locked);
    let prepared = duress_runner::prepare(draft, &catalog, how.dry_run).await?;
    execute::run(context, prepared, Record::New { source }, how.options).await
}

async fn resume_file(context: &Context, file: &Path, text: &str, options: RunOptions) -> Done {
    let store = context.existing_store()?;
    let campaign = duress_runner::campaign_of_file(&store, file).await?;
    let stored = store.stored_campaign(&campaign.id).await?;
    duress_runner::check_source(&campaign.id, &stored, file, text).map_err(|error| {
        error.hint("restore the file, or leave --resume out to begin a new campaign")
    })?;
    execute::resume(context, store, campaign, stored, options).await
}

async fn again(context: &Context, trial: &str, how: &How) -> Done {
    let store = context.existing_store()?;
    let row = store.trial(trial).await?;
    let StoredSpec::Known(spec) = row.spec else {
        return Err(Error::failed(format!(
            "cannot run trial {} again: another version of duress described it",
            row.id
        ))
        .into());
    };
    let experiment = row.experiment.map(serde_json::from_value).transpose();
    let experiment = experiment.map_err(|error| {
        Error::failed(format!("read the experiment of trial {}: {error}", row.id))
    })?;
    store.close().await?;
    let catalog = context.catalog(None)?.pinned(how.options.locked);
    let prepared = duress_runner::repeat(*spec, experiment, &catalog, how.dry_run).await?;
    execute::run(context, prepared, Record::New { source: None }, how.options).await
}
