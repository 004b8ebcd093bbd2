//! How values, types and lists of names are spoken of in messages.

use serde_json::Value;

use duress_model::text::is_steering;

/// The longest piece of a person's own text that a message repeats, in characters.
const SHOWN_LENGTH: usize = 60;
/// How many names a message lists before it stops.
const NAMES_SHOWN: usize = 24;

/// A text of a file's as a message may repeat it: short, and without characters that a terminal would obey.
pub fn shown(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(SHOWN_LENGTH)
        .map(|c| if is_steering(c) { '?' } else { c })
        .collect();
    if text.chars().nth(SHOWN_LENGTH).is_some() {
        shown.push('…');
    }
    shown
}

/// Names in backticks: "`a`, `b`".
pub fn list_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut words = Vec::new();
    let mut more = 0;
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        // Two plugins may have a fault of the same name.
        if !seen.insert(name) {
            continue;
        }
        if words.len() < NAMES_SHOWN {
            words.push(format!("`{}`", shown(name)));
        } else {
            more += 1;
        }
    }
    let mut list = words.join(", ");
    if more > 0 {
        list.push_str(&format!(" and {more} more"));
    }
    list
}

/// Returns what a value is, in a message.
pub(super) fn described(value: &Value) -> String {
    match value {
        Value::Null => "nothing".to_owned(),
        Value::Bool(truth) => truth.to_string(),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the text \"{}\"", shown(text)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(_) => "a mapping".to_owned(),
    }
}

/// A value as a message repeats it after "is": `140`, `"Foo"`.
pub(super) fn quoted(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{}\"", shown(text)),
        Value::Number(number) => number.to_string(),
        other => described(other),
    }
}

/// Returns what a JSON Schema's type is called.
pub(super) fn type_name(name: &str) -> &str {
    match name {
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        "array" => "a list",
        "object" => "a mapping",
        "null" => "nothing",
        other => other,
    }
}
