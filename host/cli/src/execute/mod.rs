//! Running trials, for every verb that does: check the machine, recover what dead runs left, run, and end in good order when asked to.

mod resume;
mod signals;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use duress_http::Client;
use duress_model::Error;
use duress_runner::guardian::{Guarded, Guardian};
use duress_runner::{Job, Machine, Prepared, Record};
use duress_store::{HostLock, Store};
use duress_trial::EventSender;
use duress_trial::{Pulse, RunContext};
use tokio_util::sync::CancellationToken;

use super::Done;
use super::context::Context;
use super::options::{self, Grace, RunOptions};
use super::ui::progress::{self, Detail};
use super::ui::{confirm, format, recovered, summary};
pub(crate) use resume::resume;
use signals::{Signals, stop_when_asked};

/// Runs what was prepared, with the campaign's own number of trials at once where the user gives none.
pub(crate) async fn run(
    context: &Context,
    prepared: Prepared,
    record: Record,
    options: RunOptions,
) -> Done {
    let job = job(prepared, record, options.parallel)?;
    let how = How {
        grace: options.guardian.grace,
        is_confirmed: options.yes,
        ending: Ending::Summary,
    };
    run_job(context, job, &how).await
}

/// Runs the one trial of a fault on containers that the user named.
pub(crate) async fn inject(
    context: &Context,
    prepared: Prepared,
    guardian: options::Guardian,
) -> Done {
    let job = job(prepared, Record::New { source: None }, None)?;
    let how = How {
        grace: guardian.grace,
        is_confirmed: true,
        ending: Ending::Injection,
    };
    run_job(context, job, &how).await
}

/// How a run is begun and ended.
struct How {
    grace: Grace,
    /// The user has said that the systems which run already are meant.
    is_confirmed: bool,
    ending: Ending,
}

/// What is printed at the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// A table of what the trials came to.
    Summary,
    /// Whether the fault is gone.
    Injection,
}

fn job(mut prepared: Prepared, record: Record, parallel: Option<u64>) -> Result<Job, Error> {
    if prepared.dry_run {
        prepared.first_of_each();
    }
    let campaign = &prepared.plan.campaign;
    let parallel = usize::try_from(parallel.unwrap_or(campaign.parallel.into()))
        .ok()
        .filter(|n| (1..=64).contains(n))
        .ok_or_else(|| Error::input("--parallel must be from 1 to 64"))?;
    let cooldown = Duration::from_secs_f64(campaign.cooldown_seconds);
    Ok(Job {
        prepared,
        record,
        parallel,
        cooldown,
    })
}

async fn run_job(context: &Context, job: Job, how: &How) -> Done {
    let engine = if job.prepared.needs_engine() {
        let engine = context.engine().await.map_err(Error::from)?;
        job.prepared.check_attached(engine.as_ref()).await?;
        job.prepared.check_machine(engine.as_ref()).await?;
        Some(engine)
    } else {
        None
    };
    let machine = Machine::this();
    let presence = machine.enter(context.database()?)?;
    let store = context.store()?;
    if !how.is_confirmed && !job.prepared.dry_run {
        confirm(&store, &job.prepared).await?;
    }
    let http = Client::new()?;
    match &engine {
        Some(engine) => {
            let done = duress_runner::recover_dead_hosts(&store, Arc::clone(engine), &http).await?;
            recovered::print(&done);
        }
        None => duress_runner::note_dead_hosts(&store).await?,
    }
    let lock = HostLock::acquire_as(&store.host_locks(), presence.id(), "")?;
    store.insert_host(lock.id()).await?;
    let guardian = match how.grace.0 {
        // Where nothing is changed there is nothing to guard.
        Some(grace) if engine.is_some() && !job.prepared.dry_run => {
            Some(Guardian::start(guarded(context, &store, lock.id(), grace))?)
        }
        _ => None,
    };
    let taken_over = guardian
        .as_ref()
        .map_or_else(CancellationToken::new, Guardian::taken_over);
    let run_context = RunContext {
        store: store.clone(),
        id: lock.id().to_owned(),
        machine: machine.name(),
        engine,
        http,
        pulse: Some(Pulse::start()),
    };

    let (events, receiver) = EventSender::channel();
    let detail = if context.verbose > 0 {
        Detail::Everything
    } else {
        Detail::Trials
    };
    let display = tokio::spawn(progress::follow(receiver, context.json, detail));
    let cancel = CancellationToken::new();
    let stopping = tokio::spawn(stop_when_asked(
        Signals::new()?,
        presence,
        taken_over,
        cancel.clone(),
        events.clone(),
    ));

    let result = job.run(&run_context, &events, &cancel).await;
    stopping.abort();
    // The display ends when the last sender does; the aborted task drops its own.
    drop(events);
    let _ = stopping.await;
    let _ = display.await;
    if let Some(saved) = store.rescue().await? {
        let gone = store.path().display().to_string();
        let lost = format!("the database {gone} was deleted while this run used it");
        let (saved, gone) = (saved.display().to_string(), format::shell_word(&gone));
        let hint = format!(
            "what it recorded was saved: mv {} {gone}",
            format::shell_word(&saved)
        );
        return Err(Error::environment(lost).hint(hint).into());
    }
    let (campaign, tally) = result?;
    // After an error it stays: it records what could not be recorded, and reverts what could not be reverted.
    if let Some(guardian) = guardian {
        guardian.dismiss();
    }
    let exit = match how.ending {
        Ending::Summary => summary::print(context, &store, &campaign, tally).await,
        Ending::Injection => summary::injection(context, &store, &campaign).await,
    };
    store.close().await?;
    drop(lock);
    exit
}

/// Asks before faults are injected for the first time into a system that runs already: somebody else may depend on it.
async fn confirm(store: &Store, prepared: &Prepared) -> Result<(), Error> {
    for selection in prepared.attached() {
        if store.has_trials_on(&selection.to_string()).await? {
            continue;
        }
        let question = format!(
            "{selection} runs already, and faults were never injected there from this database. Inject them?"
        );
        if !confirm::is_wanted(&question, "--yes runs without asking")? {
            return Err(Error::input("nothing was injected: it was not confirmed"));
        }
    }
    Ok(())
}

fn guarded(context: &Context, store: &Store, host: &str, grace: Duration) -> Guarded {
    let mut arguments: Vec<OsString> = vec!["guard".into(), "--db".into(), store.path().into()];
    arguments.extend(["--host".into(), host.into()]);
    arguments.extend(["--pid".into(), std::process::id().to_string().into()]);
    arguments.extend(["--grace-ms".into(), grace.as_millis().to_string().into()]);
    if let Some(driver) = context.net_driver {
        arguments.extend(["--net-driver".into(), driver.to_string().into()]);
    }
    Guarded {
        locks: store.host_locks(),
        host: host.to_owned(),
        grace,
        arguments,
    }
}
