//! The defaults of a fault's parameters, which its own schema must allow.

use serde_json::Value;

/// The parameters whose defaults their own schemas do not allow, with these.
pub(super) fn wrong_defaults(schema: &Value) -> Vec<(String, Value)> {
    let properties = schema.get("properties").and_then(Value::as_object);
    let wrong = |(name, property): (&String, &Value)| {
        let default = property.get("default")?;
        // In a schema of its own, with what it may refer to.
        let mut alone = serde_json::json!({ "properties": { name: property } });
        for definitions in ["$defs", "definitions"] {
            if let Some(found) = schema.get(definitions) {
                alone[definitions] = found.clone();
            }
        }
        let validator = jsonschema::validator_for(&alone).ok()?;
        let given = serde_json::json!({ name: default });
        (!validator.is_valid(&given)).then(|| (name.clone(), default.clone()))
    };
    properties.into_iter().flatten().filter_map(wrong).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_default_outside_its_range_is_found() {
        let schema = json!({
            "type": "object",
            "properties": {
                "percent": { "type": "number", "minimum": 0, "maximum": 100, "default": 140 },
                "name": { "$ref": "#/$defs/name", "default": 1 },
                "right": { "type": "integer", "default": 3 },
                "none": { "type": "integer" },
            },
            "required": ["none"],
            "$defs": { "name": { "type": "string" } },
        });
        let wrong = wrong_defaults(&schema);
        let names: Vec<_> = wrong.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["name", "percent"]);
        assert_eq!(wrong_defaults(&json!(true)), []);
    }
}
