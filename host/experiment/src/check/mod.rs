//! From what a person wrote to a plan, or to every mistake with its place.
//!
//! Mistakes that a JSON Schema can tell are told by the file that these keys stand in. Here is what the keys mean together.

use duress_yaml::{Document, Problem};
use serde::de::DeserializeOwned;

use crate::format::{Experiment, Lag, Workload};
use crate::limits;
use crate::plan::{Plan, seconds};

mod conditions;
mod contradictions;
mod metrics;
mod workload;

/// The evaluation interval without `every`, in milliseconds.
pub(crate) const EVERY_MS: u64 = 1_000;
/// The shortest warm-up where the file gives no other, in milliseconds.
pub(crate) const WARM_UP_MS: u64 = 10_000;
/// The shortest time for recovery where the file gives no other, in milliseconds.
pub(crate) const RECOVER_WITHIN_MS: u64 = 60_000;
/// The shortest hold where the file gives no other, in milliseconds.
pub(crate) const HOLD_MS: u64 = 5_000;

/// What is known of the subjects that an experiment is to run on, as far as it is known.
#[derive(Debug, Clone, Default)]
pub struct Known {
    /// Services of a subject's stack, by the subject's name. A subject whose services are not known is left out.
    pub services: Vec<(String, Vec<String>)>,
    /// Operations of a subject's plugin, by the subject's name. A subject whose operations are not known is left out.
    pub operations: Vec<(String, Vec<String>)>,
}

/// Checks the keys `workload` and `experiment`, which stand or would stand at these JSON Pointers of a document.
///
/// Returns the plan and every mistake. No plan is returned where there are mistakes, where neither key stands, or where the form of a key
/// is wrong: that is told by the check of the whole document, and not here.
pub fn check(
    document: &Document,
    workload: &str,
    experiment: &str,
    known: &Known,
) -> (Option<Plan>, Vec<Problem>) {
    let mut checking = Checking {
        document,
        known,
        problems: Vec::new(),
        complete: true,
    };
    let has_workload = document.value().pointer(workload).is_some();
    let load = checking
        .read::<Workload>(workload)
        .and_then(|entry| checking.workload(workload, &entry));
    let mut plan = match checking.read::<Experiment>(experiment) {
        Some(entry) => Some(Plan {
            load,
            ..checking.experiment(experiment, &entry, has_workload)
        }),
        None => load.map(Plan::of_load),
    };
    if !checking.problems.is_empty() || !checking.complete {
        plan = None;
    }
    (plan, checking.problems)
}

struct Checking<'a> {
    document: &'a Document,
    known: &'a Known,
    problems: Vec<Problem>,
    /// Whether each of the two keys that stands has the right form.
    complete: bool,
}

impl Checking<'_> {
    /// Returns the value at a pointer, where it has its form.
    fn read<T: DeserializeOwned>(&mut self, pointer: &str) -> Option<T> {
        let value = self.document.value().pointer(pointer)?;
        let read = serde_json::from_value(value.clone()).ok();
        self.complete &= read.is_some();
        read
    }

    fn tell(&mut self, pointer: &str, message: impl Into<String>) {
        let problem = self.document.problem(pointer, message);
        self.problems.push(problem);
    }

    fn tell_with_help(
        &mut self,
        pointer: &str,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let problem = self.document.problem(pointer, message).help(help);
        self.problems.push(problem);
    }

    fn tell_at_key(&mut self, pointer: &str, message: impl Into<String>) {
        let problem = self.document.problem_at_key(pointer, message);
        self.problems.push(problem);
    }

    /// A time in milliseconds, within limits.
    fn time(
        &mut self,
        pointer: &str,
        text: Option<&String>,
        (least, most): (u64, u64),
    ) -> Option<u64> {
        let text = text?;
        let name = self.document.name_of(pointer);
        let Some(ms) = milliseconds(text) else {
            self.tell(pointer, format!("{name} is `{text}`, which is not a time"));
            return None;
        };
        if ms < least {
            let least = seconds(least);
            self.tell(
                pointer,
                format!("{name} is {text}; it must be at least {least}"),
            );
            return None;
        }
        if ms > most {
            let most = seconds(most);
            self.tell(
                pointer,
                format!("{name} is {text}; it must be at most {most}"),
            );
            return None;
        }
        Some(ms)
    }

    fn experiment(&mut self, at: &str, entry: &Experiment, has_workload: bool) -> Plan {
        let child = |key: &str| format!("{at}/{key}");
        let any = (1, limits::TIME_MS);
        let every_ms = self
            .time(
                &child("every"),
                entry.every.as_ref(),
                (limits::EVERY_MIN_MS, limits::EVERY_MAX_MS),
            )
            .unwrap_or(EVERY_MS);
        let warm_up_ms = self
            .time(&child("warm_up"), entry.warm_up.as_ref(), any)
            .unwrap_or(WARM_UP_MS.max(every_ms * 10));
        let hold_ms = self
            .time(
                &child("hold"),
                entry.hold.as_ref(),
                (every_ms, limits::TIME_MS),
            )
            .unwrap_or(HOLD_MS.max(every_ms * 5));
        let recover_within_ms = self
            .time(&child("recover_within"), entry.recover_within.as_ref(), any)
            .unwrap_or(RECOVER_WITHIN_MS.max(hold_ms.saturating_mul(6)));
        if warm_up_ms < every_ms {
            let message = format!(
                "the warm-up of {} is shorter than the evaluation interval of {}: nothing would be measured in it",
                seconds(warm_up_ms),
                seconds(every_ms)
            );
            self.tell(&child("warm_up"), message);
        }
        if hold_ms > recover_within_ms {
            let message = format!(
                "nothing can hold for {} within {}: `hold` is longer than `recover_within`",
                seconds(hold_ms),
                seconds(recover_within_ms)
            );
            let at = match entry.hold {
                Some(_) => child("hold"),
                None => child("recover_within"),
            };
            self.tell(&at, message);
        }
        let mut plan = Plan {
            load: None,
            every_ms,
            warm_up_ms,
            recover_within_ms,
            hold_ms,
            metrics: Vec::new(),
            expect: Vec::new(),
            abort: Vec::new(),
            on_abort: entry.on_abort.unwrap_or_default(),
            lag_accepted: entry.lag == Some(Lag::Accepted),
        };
        let metrics = self.metrics(&child("metrics"), entry, &plan, has_workload);
        self.conditions(at, entry, &metrics, &mut plan);
        plan.metrics = metrics.into_complete();
        plan
    }
}

/// A time as people write it, in milliseconds.
pub(crate) fn milliseconds(text: &str) -> Option<u64> {
    let time: jiff::SignedDuration = text.parse().ok()?;
    u64::try_from(time.as_millis()).ok()
}
