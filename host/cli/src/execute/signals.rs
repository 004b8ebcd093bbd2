//! The end of a run: by signals, by `duress halt`, or because a guardian has taken the run over.

use duress_model::{Error, Event};
use duress_runner::Presence;
use duress_trial::EventSender;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::process;
use crate::ui::print::say;

/// Cancels the run on the first signal, on a halt of the machine, or when a guardian has taken the run over. A signal after that ends
/// the program.
pub(super) async fn stop_when_asked(
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
    say!(
        "Ended at once. The guardian of this run reverts what is left; without one, `duress recover` or the next run does."
    );
    #[expect(
        clippy::exit,
        reason = "the user asked twice; the journal has what is left"
    )]
    std::process::exit(1);
}

/// The signals that ask a program to end. Registered once, so that none is lost between two calls of [`Signals::next`].
pub(super) struct Signals(Vec<Signal>);

impl Signals {
    pub(super) fn new() -> Result<Self, Error> {
        let listen = |kind| {
            signal(kind).map_err(|error| Error::environment(format!("listen for signals: {error}")))
        };
        let mut kinds = vec![
            SignalKind::interrupt(),
            SignalKind::terminate(),
            SignalKind::quit(),
        ];
        // `nohup` had it ignored: the run is meant to outlive its terminal.
        if !process::is_ignored(SignalKind::hangup()) {
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
