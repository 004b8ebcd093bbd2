//! `duress run`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use duress::Error;
use duress::campaign::{Draft, Flags, TrialSpec};
use duress::http::Client;
use duress::journal::HostLock;
use duress::plugin::Catalog;
use duress::runner::{self, Event, EventSender, Prepared, Schedule};
use duress::store::{CampaignOutcome, NewCampaign};
use duress::trial::Host;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::progress::{self, Detail};
use super::{Done, Failure, Global, context, summary};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
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
    /// Trials at once (instead of the campaign's own number)
    #[arg(long, value_name = "N")]
    parallel: Option<u64>,
    /// Bring stacks up, break nothing, and print what would be done
    #[arg(long)]
    dry_run: bool,
}

#[derive(Debug, Args)]
struct FlagArguments {
    /// The system to run against
    #[arg(long, value_name = "NAME", required = true)]
    subject: Vec<String>,
    /// How to break it
    #[arg(long, value_name = "FAULT")]
    chaos: Vec<String>,
    /// A parameter of the fault
    #[arg(long = "param", value_name = "NAME=VALUE")]
    params: Vec<String>,
    /// Trials of each combination
    #[arg(long, value_name = "N")]
    trials: Option<u64>,
    /// Add trials without a fault
    #[arg(long)]
    baseline: bool,
    /// How long the fault holds
    #[arg(long, value_name = "SECONDS")]
    duration: Option<f64>,
    /// A pause between the trials of a slot
    #[arg(long, value_name = "SECONDS")]
    cooldown: Option<f64>,
    /// A service that may be hurt [default: all that the subject allows]
    #[arg(long = "target", value_name = "SERVICE")]
    targets: Vec<String>,
    /// How many containers are hurt at once
    #[arg(long, value_name = "N")]
    target_count: Option<u64>,
    /// The number from which every choice is drawn
    #[arg(long)]
    seed: Option<u64>,
    /// A name for what is compared
    #[arg(long, value_name = "NAME")]
    variant: Option<String>,
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
            baseline: self.baseline,
            variant: self.variant,
            seed: self.seed,
            duration_seconds: self.duration,
            targets: self.targets,
            target_count: self.target_count,
        }
    }
}

/// What is to be run, and how its campaign is recorded.
struct Job {
    prepared: Prepared,
    source: Option<(PathBuf, String)>,
    parallel: usize,
    cooldown: Duration,
}

pub(super) async fn main(global: &Global, arguments: Arguments) -> Done {
    match arguments.what {
        Some(What::Campaign { file, how }) => campaign(global, &file, &how).await,
        Some(What::Trial { trial, how }) => again(global, &trial, &how).await,
        None => {
            let draft = Draft::from_flags(&arguments.flags.flags(arguments.how.parallel));
            let catalog = context::catalog(None)?;
            let job = Job::new(draft, &catalog, &arguments.how, None).await?;
            execute(global, job).await
        }
    }
}

async fn campaign(global: &Global, file: &Path, how: &How) -> Done {
    let draft = Draft::load(file)?;
    let source = draft.source().to_owned();
    let catalog = context::catalog(Some(file))?;
    let job = Job::new(draft, &catalog, how, Some((file.to_owned(), source))).await?;
    execute(global, job).await
}

async fn again(global: &Global, trial: &str, how: &How) -> Done {
    let store = context::open_existing(global)?;
    let row = store.trial(trial).await?;
    let spec: TrialSpec = serde_json::from_value(row.spec).map_err(|error| {
        Error::failed(format!("read the description of trial {}: {error}", row.id))
    })?;
    store.close().await?;
    let catalog = context::catalog(None)?;
    let prepared = runner::repeat(spec, &catalog, how.dry_run).await?;
    execute(
        global,
        Job {
            prepared,
            source: None,
            parallel: 1,
            cooldown: Duration::ZERO,
        },
    )
    .await
}

impl Job {
    async fn new(
        draft: Draft,
        catalog: &Catalog,
        how: &How,
        source: Option<(PathBuf, String)>,
    ) -> Result<Self, Failure> {
        let mut prepared = runner::prepare(draft, catalog, how.dry_run).await?;
        if how.dry_run {
            prepared.first_of_each();
        }
        let campaign = &prepared.plan.campaign;
        let parallel = how.parallel.unwrap_or(campaign.parallel.into());
        let parallel = usize::try_from(parallel)
            .ok()
            .filter(|n| (1..=64).contains(n));
        let parallel = parallel.ok_or_else(|| Error::input("--parallel must be from 1 to 64"))?;
        let cooldown = Duration::from_secs_f64(campaign.cooldown_seconds);
        Ok(Self {
            prepared,
            source,
            parallel,
            cooldown,
        })
    }
}

async fn execute(global: &Global, job: Job) -> Done {
    let engine = if job.prepared.needs_engine() {
        let engine = context::engine(global).await.map_err(Error::from)?;
        job.prepared.check_machine(engine.as_ref()).await?;
        Some(engine)
    } else {
        None
    };
    let store = context::open(global)?;
    let http = Client::new()?;
    if let Some(engine) = &engine {
        let recovered = runner::recover_dead_hosts(&store, Arc::clone(engine), &http).await?;
        super::recover::tell(&recovered);
    }
    let lock = HostLock::acquire(&store.host_locks())?;
    store.insert_host(lock.id()).await?;
    let host = Host {
        store: store.clone(),
        id: lock.id().to_owned(),
        engine,
        http,
    };

    let (events, receiver) = mpsc::unbounded_channel();
    let detail = if global.verbose > 0 {
        Detail::Everything
    } else {
        Detail::Trials
    };
    let display = tokio::spawn(progress::follow(receiver, global.json, detail));
    let cancel = CancellationToken::new();
    let signals = tokio::spawn(stop_on_signal(cancel.clone(), events.clone()));

    let result = run(&host, job, &events, &cancel).await;
    signals.abort();
    // The display ends when the last sender does; the aborted task drops its own.
    drop(events);
    let _ = signals.await;
    let _ = display.await;
    let (campaign, tally) = match result {
        Ok(done) => done,
        Err(error) => return Err(error.into()),
    };
    let exit = summary::print(global, &store, &campaign, tally).await;
    store.close().await?;
    drop(lock);
    exit
}

async fn run(
    host: &Host,
    job: Job,
    events: &EventSender,
    cancel: &CancellationToken,
) -> duress::Result<(String, runner::Tally)> {
    let plan = &job.prepared.plan;
    let campaign = plan.new_id(jiff::Timestamp::now());
    let (source_path, source) = job.source.unzip();
    host.store
        .insert_campaign(NewCampaign {
            id: campaign.clone(),
            host_id: host.id.clone(),
            name: plan.campaign.name.clone(),
            variant: plan.campaign.variant.clone(),
            definition: serde_json::to_value(plan).unwrap_or_default(),
            source,
            source_path: source_path.map(|path| path.display().to_string()),
            seed: plan.seed,
            trials_planned: job.prepared.trials.len(),
        })
        .await?;
    let schedule = Schedule {
        campaign: campaign.clone(),
        parallel: job.parallel,
        cooldown: job.cooldown,
    };
    let result = runner::run(host, job.prepared.trials, &schedule, events, cancel).await;
    let outcome = match &result {
        Ok(tally) if tally.interrupted => CampaignOutcome::Interrupted,
        Ok(_) => CampaignOutcome::Completed,
        Err(_) => CampaignOutcome::Failed,
    };
    host.store.finish_campaign(&campaign, outcome).await?;
    Ok((campaign, result?))
}

/// The first signal asks for an orderly end, the second ends the program.
async fn stop_on_signal(cancel: CancellationToken, events: EventSender) {
    let mut seen = false;
    while next_signal().await.is_some() {
        if seen {
            super::style::say!(
                "Ended at once. `duress recover` takes back what is left; the next run does so too."
            );
            #[expect(
                clippy::exit,
                reason = "the user asked twice; the journal has what is left"
            )]
            std::process::exit(1);
        }
        seen = true;
        let _ = events.send(Event::Stopping);
        cancel.cancel();
    }
}

async fn next_signal() -> Option<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt()).ok()?;
    let mut terminate = signal(SignalKind::terminate()).ok()?;
    let mut hangup = signal(SignalKind::hangup()).ok()?;
    tokio::select! {
        got = interrupt.recv() => got,
        got = terminate.recv() => got,
        got = hangup.recv() => got,
    }
}
