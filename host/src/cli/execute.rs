//! What every verb does that runs trials: look at the machine, tidy up after the dead, run, and end in good order when asked to.

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::progress::Detail;
use super::resume::Grace;
use super::{Done, Global, context, progress, style, summary};
use duress_http::Client;
use duress_model::{Error, Event};
use duress_runner::guardian::{Guarded, Guardian};
use duress_runner::{Job, Machine, Prepared, Presence, Record};
use duress_store::{HostLock, Store};
use duress_trial::{EventSender, Host, Pulse};

/// A job from what was prepared, with the campaign's own number of trials at once where the user gives none.
pub(super) fn job(
    mut prepared: Prepared,
    record: Record,
    parallel: Option<u64>,
) -> Result<Job, Error> {
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

pub(super) async fn main(global: &Global, job: Job, grace: Grace) -> Done {
    let engine = if job.prepared.needs_engine() {
        let engine = context::engine(global).await.map_err(Error::from)?;
        job.prepared.check_machine(engine.as_ref()).await?;
        Some(engine)
    } else {
        None
    };
    let machine = Machine::this();
    let presence = machine.enter(&context::database(global)?)?;
    let store = context::open(global)?;
    let http = Client::new()?;
    match &engine {
        Some(engine) => {
            let recovered =
                duress_runner::recover_dead_hosts(&store, Arc::clone(engine), &http).await?;
            super::recover::tell(&recovered);
        }
        None => duress_runner::note_dead_hosts(&store).await?,
    }
    let lock = HostLock::acquire_as(&store.host_locks(), presence.id(), "")?;
    store.insert_host(lock.id()).await?;
    let guardian = match grace.0 {
        // Where nothing is changed there is nothing to guard.
        Some(grace) if engine.is_some() && !job.prepared.dry_run => {
            Some(Guardian::start(guarded(global, &store, lock.id(), grace))?)
        }
        _ => None,
    };
    let taken_over = guardian
        .as_ref()
        .map_or_else(CancellationToken::new, Guardian::taken_over);
    let host = Host {
        store: store.clone(),
        id: lock.id().to_owned(),
        machine: machine.name(),
        engine,
        http,
        pulse: Some(Pulse::start()),
    };

    let (events, receiver) = EventSender::channel();
    let detail = if global.verbose > 0 {
        Detail::Everything
    } else {
        Detail::Trials
    };
    let display = tokio::spawn(progress::follow(receiver, global.json, detail));
    let cancel = CancellationToken::new();
    let stopping = tokio::spawn(stop_when_asked(
        Signals::new()?,
        presence,
        taken_over,
        cancel.clone(),
        events.clone(),
    ));

    let result = job.run(&host, &events, &cancel).await;
    stopping.abort();
    // The display ends when the last sender does; the aborted task drops its own.
    drop(events);
    let _ = stopping.await;
    let _ = display.await;
    if let Some(saved) = store.rescue().await? {
        let gone = store.path().display().to_string();
        let lost = format!("the database {gone} was deleted while this run used it");
        let (saved, gone) = (saved.display().to_string(), style::quoted(&gone));
        let hint = format!(
            "what it recorded was saved: mv {} {gone}",
            style::quoted(&saved)
        );
        return Err(Error::environment(lost).hint(hint).into());
    }
    let (campaign, tally) = result?;
    // After an error it stays: it records what could not be recorded, and reverts what could not be reverted.
    if let Some(guardian) = guardian {
        guardian.dismiss();
    }
    let exit = summary::print(global, &store, &campaign, tally).await;
    store.close().await?;
    drop(lock);
    exit
}

fn guarded(global: &Global, store: &Store, host: &str, grace: Duration) -> Guarded {
    let mut arguments: Vec<OsString> = vec!["guard".into(), "--db".into(), store.path().into()];
    arguments.extend(["--host".into(), host.into()]);
    arguments.extend(["--pid".into(), std::process::id().to_string().into()]);
    arguments.extend(["--grace-ms".into(), grace.as_millis().to_string().into()]);
    if let Some(driver) = global
        .net_driver
        .and_then(|driver| driver.to_possible_value())
    {
        arguments.extend(["--net-driver".into(), driver.get_name().into()]);
    }
    Guarded {
        locks: store.host_locks(),
        host: host.to_owned(),
        grace,
        arguments,
    }
}

/// The first signal, a halt of the machine, or a guardian that has taken this run over, asks for an orderly end; a signal after that ends
/// the program.
async fn stop_when_asked(
    mut signals: Signals,
    presence: Presence,
    taken_over: CancellationToken,
    cancel: CancellationToken,
    events: EventSender,
) {
    let (halted, taken_over) = tokio::select! {
        () = signals.next() => (None, false),
        why = presence.halted() => (Some(why), false),
        () = taken_over.cancelled() => (None, true),
    };
    cancel.cancel();
    events.send(Event::Stopping { halted, taken_over });
    signals.next().await;
    style::say!(
        "Ended at once. The guardian of this run reverts what is left; without one, `duress recover` or the next run does."
    );
    #[expect(
        clippy::exit,
        reason = "the user asked twice; the journal has what is left"
    )]
    std::process::exit(1);
}

/// Those that ask a program to end. Made once: what comes between two looks is not lost.
struct Signals(Vec<Signal>);

impl Signals {
    fn new() -> Result<Self, Error> {
        let listen = |kind| {
            signal(kind).map_err(|error| Error::environment(format!("listen for signals: {error}")))
        };
        let mut kinds = vec![
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::quit(),
        ];
        // `nohup` had it ignored: the run is meant to outlive its terminal.
        if !is_ignored(SignalKind::hangup()) {
            kinds.push(SignalKind::hangup());
        }
        let signals: Result<_, Error> = kinds.into_iter().map(listen).collect();
        Ok(Self(signals?))
    }

    async fn next(&mut self) {
        let any = self.0.iter_mut().map(|signal| Box::pin(signal.recv()));
        futures::future::select_all(any).await;
    }
}

/// Returns whether this process was started with a signal ignored (proc_pid_status(5), `SigIgn`).
fn is_ignored(kind: SignalKind) -> bool {
    let status = procfs::process::Process::myself().and_then(|process| process.status());
    let number = u32::try_from(kind.as_raw_value()).unwrap_or(0);
    status.is_ok_and(|status| status.sigign >> number.saturating_sub(1) & 1 == 1)
}
