//! A fault's parameters: its schema made strict, its defaults filled in.

use serde_json::{Map, Value};

/// The schema with unknown parameters refused, unless it says itself what becomes of them.
pub fn strict(schema: &Value) -> Value {
    let mut schema = schema.clone();
    if let Some(object) = schema.as_object_mut() {
        let said = ["additionalProperties", "unevaluatedProperties"];
        if !said.iter().any(|keyword| object.contains_key(*keyword)) {
            object.insert("unevaluatedProperties".to_owned(), Value::Bool(false));
        }
    }
    schema
}

/// The parameters with the schema's defaults where nothing was said.
pub fn with_defaults(schema: &Value, parameters: &Map<String, Value>) -> Map<String, Value> {
    let mut filled = parameters.clone();
    let Some(Value::Object(properties)) = schema.get("properties") else {
        return filled;
    };
    for (name, property) in properties {
        match filled.get_mut(name) {
            Some(Value::Object(inner)) => *inner = with_defaults(property, inner),
            Some(_) => {}
            None => {
                if let Some(default) = property.get("default") {
                    filled.insert(name.clone(), default.clone());
                }
            }
        }
    }
    filled
}
