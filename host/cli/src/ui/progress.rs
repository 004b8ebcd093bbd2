//! What is seen of a run while it goes on: a live line for each slot on a terminal, plain lines elsewhere, JSON lines for programs.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::Duration;

use duress_model::{Circumstances, Event, Outcome, Timed};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use tokio::sync::mpsc::UnboundedReceiver;

use super::format;
use super::print::{self, say};
use super::style::{self, Paint};

/// How much is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Detail {
    /// Trials, and what a person must see.
    Trials,
    /// Phases and changes too.
    Everything,
}

/// Shows events until there are no more.
pub(crate) async fn follow(mut events: UnboundedReceiver<Timed>, json: bool, detail: Detail) {
    if json {
        while let Some(event) = events.recv().await {
            print::json(&event);
        }
        return;
    }
    let mut display = Display::new(detail);
    while let Some(event) = events.recv().await {
        display.show(&event.event);
    }
    display.clear();
}

struct Display {
    detail: Detail,
    /// The lines of the slots; `None` where there is not a terminal.
    live: Option<(MultiProgress, BTreeMap<usize, ProgressBar>)>,
    total: usize,
    ended: usize,
    started: BTreeMap<usize, std::time::Instant>,
}

impl Display {
    fn new(detail: Detail) -> Self {
        let live = std::io::stderr()
            .is_terminal()
            .then(|| (MultiProgress::new(), BTreeMap::new()));
        Self {
            detail,
            live,
            total: 0,
            ended: 0,
            started: BTreeMap::new(),
        }
    }

    fn show(&mut self, event: &Event) {
        match event {
            Event::CampaignStarted {
                campaign,
                trials,
                parallel,
                finished_before,
            } => {
                self.total = *trials;
                let word = if *trials == 1 { "trial" } else { "trials" };
                let before = match finished_before {
                    0 => String::new(),
                    before => format!(", after {before} that have finished"),
                };
                self.line(format!(
                    "{campaign}: {trials} {word}, {parallel} at a time{before}"
                ));
            }
            Event::TrialStarted { trial, slot, .. } => {
                self.started.insert(*slot, std::time::Instant::now());
                if self.live.is_none() {
                    self.line(format!("{:>12} {trial}", "start"));
                }
            }
            Event::PhaseStarted { trial, slot, phase } => {
                self.slot(*slot, format!("{phase:<15} {trial}"));
                if self.detail == Detail::Everything {
                    self.line(format!("{:>12} {trial}: {phase}", "phase"));
                }
            }
            Event::Note {
                trial,
                message,
                important,
                ..
            } => {
                if *important || self.detail == Detail::Everything || self.live.is_none() {
                    self.line(format!("{:>12} {trial}: {message}", ""));
                }
            }
            Event::TrialEnded {
                trial,
                slot,
                outcome,
                recovery_ms,
                circumstances,
                error,
                hints,
                ..
            } => {
                self.ended += 1;
                let took = self
                    .started
                    .remove(slot)
                    .map_or(Duration::ZERO, |start| start.elapsed());
                let recovered = match recovered(*recovery_ms, circumstances) {
                    Some(recovered) => format!("  {recovered}"),
                    None => String::new(),
                };
                let width = self.total.to_string().len();
                self.line(format!(
                    "{} [{:>7.1} s] ({:>width$}/{}) {trial}{recovered}",
                    paint(*outcome).paint(format_args!("{:>12}", outcome.as_str())),
                    took.as_secs_f64(),
                    self.ended,
                    self.total,
                ));
                for text in error.iter() {
                    self.line(format!("{:>12} {text}", ""));
                }
                for hint in hints {
                    self.line(format!("{:>12} {} {hint}", "", style::HINT.paint("hint:")));
                }
                self.slot(*slot, "idle".to_owned());
            }
            Event::CoolingDown { slot, seconds } => {
                self.slot(*slot, format!("cooling down for {seconds} s"));
            }
            Event::EngineGone {
                slot,
                error,
                seconds,
            } => {
                self.line(format!(
                    "{:>12} waiting up to {seconds} s for the engine: {error}",
                    ""
                ));
                self.slot(*slot, "waiting for the engine".to_owned());
            }
            Event::FailedEnough { failures, left } => self.line(format!(
                "{failures} trials in a row did not pass (`stop_after_failures`); the remaining {left} are not run"
            )),
            Event::StoppedByAbort { left } => self.line(format!(
                "a trial was aborted for safety; the remaining {left} are not run (`on_abort: continue` runs them)"
            )),
            Event::Stopping { halted, taken_over } => {
                if *taken_over {
                    self.line(
                        "this process was stopped, and its guardian has reverted every fault"
                            .to_owned(),
                    );
                }
                if let Some(why) = halted {
                    self.line(format!("duress was halted on this machine {why}"));
                }
                self.line(
                    "Stopping: running trials are rolled back and removed. Press Ctrl+C again to leave that to `duress recover`."
                        .to_owned(),
                );
            }
            Event::CampaignEnded { .. } => self.clear(),
        }
    }

    /// A line that stays.
    fn line(&self, text: String) {
        match &self.live {
            Some((live, _)) => live.suspend(|| say!("{text}")),
            None => say!("{text}"),
        }
    }

    /// What a slot does now.
    fn slot(&mut self, slot: usize, text: String) {
        let Some((live, bars)) = &mut self.live else {
            return;
        };
        let bar = bars.entry(slot).or_insert_with(|| {
            let bar = live.add(ProgressBar::new_spinner());
            let plain = ProgressStyle::with_template("{spinner} {prefix} {elapsed:>4} {wide_msg}");
            bar.set_style(plain.unwrap_or_else(|_| ProgressStyle::default_spinner()));
            bar.set_prefix(format!("slot {slot}"));
            bar.enable_steady_tick(Duration::from_millis(200));
            bar
        });
        bar.reset_elapsed();
        bar.set_message(duress_model::text::harmless(&text).into_owned());
    }

    fn clear(&mut self) {
        if let Some((_, bars)) = &mut self.live {
            for bar in std::mem::take(bars).into_values() {
                bar.finish_and_clear();
            }
        }
    }
}

/// Returns how the subject came through a fault; `None` where that was not measured.
fn recovered(recovery_ms: Option<i64>, circumstances: &Circumstances) -> Option<String> {
    match recovery_ms {
        None => circumstances
            .stayed_healthy
            .filter(|stayed| *stayed)
            .map(|_| "stayed healthy".to_owned()),
        Some(ms) => {
            let waits = [
                (circumstances.engine_wait_ms, "the engine"),
                (circumstances.database_wait_ms, "the database"),
            ];
            let waits = waits.iter().filter(|(waited, _)| *waited > 0);
            let waited: String = waits
                .map(|(waited, what)| {
                    let waited = format::duration(*waited);
                    format!(", beside {waited} of waiting for {what}")
                })
                .collect();
            Some(format!("recovered in {}{waited}", format::duration(ms)))
        }
    }
}

/// Colour of an outcome, in addition to its name.
pub(crate) fn paint(outcome: Outcome) -> Paint {
    match outcome {
        Outcome::Passed => style::GOOD,
        Outcome::Cancelled => style::WARN,
        _ => style::ERROR,
    }
}
