//! Steps of one trial that cannot hold at once on one container, e.g. two wrong DNS servers: found before the trial starts.
//!
//! A fault says so in its parameters' schema: `"x-duress-exclusive": { "what": NAME, "per": PARAMETER }`. Of all faults with one
//! name, whichever plugin brings them, a container can have one at a time; with `per`, one for each value of that parameter.

use serde_json::Value;

use super::Subject;
use super::targets::fits;
use duress_model::{FaultType, PlannedFault, Services};
use duress_yaml::{Document, Problem, list_of, shown};

/// One fault of an entry, as it will be injected.
pub(super) struct Planned<'a> {
    /// Where it is written.
    pub(super) pointer: &'a str,
    /// Which step, from 0.
    pub(super) number: usize,
    /// Its description.
    pub(super) kind: &'a FaultType,
    /// What was planned.
    pub(super) fault: PlannedFault,
}

impl Planned<'_> {
    /// Returns what it takes alone, if anything.
    fn takes(&self) -> Option<&str> {
        self.kind.parameters["x-duress-exclusive"]["what"].as_str()
    }

    /// Returns the value that makes it collide with faults of the same value alone; `None` for a fault that collides with all.
    fn part(&self) -> Option<&Value> {
        let parameter = self.kind.parameters["x-duress-exclusive"]["per"].as_str()?;
        let value = self.fault.parameters.get(parameter)?;
        (!value.is_null()).then_some(value)
    }

    /// Returns whether the other one, which does not begin before it, begins while it holds.
    ///
    /// A fault that is not of the first moment holds for its time from when it is in force, which is later than its `at`.
    fn holds_at(&self, other: &Self) -> bool {
        let PlannedFault { at_ms, hold_ms, .. } = self.fault;
        let Some(end) = hold_ms.map(|hold| at_ms.saturating_add(hold)) else {
            return true;
        };
        other.fault.at_ms < end || (other.fault.at_ms == end && at_ms > 0)
    }

    /// Returns whether it may take a service.
    fn may_take(&self, subject: &Subject, service: &str) -> bool {
        let allowed = subject.targets.clone().map(Services::new);
        let named = &self.fault.targets;
        fits(subject, self.kind, service)
            && allowed.is_none_or(|allowed| allowed.contains(service))
            && (named.is_empty() || named.iter().any(|name| name == service))
    }
}

/// Returns the steps that collide with an earlier one of the same entry, in one subject.
pub(super) fn problems(
    document: &Document,
    name: &str,
    subject: &Subject,
    steps: &[Planned<'_>],
) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut in_order: Vec<&Planned<'_>> = steps.iter().collect();
    in_order.sort_by_key(|step| (step.fault.at_ms, step.number));
    for (place, later) in in_order.iter().enumerate() {
        let collides = |earlier: &&&Planned<'_>| {
            let differ = earlier
                .part()
                .zip(later.part())
                .is_some_and(|(a, b)| a != b);
            later.takes().is_some()
                && later.takes() == earlier.takes()
                && !differ
                && earlier.holds_at(later)
        };
        for earlier in in_order[..place].iter().filter(collides) {
            let Some(shared) = shared(subject, earlier, later) else {
                continue;
            };
            let until = match earlier.fault.hold_ms {
                Some(hold) => format!("for {} s", seconds(hold)),
                None => "until the trial's end".to_owned(),
            };
            let message = format!(
                "`{}` and step {} (`{}`, from {} s on, {until}) may both take {shared} of subject `{}`: a container has one \
                 {} at a time",
                later.kind.name,
                earlier.number + 1,
                earlier.kind.name,
                seconds(earlier.fault.at_ms),
                shown(name),
                shown(later.takes().unwrap_or_default()),
            );
            let help =
                "name different `targets`, or let one end (`for`) before the other begins (`at`)";
            let at = format!("{}/type", later.pointer);
            problems.push(document.problem(&at, message).help(help));
            break;
        }
    }
    problems
}

/// Returns the services that both may take, for people; `None` where there are none.
fn shared(subject: &Subject, one: &Planned<'_>, other: &Planned<'_>) -> Option<String> {
    let known = match subject.services.as_slice() {
        [] => one.fault.targets.iter().chain(&other.fault.targets),
        services => services.iter().chain(&[]),
    };
    let both =
        |service: &&String| one.may_take(subject, service) && other.may_take(subject, service);
    let mut names: Vec<&str> = known.filter(both).map(String::as_str).collect();
    names.sort_unstable();
    names.dedup();
    if names.is_empty() {
        // Of an unknown subject each may take any service, unless its targets are named.
        let any = subject.services.is_empty()
            && one.fault.targets.is_empty()
            && other.fault.targets.is_empty();
        return any.then(|| "the same container".to_owned());
    }
    Some(list_of(names))
}

/// Milliseconds as people write them.
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}
