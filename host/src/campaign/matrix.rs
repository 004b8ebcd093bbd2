//! The matrix: subjects × chaos types, with the baselines.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::{Map, Value};

use super::entry::Entry;
use super::targets::fits;
use super::{Campaign, Catalog, ChaosType, Combination, ParameterCheck, PlannedFault, limits};
use crate::yaml::{Document, Problem, nearest};

/// How long a fault holds where nobody says.
const DURATION: f64 = 10.0;
/// How long recovery may take where nobody says, the subject included.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(120);
/// How long coming up may take where nobody says, the subject included: images may have to be pulled.
const RESET_TIMEOUT: Duration = Duration::from_secs(300);
/// What trials without a fault are called by.
const BASELINE: &str = "baseline";

/// What is wrong with the entries beside one another.
pub(super) fn problems(document: &Document, entries: &[Entry<'_>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    if has_no_trials(document.value()) {
        let message = format!(
            "the campaign has no trials: {} names no fault, and {} is not true",
            document.name_of("/chaos_types"),
            document.name_of("/include_baseline")
        );
        problems.push(document.problem_at_key("/chaos_types", message));
    }
    let mut labels = HashMap::new();
    let mut contents: Vec<(usize, Map<String, Value>)> = Vec::new();
    for entry in entries {
        let number = entry.index + 1;
        if let Some(label) = entry.value.get("label").and_then(Value::as_str) {
            let at = format!("{}/label", entry.pointer);
            if label == BASELINE {
                let message = "the label `baseline` is for trials without a fault";
                problems.push(document.problem(&at, message));
            } else if let Some(first) = labels.insert(label, number) {
                let message = format!("the label `{label}` is that of entry {first} already");
                problems.push(document.problem(&at, message));
            }
        }
        let mut content = entry.value.clone();
        content.remove("label");
        content.remove("trials");
        if content.get("params") == Some(&Value::Object(Map::new())) {
            content.remove("params");
        }
        match contents.iter().find(|(_, other)| *other == content) {
            Some((first, _)) => {
                let message = format!("entry {number} is the same as entry {first}");
                let problem = document.problem(&entry.pointer, message);
                problems.push(problem.help("for more trials of one entry, set its `trials`"));
            }
            None => contents.push((number, content)),
        }
    }
    problems
}

/// Whether a campaign asks for nothing. One that misspells what it asks for is told of that alone.
fn has_no_trials(campaign: &Value) -> bool {
    let Some(keys) = campaign.as_object() else {
        return false;
    };
    let no_faults = match keys.get("chaos_types") {
        Some(Value::Array(entries)) => entries.is_empty(),
        Some(_) => false,
        None => !keys
            .keys()
            .any(|key| nearest(key, ["chaos_types"]).is_some()),
    };
    let no_baseline = keys
        .get("include_baseline")
        .is_none_or(|value| value == &Value::Bool(false));
    no_faults && no_baseline
}

/// The combinations of a campaign that has no mistakes.
pub(super) fn combinations(
    campaign: &Campaign,
    catalog: &Catalog,
    checks: &[ParameterCheck],
) -> Vec<Combination> {
    let labels = labels(&campaign.chaos_types);
    let mut combinations = Vec::new();
    for name in &campaign.subjects {
        if campaign.include_baseline {
            combinations.push(combination(campaign, catalog, name, None));
        }
        for check in checks.iter().filter(|check| check.subject == *name) {
            let entry = campaign.chaos_types.get(check.entry);
            let label = labels.get(check.entry);
            if let (Some(entry), Some(label)) = (entry, label) {
                let with = Some((entry, label.as_str(), check));
                combinations.push(combination(campaign, catalog, name, with));
            }
        }
    }
    combinations
}

/// One name for each entry: its label, else its fault's name, numbered from the second on.
fn labels(entries: &[ChaosType]) -> Vec<String> {
    let mut taken: HashSet<String> = entries.iter().filter_map(|e| e.label.clone()).collect();
    taken.insert(BASELINE.to_owned());
    let mut labels = Vec::new();
    for entry in entries {
        if let Some(label) = &entry.label {
            labels.push(label.clone());
            continue;
        }
        let name = match entry.fault.split_once(':') {
            Some((_, name)) => name,
            None => &entry.fault,
        };
        let mut label = name.to_owned();
        let mut number = 2;
        while !taken.insert(label.clone()) {
            label = format!("{name}-{number}");
            number += 1;
        }
        labels.push(label);
    }
    labels
}

fn combination(
    campaign: &Campaign,
    catalog: &Catalog,
    name: &str,
    with: Option<(&ChaosType, &str, &ParameterCheck)>,
) -> Combination {
    let entry = with.map(|(entry, ..)| entry);
    let subject = catalog.subjects.get(name);
    let defaults = &campaign.defaults;
    let duration = entry.and_then(|entry| entry.duration_seconds);
    let recovery = entry.and_then(|entry| entry.recovery_timeout_seconds);
    let reset = entry.and_then(|entry| entry.reset_timeout_seconds);
    let count = entry.and_then(|entry| entry.target_count);
    let seconds = |own: Option<f64>, default, subject: Option<Duration>, fallback: Duration| {
        let fallback = subject.unwrap_or(fallback).as_secs_f64();
        milliseconds(own.or(default).unwrap_or(fallback))
    };
    Combination {
        label: with.map_or(BASELINE, |(_, label, _)| label).to_owned(),
        subject: name.to_owned(),
        fault: with.map(|(.., check)| PlannedFault {
            plugin: check.plugin.clone(),
            name: check.fault.clone(),
            parameters: check.parameters.clone(),
        }),
        trials: entry
            .and_then(|entry| entry.trials)
            .unwrap_or(campaign.trials_per_combination),
        duration_ms: milliseconds(duration.or(defaults.duration_seconds).unwrap_or(DURATION)),
        recovery_timeout_ms: seconds(
            recovery,
            defaults.recovery_timeout_seconds,
            subject.and_then(|subject| subject.recovery_timeout),
            RECOVERY_TIMEOUT,
        ),
        reset_timeout_ms: seconds(
            reset,
            defaults.reset_timeout_seconds,
            subject.and_then(|subject| subject.reset_timeout),
            RESET_TIMEOUT,
        ),
        targets: targets(
            campaign,
            catalog,
            with.map(|(entry, _, check)| (entry, check)),
        ),
        target_count: count.or(defaults.target_count).unwrap_or(1),
    }
}

/// Of the targets that are named, those that this fault may hurt in this subject.
fn targets(
    campaign: &Campaign,
    catalog: &Catalog,
    with: Option<(&ChaosType, &ParameterCheck)>,
) -> Vec<String> {
    let Some((entry, check)) = with else {
        return Vec::new();
    };
    let mut targets = entry
        .targets
        .clone()
        .unwrap_or(campaign.defaults.targets.clone());
    if let Some(subject) = catalog.subjects.get(&check.subject)
        && let Some(fault) = subject.fault(&entry.fault)
    {
        targets.retain(|target| fits(subject, fault, target));
    }
    targets
}

/// Whole milliseconds; the schema keeps seconds within [`limits::SECONDS`].
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the range is the line's own"
)]
fn milliseconds(seconds: f64) -> u64 {
    (seconds.clamp(0.0, limits::SECONDS) * 1000.0).round() as u64
}

/// More trials than a campaign may have.
pub(super) fn too_large(document: &Document, combinations: &[Combination]) -> Option<Problem> {
    let trials: u64 = combinations.iter().map(|c| u64::from(c.trials)).sum();
    (trials > limits::TRIALS).then(|| {
        let message = format!(
            "the campaign has {trials} trials; it may have at most {}",
            limits::TRIALS
        );
        document.problem_at_key("/trials_per_combination", message)
    })
}

/// Trials of different combinations that would have one name: subject `a-b` with label `c`, and subject `a` with label `b-c`.
pub(super) fn same_names(document: &Document, combinations: &[Combination]) -> Option<Problem> {
    let mut names = HashSet::new();
    let same = combinations.iter().find(|combination| {
        !names.insert(format!("{}-{}", combination.subject, combination.label))
    })?;
    let message = format!(
        "two combinations would both be called `{}-{}`",
        same.subject, same.label
    );
    let problem = document.problem_at_key("/chaos_types", message);
    Some(problem.help("give one of the chaos types another `label`"))
}
