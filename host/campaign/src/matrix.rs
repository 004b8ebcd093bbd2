//! The matrix: subjects × chaos types, with the baselines.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use serde_json::{Map, Value};

use super::entry::Entry;
use super::targets::fits;
use super::{Campaign, Catalog, ChaosType, Combination, ParameterCheck, exclusive, limits};
use duress_model::{PlannedFault, nearest};
use duress_yaml::{Document, Problem, shown};

/// How long a fault holds where nobody says.
const DURATION: f64 = 10.0;
/// How long recovery may take where nobody says, the subject included.
const RECOVERY_TIMEOUT: Duration = Duration::from_secs(120);
/// How long coming up may take where nobody says, the subject included: images may have to be pulled.
const RESET_TIMEOUT: Duration = Duration::from_secs(300);
/// What trials without a fault are called by.
const BASELINE: &str = "baseline";

/// Returns what is wrong with the entries beside one another.
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
    for entry in entries {
        problems.extend(step_problems(document, entry));
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

/// Returns what is wrong with an entry's `type` and `steps` beside each other, and with the steps' times.
fn step_problems(document: &Document, entry: &Entry<'_>) -> Vec<Problem> {
    let steps = entry.value.get("steps").and_then(Value::as_array);
    let steps = steps.map_or([].as_slice(), Vec::as_slice);
    let at = |key: &str| format!("{}/{key}", entry.pointer);
    if steps.is_empty() {
        if entry.value.contains_key("type") {
            return Vec::new();
        }
        let message = "the entry names no fault: it needs `type`, or `steps`";
        return vec![document.problem(&entry.pointer, message)];
    }
    let mut problems = Vec::new();
    for key in ["type", "params"]
        .into_iter()
        .filter(|key| entry.value.contains_key(*key))
    {
        let message = format!("`{key}` stands beside `steps`: it is one or the other");
        problems.push(document.problem_at_key(&at(key), message));
    }
    let own = entry.value.get("duration_seconds");
    let default = document.value().pointer("/defaults/duration_seconds");
    let duration = own.or(default).map_or(Some(DURATION), Value::as_f64);
    for (number, step) in steps.iter().enumerate() {
        for key in ["at", "for"] {
            let Some(text) = step.get(key).and_then(Value::as_str) else {
                continue;
            };
            let pointer = at(&format!("steps/{number}/{key}"));
            let name = document.name_of(&pointer);
            let message = match time(text) {
                None => format!(
                    "{name} is `{}`, which is longer than any trial",
                    shown(text)
                ),
                Some(0) if key == "for" => {
                    format!("{name} is 0: a fault that holds for no time shows nothing")
                }
                Some(_) => continue,
            };
            problems.push(document.problem(&pointer, message));
        }
        let start = step.get("at").and_then(Value::as_str).and_then(time);
        if let (Some(start), Some(duration)) = (start, duration)
            && start >= milliseconds(duration)
        {
            let message = format!("is not before the end of the trial's duration ({duration} s)");
            let pointer = at(&format!("steps/{number}/at"));
            let message = format!("{} {message}", document.name_of(&pointer));
            problems.push(document.problem(&pointer, message));
        }
    }
    problems
}

/// Returns whether a campaign asks for nothing. One that misspells what it asks for is told of that alone.
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

/// Returns the combinations of a campaign that has no mistakes.
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
        for (index, (entry, label)) in campaign.chaos_types.iter().zip(&labels).enumerate() {
            let of_entry = |check: &&ParameterCheck| check.subject == *name && check.entry == index;
            let checks: Vec<_> = checks.iter().filter(of_entry).collect();
            if !checks.is_empty() {
                let with = Some((entry, label.as_str(), checks.as_slice()));
                combinations.push(combination(campaign, catalog, name, with));
            }
        }
    }
    combinations
}

/// Returns the steps of each trial that cannot hold at once on one container, in a campaign that has no other mistakes.
pub(super) fn collisions(
    document: &Document,
    campaign: &Campaign,
    catalog: &Catalog,
    checks: &[ParameterCheck],
) -> Vec<Problem> {
    let mut problems: Vec<Problem> = Vec::new();
    for name in &campaign.subjects {
        let Some(subject) = catalog.subjects.get(name) else {
            continue;
        };
        for (index, entry) in campaign.chaos_types.iter().enumerate() {
            let of_entry = |check: &&ParameterCheck| check.subject == *name && check.entry == index;
            let planned = checks.iter().filter(of_entry).filter_map(|check| {
                let kind = subject.fault(&format!("{}:{}", check.plugin, check.fault))?;
                Some(exclusive::Planned {
                    pointer: &check.pointer,
                    number: check.part,
                    kind,
                    fault: fault(campaign, catalog, entry, check),
                })
            });
            let planned: Vec<_> = planned.collect();
            problems.extend(exclusive::problems(document, name, subject, &planned));
        }
    }
    problems
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
        let name = name_of(entry);
        let mut label = name.clone();
        let mut number = 2;
        while !taken.insert(label.clone()) {
            label = format!("{name}-{number}");
            number += 1;
        }
        labels.push(label);
    }
    labels
}

/// Returns the fault's name; of several steps their names in a row, as far as a name may go.
fn name_of(entry: &ChaosType) -> String {
    let faults = entry
        .fault
        .iter()
        .chain(entry.steps.iter().map(|step| &step.fault));
    let names: Vec<&str> = faults
        .map(|fault| {
            fault
                .split_once(':')
                .map_or(fault.as_str(), |(_, name)| name)
        })
        .collect();
    let name: String = names.join("-").chars().take(limits::NAME).collect();
    name.trim_end_matches('-').to_owned()
}

fn combination(
    campaign: &Campaign,
    catalog: &Catalog,
    name: &str,
    with: Option<(&ChaosType, &str, &[&ParameterCheck])>,
) -> Combination {
    let entry = with.map(|(entry, ..)| entry);
    let subject = catalog.subjects.get(name);
    let defaults = &campaign.defaults;
    let duration = entry.and_then(|entry| entry.duration_seconds);
    let recovery = entry.and_then(|entry| entry.recovery_timeout_seconds);
    let reset = entry.and_then(|entry| entry.reset_timeout_seconds);
    let seconds = |own: Option<f64>, default, subject: Option<Duration>, fallback: Duration| {
        let fallback = subject.unwrap_or(fallback).as_secs_f64();
        milliseconds(own.or(default).unwrap_or(fallback))
    };
    let mut faults: Vec<PlannedFault> = with
        .iter()
        .flat_map(|(entry, _, checks)| {
            checks
                .iter()
                .map(|check| fault(campaign, catalog, entry, check))
        })
        .collect();
    faults.sort_by_key(|fault| fault.at_ms);
    Combination {
        label: with.map_or(BASELINE, |(_, label, _)| label).to_owned(),
        subject: name.to_owned(),
        faults,
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
        on_target_restart: entry
            .and_then(|entry| entry.on_target_restart)
            .unwrap_or_default(),
    }
}

/// One fault of an entry: what its step says, else what the entry does, else the defaults.
fn fault(
    campaign: &Campaign,
    catalog: &Catalog,
    entry: &ChaosType,
    check: &ParameterCheck,
) -> PlannedFault {
    let defaults = &campaign.defaults;
    let step = entry.steps.get(check.part);
    let time = |text: Option<&String>| text.and_then(|text| time(text));
    let chosen = step
        .and_then(|step| step.targets.as_ref())
        .or(entry.targets.as_ref())
        .unwrap_or(&defaults.targets);
    let mut targets = chosen.services().to_vec();
    if let Some(subject) = catalog.subjects.get(&check.subject)
        && let Some(fault) = subject.fault(&format!("{}:{}", check.plugin, check.fault))
    {
        // Of the targets that are named, those that this fault may hurt in this subject.
        targets.retain(|target| fits(subject, fault, target));
    }
    PlannedFault {
        plugin: check.plugin.clone(),
        name: check.fault.clone(),
        parameters: check.parameters.clone(),
        at_ms: time(step.and_then(|step| step.at.as_ref())).unwrap_or(0),
        hold_ms: time(step.and_then(|step| step.hold.as_ref())),
        targets,
        target_count: step
            .and_then(|step| step.target_count)
            .or(entry.target_count)
            .or(defaults.target_count)
            .unwrap_or(1),
        target_percent: chosen.percent(),
        keep_healthy: step
            .and_then(|step| step.keep_healthy)
            .or(entry.keep_healthy)
            .or(defaults.keep_healthy)
            .unwrap_or(0),
    }
}

/// A time as people write it, in milliseconds.
fn time(text: &str) -> Option<u64> {
    let time: jiff::SignedDuration = text.parse().ok()?;
    u64::try_from(time.as_millis()).ok()
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
