//! What every verb does that runs trials: look at the machine, tidy up after the dead, run, and end in good order when asked to.

use std::sync::Arc;
use std::time::Duration;

use duress::Error;
use duress::http::Client;
use duress::runner::{self, Event, EventSender, Job, Machine, Prepared, Presence, Record};
use duress::store::HostLock;
use duress::trial::Host;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::progress::{self, Detail};
use super::{Done, Global, context, style, summary};

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

pub(super) async fn main(global: &Global, job: Job) -> Done {
    let engine = if job.prepared.needs_engine() {
        let engine = context::engine(global).await.map_err(Error::from)?;
        job.prepared.check_machine(engine.as_ref()).await?;
        Some(engine)
    } else {
        None
    };
    let presence = Machine::this().enter(&context::database(global)?)?;
    let store = context::open(global)?;
    let http = Client::new()?;
    match &engine {
        Some(engine) => {
            let recovered = runner::recover_dead_hosts(&store, Arc::clone(engine), &http).await?;
            super::recover::tell(&recovered);
        }
        None => runner::note_dead_hosts(&store).await?,
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
    let stopping = tokio::spawn(stop_when_asked(
        Signals::new()?,
        presence,
        cancel.clone(),
        events.clone(),
    ));

    let result = job.run(&host, &events, &cancel).await;
    stopping.abort();
    // The display ends when the last sender does; the aborted task drops its own.
    drop(events);
    let _ = stopping.await;
    let _ = display.await;
    let (campaign, tally) = result?;
    let exit = summary::print(global, &store, &campaign, tally).await;
    store.close().await?;
    drop(lock);
    exit
}

/// The first signal, or a halt of the machine, asks for an orderly end; a signal after that ends the program.
async fn stop_when_asked(
    mut signals: Signals,
    presence: Presence,
    cancel: CancellationToken,
    events: EventSender,
) {
    let halted = tokio::select! {
        () = signals.next() => None,
        why = presence.halted() => Some(why),
    };
    cancel.cancel();
    let _ = events.send(Event::Stopping { halted });
    signals.next().await;
    style::say!(
        "Ended at once. `duress recover` takes back what is left; the next run does so too."
    );
    #[expect(
        clippy::exit,
        reason = "the user asked twice; the journal has what is left"
    )]
    std::process::exit(1);
}

/// Those that ask a program to end. Made once: what comes between two looks is not lost.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> Result<Self, Error> {
        let listen = |kind| {
            signal(kind).map_err(|error| Error::environment(format!("listen for signals: {error}")))
        };
        Ok(Self([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
