//! Schemas: a type's own, and a document checked against one.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Map, Value};

use super::violation::Violations;
use super::{Document, Problem};

/// Returns the JSON Schema (2020-12) of what a person may write for a `T`. An optional key may be left out, and may not be null.
pub fn schema_of<T: JsonSchema>() -> Value {
    SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .with_transform(RecursiveTransform(without_null))
        .into_generator()
        .into_root_schema_for::<T>()
        .to_value()
}

/// Returns the schema of a mapping with any keys, for `#[schemars(schema_with = …)]`.
pub fn any_mapping(_: &mut schemars::SchemaGenerator) -> Schema {
    schemars::json_schema!({ "type": "object" })
}

/// `Option` is how Rust says that a key may be left out; in a file, a key without a value is a mistake.
fn without_null(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(types)) = object.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            object.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(words)) = object.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    unwrap_any_of(object);
}

/// `anyOf: [X, null]` is X.
fn unwrap_any_of(object: &mut Map<String, Value>) {
    let Some(Value::Array(choices)) = object.get_mut("anyOf") else {
        return;
    };
    choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
    let [Value::Object(only)] = choices.as_slice() else {
        return;
    };
    let only = only.clone();
    object.remove("anyOf");
    for (key, value) in only {
        object.entry(key).or_insert(value);
    }
}

impl Document {
    /// Checks a value against a JSON Schema, and says of each violation where it stands.
    ///
    /// The pointer says where in this document the value stands, or would stand. The noun is what its keys are called: `key`,
    /// `parameter`. An invalid schema is one problem, at the pointer.
    pub fn check_schema(
        &self,
        schema: &Value,
        pointer: &str,
        value: &Value,
        noun: &str,
    ) -> Vec<Problem> {
        let validator = match jsonschema::draft202012::new(schema) {
            Ok(validator) => validator,
            Err(error) => {
                let message = format!(
                    "{} cannot be checked: its schema is wrong: {error}",
                    self.name_of(pointer)
                );
                return vec![self.problem_at_key(pointer, message)];
            }
        };
        let mut violations = Violations::new(self, schema, pointer, noun);
        for error in validator.iter_errors(value) {
            violations.explain(&error);
        }
        violations.into_problems()
    }
}
