//! The parts of a draft that are well-formed, although others may not be.

use serde_json::{Map, Value};

use duress_yaml::Document;

/// An entry of `chaos_types`, as far as it can be understood.
pub(super) struct Entry<'a> {
    /// From 0.
    pub(super) index: usize,
    /// `/chaos_types/{index}`.
    pub(super) pointer: String,
    /// The whole entry.
    pub(super) value: &'a Map<String, Value>,
    /// Its faults: the one of `type`, or those of `steps`.
    pub(super) parts: Vec<Part<'a>>,
}

/// One fault of an entry.
pub(super) struct Part<'a> {
    /// `/chaos_types/{index}`, or `/chaos_types/{index}/steps/{number}`.
    pub(super) pointer: String,
    /// Its `type`.
    pub(super) fault: Option<&'a str>,
    /// Its `params`, none written included; nothing where they are no mapping.
    pub(super) params: Option<Map<String, Value>>,
    /// Where its `targets` stand, if anywhere in the entry.
    pub(super) targets: Option<String>,
}

impl<'a> Part<'a> {
    fn new(pointer: String, value: &'a Map<String, Value>, of_entry: Option<&str>) -> Self {
        let targets = value
            .contains_key("targets")
            .then(|| format!("{pointer}/targets"));
        Self {
            fault: value.get("type").and_then(Value::as_str),
            params: match value.get("params") {
                None => Some(Map::new()),
                Some(params) => params.as_object().cloned(),
            },
            targets: targets.or_else(|| of_entry.map(str::to_owned)),
            pointer,
        }
    }
}

impl<'a> Entry<'a> {
    /// Returns the subjects that its own `subjects` names, with their pointers.
    pub(super) fn only_subjects(&self, document: &'a Document) -> Vec<(String, &'a str)> {
        texts(document, &format!("{}/subjects", self.pointer))
    }

    /// Returns the campaign's subjects that it is for.
    pub(super) fn subjects(&self, document: &'a Document) -> Vec<&'a str> {
        let only = self
            .value
            .contains_key("subjects")
            .then(|| self.only_subjects(document));
        let mut subjects: Vec<&str> = Vec::new();
        for (_, name) in texts(document, "/subjects") {
            let meant = only
                .as_ref()
                .is_none_or(|only| only.iter().any(|(_, n)| *n == name));
            if meant && !subjects.contains(&name) {
                subjects.push(name);
            }
        }
        subjects
    }
}

/// Returns the entries that are mappings.
pub(super) fn entries<'a>(document: &'a Document) -> Vec<Entry<'a>> {
    let list = document
        .value()
        .get("chaos_types")
        .and_then(Value::as_array);
    let mut entries = Vec::new();
    for (index, value) in list.into_iter().flatten().enumerate() {
        if let Value::Object(value) = value {
            let pointer = format!("/chaos_types/{index}");
            let whole = Part::new(pointer.clone(), value, None);
            let steps = value.get("steps").and_then(Value::as_array);
            let parts = match steps {
                Some(steps) if !steps.is_empty() => {
                    let part = |(number, step): (usize, &'a Value)| {
                        let at = format!("{pointer}/steps/{number}");
                        Some((at, step.as_object()?))
                    };
                    let mappings = steps.iter().enumerate().filter_map(part);
                    let targets = whole.targets.as_deref();
                    mappings
                        .map(|(at, step)| Part::new(at, step, targets))
                        .collect()
                }
                _ => vec![whole],
            };
            entries.push(Entry {
                index,
                pointer,
                value,
                parts,
            });
        }
    }
    entries
}

/// Returns the texts of a list, with their pointers.
pub(super) fn texts<'a>(document: &'a Document, pointer: &str) -> Vec<(String, &'a str)> {
    let list = document.value().pointer(pointer).and_then(Value::as_array);
    let texts = list.into_iter().flatten().enumerate();
    texts
        .filter_map(|(index, value)| Some((format!("{pointer}/{index}"), value.as_str()?)))
        .collect()
}
