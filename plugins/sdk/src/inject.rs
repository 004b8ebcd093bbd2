//! From a request to changes and metadata, and from metadata back. The same for every fault: no fault takes anything back itself.
//!
//! Either all changes of a request are made, or the error is returned after those that were applied have been reverted.

use std::cell::RefCell;

use serde_json::{Map, Value, json};

use crate::bindings::duress::plugin::changes;
use crate::bindings::exports::duress::plugin::chaos::Request;
use crate::{Container, Error, Fault, Planned, Problem, Result, Scene, Step, containers};

/// How often what was missed is looked for.
const ROUNDS: usize = 5;

/// See `chaos.check-parameters`.
pub(crate) fn check(faults: &[Fault], fault: &str, parameters: &str) -> Vec<Problem> {
    let checked = find(faults, fault)
        .and_then(|fault| Ok(fault.check(&document("the parameters", parameters)?)));
    checked.unwrap_or_else(|error| {
        vec![Problem {
            pointer: String::new(),
            message: error.text(),
        }]
    })
}

/// See `chaos.inject`.
pub(crate) fn inject(faults: &[Fault], request: &Request) -> Result<String> {
    let fault = find(faults, &request.fault)?;
    let parameters = document("the parameters", &request.parameters)?;
    if let Some(problem) = fault.check(&parameters).first() {
        return Err(Error::Invalid(format!(
            "{}: {} {}",
            fault.name, problem.pointer, problem.message
        )));
    }
    let scene = scene(&request.targets)?;
    let mut steps = fault.plan(&parameters, &scene)?;
    if steps.is_empty() {
        return Err(Error::Invalid(format!(
            "{} has nothing to break among {:?}",
            fault.name, request.targets
        )));
    }
    let more = |steps: &[Step]| fault.more(&parameters, &scene, steps);
    let mechanism = RefCell::new(None);
    let apply = |planned: &Planned| {
        let (id, own) = planned.apply()?;
        let known = mechanism.take();
        mechanism.replace(known.or(own));
        Ok(id)
    };
    let ids = in_rounds(&mut steps, more, apply, changes::revert)?;
    let mut metadata = metadata(fault.name, &steps, &ids);
    if let Some(mechanism) = mechanism.take() {
        metadata["mechanism"] = mechanism.into();
    }
    Ok(metadata.to_string())
}

/// Applies the steps, and what each further look finds missing, all or nothing.
fn in_rounds(
    steps: &mut Vec<Step>,
    more: impl Fn(&[Step]) -> Result<Vec<Step>>,
    apply: impl Fn(&Planned) -> Result<String>,
    revert: impl Fn(&str) -> Result<()>,
) -> Result<Vec<String>> {
    let mut ids = all_or_nothing(&changes_of(steps), &apply, &revert)?;
    let mut failed: Option<(Vec<Step>, Error)> = None;
    for _ in 0..ROUNDS {
        let missed = match (more(steps), failed.take()) {
            // What could not be changed is still there: it did not just end by itself.
            (Ok(missed), Some((before, error))) if overlap(&before, &missed) => Err(error),
            (missed, _) => missed,
        };
        let missed = match missed {
            Ok(missed) => missed,
            Err(error) => return Err(with_failures(error, &revert_all(&ids, &revert))),
        };
        if missed.is_empty() {
            break;
        }
        match all_or_nothing(&changes_of(&missed), &apply, &revert) {
            Ok(new) => {
                ids.extend(new);
                steps.extend(missed);
            }
            Err(error) => failed = Some((missed, error)),
        }
    }
    Ok(ids)
}

fn changes_of(steps: &[Step]) -> Vec<&Planned> {
    steps.iter().flat_map(|step| &step.changes).collect()
}

/// Returns whether two plans have an action on the same container in common.
fn overlap(one: &[Step], other: &[Step]) -> bool {
    let other = changes_of(other);
    let same = |a: &Planned, b: &Planned| match (a, b) {
        (Planned::Change(a), Planned::Change(b)) => {
            a.container == b.container && a.apply.iter().any(|action| b.apply.contains(action))
        }
        _ => a == b,
    };
    changes_of(one)
        .iter()
        .any(|a| other.iter().any(|b| same(a, b)))
}

/// See `chaos.cleanup`. Goes on after a failure, and reports them all.
pub(crate) fn cleanup(metadata: &str) -> Result<()> {
    let document = document("the metadata", metadata)?;
    let ids: Option<Vec<&str>> = document["changes"]
        .as_array()
        .and_then(|ids| ids.iter().map(Value::as_str).collect());
    let ids = ids.ok_or_else(|| {
        Error::Invalid(
            "the metadata has no list `changes`: no inject of this plugin left it".into(),
        )
    })?;
    into_result(revert_all(&ids, &changes::revert))
}

fn find<'a>(faults: &'a [Fault], name: &str) -> Result<&'a Fault> {
    faults
        .iter()
        .find(|fault| fault.name == name)
        .ok_or_else(|| {
            let known: Vec<_> = faults.iter().map(|fault| fault.name).collect();
            Error::Invalid(format!(
                "no fault is called {name}; there are {}",
                known.join(", ")
            ))
        })
}

fn document(what: &str, text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| Error::Invalid(format!("{what}: {error}")))
}

/// Without a target there is nothing to look at: a subject without containers has no stack to ask for.
fn scene(targets: &[String]) -> Result<Scene> {
    let stack = if targets.is_empty() {
        Vec::new()
    } else {
        containers::list()?
    };
    let targets: Result<Vec<Container>> = targets.iter().map(|name| named(&stack, name)).collect();
    Ok(Scene {
        targets: targets?,
        stack,
    })
}

fn named(stack: &[Container], name: &str) -> Result<Container> {
    stack
        .iter()
        .find(|container| container.name == name)
        .cloned()
        .ok_or_else(|| Error::Invalid(format!("no container of the stack is called {name}")))
}

fn all_or_nothing(
    planned: &[&Planned],
    apply: &impl Fn(&Planned) -> Result<String>,
    revert: &impl Fn(&str) -> Result<()>,
) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for change in planned {
        match apply(change) {
            Ok(id) => ids.push(id),
            Err(error) => {
                let failures = revert_all(&ids, revert);
                return Err(with_failures(error, &failures));
            }
        }
    }
    Ok(ids)
}

/// Reverts the last change first. A change that cannot be reverted is returned, and does not stop the others.
fn revert_all(ids: &[impl AsRef<str>], revert: &impl Fn(&str) -> Result<()>) -> Vec<Error> {
    ids.iter()
        .rev()
        .filter_map(|id| revert(id.as_ref()).err())
        .collect()
}

fn with_failures(error: Error, failures: &[Error]) -> Error {
    if failures.is_empty() {
        return error;
    }
    Error::Failed(format!(
        "{}; and what was applied before it could not be reverted: {}",
        error.text(),
        joined(failures)
    ))
}

fn into_result(mut failures: Vec<Error>) -> Result<()> {
    match failures.len() {
        0 => Ok(()),
        1 => Err(failures.remove(0)),
        _ => Err(Error::Failed(joined(&failures))),
    }
}

fn joined(failures: &[Error]) -> String {
    let texts: Vec<_> = failures.iter().map(Error::text).collect();
    texts.join("; ")
}

/// Returns the facts of the first step at the top, where most faults have all of theirs; with several, `steps` holds each one's.
fn metadata(fault: &str, steps: &[Step], ids: &[String]) -> Value {
    let mut document = Map::new();
    document.insert("chaos_type".into(), fault.into());
    document.extend(steps.iter().take(1).flat_map(|step| step.facts.clone()));
    if steps.len() > 1 {
        let facts = steps.iter().map(|step| Value::Object(step.facts.clone()));
        document.insert("steps".into(), facts.collect());
    }
    document.insert("changes".into(), json!(ids));
    Value::Object(document)
}

#[cfg(test)]
#[path = "inject_tests.rs"]
mod tests;
