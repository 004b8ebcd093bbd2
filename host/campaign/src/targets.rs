//! The services that a campaign lets a fault hurt.

use super::entry::{Entry, Part};
use super::{Subject, entry};
use duress_model::{Choice, FaultType, Services, nearest};
use duress_yaml::{Document, Problem, list_of, shown};

/// A list of targets, with the pointers of its items.
pub(super) struct Targets<'a> {
    /// Of the whole.
    pointer: String,
    items: Vec<(String, &'a str)>,
    /// They are a share of their containers.
    is_share: bool,
    /// It stands in the entry, and not in `defaults`.
    own: bool,
}

impl<'a> Targets<'a> {
    /// Returns what holds for one fault of an entry.
    pub(super) fn of(document: &'a Document, part: &Part<'_>) -> Self {
        match part.targets.clone() {
            Some(pointer) => Self::at(document, pointer, true),
            None => Self::defaults(document),
        }
    }

    /// Returns what `defaults` says.
    pub(super) fn defaults(document: &'a Document) -> Self {
        Self::at(document, "/defaults/targets".to_owned(), false)
    }

    fn at(document: &'a Document, pointer: String, own: bool) -> Self {
        let value = document.value().pointer(&pointer);
        let is_share = value.is_some_and(serde_json::Value::is_object);
        let items = match is_share {
            true => entry::texts(document, &format!("{pointer}/services")),
            false => entry::texts(document, &pointer),
        };
        Self {
            pointer,
            items,
            is_share,
            own,
        }
    }

    /// Returns what is wrong where a subject is a system that already runs: what is hurt there is said, and not left to chance.
    pub(super) fn unnamed(
        &self,
        document: &Document,
        entry: &Entry<'_>,
        part: &Part<'_>,
        found: &[(&str, &Subject, &FaultType)],
    ) -> Vec<Problem> {
        let is_counted = count_in(document, &[&part.pointer, &entry.pointer]).is_some();
        let is_open = |subject: &Subject| {
            let allowed = subject.targets.as_deref().unwrap_or_default();
            subject.attached && allowed.iter().any(|pattern| pattern == "*")
        };
        if self.is_share || is_counted || !self.items.is_empty() {
            return Vec::new();
        }
        let open = found.iter().filter(|(_, subject, _)| is_open(subject));
        open.map(|(name, _, _)| {
            let message = format!(
                "subject `{name}` is a system that already runs, and nothing says which of its containers may be hurt"
            );
            let problem = document.problem(&part.pointer, message);
            problem.help("add `targets: [SERVICE]`, `targets: {percent: 30%}`, or `target_count`")
        })
        .collect()
    }

    /// Returns what is wrong with them for an entry, of which these are the subjects and the fault of each.
    pub(super) fn problems(
        &self,
        document: &Document,
        found: &[(&str, &Subject, &FaultType)],
    ) -> Vec<Problem> {
        let subjects: Vec<_> = found
            .iter()
            .map(|(name, subject, _)| (*name, *subject))
            .collect();
        let unknown = self.unknown(document, &subjects);
        if !unknown.is_empty() {
            return if self.own { unknown } else { Vec::new() };
        }
        let mut problems = Vec::new();
        for (name, subject, fault) in found {
            let names = self.items.iter().map(|(_, target)| *target);
            if names.len() == 0 {
                continue;
            }
            let useful = |target: &str| fits(subject, fault, target);
            if !names.clone().any(useful) {
                let allowed: Vec<&str> = match subject.services.as_slice() {
                    [] => fault.services.iter().map(String::as_str).collect(),
                    known => {
                        let known = known.iter().map(String::as_str);
                        known.filter(|service| fault.may_hurt(service)).collect()
                    }
                };
                let message = format!(
                    "`{}` of subject `{name}` may hurt none of {}; it may hurt {}",
                    fault.name,
                    list_of(names),
                    list_of(allowed)
                );
                problems.push(document.problem(&self.pointer, message));
            }
        }
        problems
    }

    /// A `target_count` that asks for more containers than there are to choose from.
    pub(super) fn too_few(
        &self,
        document: &Document,
        entry: &Entry<'_>,
        part: &Part<'_>,
        found: &[(&str, &Subject, &FaultType)],
    ) -> Vec<Problem> {
        let places = [&part.pointer, &entry.pointer, "/defaults"];
        let Some((pointer, count)) = count_in(document, &places) else {
            return Vec::new();
        };
        if self.is_share {
            // A number among the defaults is meant for those that have no share.
            return match pointer.starts_with("/defaults") && self.own {
                true => Vec::new(),
                false => vec![document.problem_at_key(
                    &pointer,
                    "`target_count` beside a share: `percent` says how many are hurt",
                )],
            };
        }
        let mut problems = Vec::new();
        for (name, subject, fault) in found {
            if fault.choice == Choice::ByFault || subject.services.is_empty() {
                continue;
            }
            let allowed = subject.targets.clone().map(Services::new);
            let named = |service: &String| self.items.iter().any(|(_, item)| item == service);
            let fits = |service: &&String| {
                fault.may_hurt(service)
                    && allowed
                        .as_ref()
                        .is_none_or(|allowed| allowed.contains(service))
                    && (self.items.is_empty() || named(service))
            };
            let services: Vec<&String> = subject.services.iter().filter(fits).collect();
            let Some(there) = subject.containers(services.iter().copied()) else {
                continue;
            };
            // That there are none at all is told as a mistake of the targets.
            if there > 0 && there < count {
                let names = list_of(services.iter().map(|service| service.as_str()));
                let message = format!(
                    "`target_count` is {count}, and `{}` may hurt {there} of subject `{name}` ({names})",
                    fault.name
                );
                problems.push(document.problem(&pointer, message));
            }
        }
        problems
    }

    /// Targets that are a service of no subject.
    pub(super) fn unknown(
        &self,
        document: &Document,
        subjects: &[(&str, &Subject)],
    ) -> Vec<Problem> {
        let services = subjects.iter().flat_map(|(_, subject)| &subject.services);
        let services: Vec<&str> = services.map(String::as_str).collect();
        let unchecked = subjects
            .iter()
            .any(|(_, subject)| subject.services.is_empty());
        if subjects.is_empty() || unchecked {
            return Vec::new();
        }
        let mut problems = Vec::new();
        for (pointer, target) in &self.items {
            if services.contains(target) {
                continue;
            }
            let mut message = format!("unknown service `{}`", shown(target));
            let near = nearest(target, services.iter().copied());
            if let Some(near) = near {
                message.push_str(&format!("; did you mean `{near}`?"));
            }
            let mut problem = document.problem(pointer, message);
            if near.is_none() {
                problem = problem.help(format!("there are {}", list_of(services.iter().copied())));
            }
            problems.push(problem);
        }
        problems
    }
}

/// Returns the `target_count` of the first of some places that has one, with its pointer.
fn count_in(document: &Document, places: &[&str]) -> Option<(String, u64)> {
    places.iter().find_map(|place| {
        let pointer = format!("{place}/target_count");
        let count = document.value().pointer(&pointer)?.as_u64()?;
        Some((pointer, count))
    })
}

/// Returns whether a target is a service that the fault may hurt.
pub(super) fn fits(subject: &Subject, fault: &FaultType, target: &str) -> bool {
    fault.may_hurt(target)
        && (subject.services.is_empty() || subject.services.iter().any(|name| name == target))
}
