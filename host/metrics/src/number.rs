//! Numbers in the answers of others.

use serde_json::Value;

/// The longest text that is taken for a number, in bytes: no number that means anything is longer.
const LONGEST: usize = 64;

/// Returns the number that a text is, white space around it apart. Words for infinity are numbers, as in Prometheus.
pub(crate) fn of_text(text: &str) -> Option<f64> {
    let text = text.trim();
    if text.len() > LONGEST {
        return None;
    }
    text.parse().ok()
}

/// Returns the number that a JSON value is: a number, a text that is one, or a truth value (1 or 0).
pub(crate) fn of_json(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(truth) => Some(f64::from(u8::from(*truth))),
        Value::String(text) => of_text(text),
        _ => None,
    }
}

/// Returns what a JSON value is, for a sentence that says what it is not.
pub(crate) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "a text that is not a number",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn numbers_are_read_where_there_is_one() {
        assert_eq!(of_text(" 12.5\n"), Some(12.5));
        assert_eq!(of_text("1e3"), Some(1_000.0));
        for none in ["", "12 ms", "1,5", "0x10", "1 2", &"1".repeat(100)] {
            assert_eq!(of_text(none), None, "{none:?}");
        }
        assert_eq!(of_json(&json!(3)), Some(3.0));
        assert_eq!(of_json(&json!("3")), Some(3.0));
        assert_eq!(of_json(&json!(true)), Some(1.0));
        for none in [json!(null), json!([1]), json!({"a": 1}), json!("up")] {
            assert_eq!(of_json(&none), None, "{none}");
        }
    }
}
