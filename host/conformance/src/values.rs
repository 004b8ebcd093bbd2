//! What a fault is tried with: its schema's defaults, what lies at each of its limits, and rubbish.

use serde_json::{Map, Value, json};

use duress_model::{strict, with_defaults};

/// The most sets of parameters that a fault is tried with.
const SETS_LIMIT: usize = 60;

/// A fault's schema, as the host reads it.
pub(super) struct Schema<'a> {
    schema: &'a Value,
    validator: jsonschema::Validator,
}

impl<'a> Schema<'a> {
    /// Fails with a sentence, where it is not a schema.
    pub(super) fn new(schema: &'a Value) -> Result<Self, String> {
        jsonschema::meta::validate(schema).map_err(|error| error.to_string())?;
        let validator =
            jsonschema::validator_for(&strict(schema)).map_err(|error| error.to_string())?;
        Ok(Self { schema, validator })
    }

    pub(super) fn accepts(&self, parameters: &Value) -> bool {
        self.validator.is_valid(parameters)
    }

    /// Returns the parameters that nobody needs to give, and the smallest that fit for those that somebody must.
    pub(super) fn defaults(&self) -> Value {
        let mut parameters = Map::new();
        let required = self.schema["required"].as_array();
        let required = required.into_iter().flatten().filter_map(Value::as_str);
        for name in required {
            let property = self.resolved(&self.schema["properties"][name]);
            let mut candidates = vec![property["default"].clone(), property["examples"][0].clone()];
            candidates.extend(self.edges(property));
            let fits = |value: &&Value| !value.is_null() && is_valid(self.schema, property, value);
            if let Some(value) = candidates.iter().find(fits) {
                parameters.insert(name.to_owned(), value.clone());
            }
        }
        Value::Object(with_defaults(self.schema, &parameters))
    }

    /// What the author names, then the defaults, then each parameter at each of its edges while the others are as they are by default.
    pub(super) fn sets(&self, own: &[Value]) -> Vec<Value> {
        let defaults = self.defaults();
        let mut sets: Vec<Value> = Vec::new();
        for set in own {
            let set = set.as_object().cloned().unwrap_or_default();
            sets.push(Value::Object(with_defaults(self.schema, &set)));
        }
        sets.push(defaults.clone());
        for (name, property) in self.properties() {
            for edge in self.edges(self.resolved(property)) {
                let mut set = defaults.clone();
                set[name] = edge;
                sets.push(set);
            }
        }
        let mut distinct: Vec<Value> = Vec::new();
        for set in sets {
            if self.accepts(&set) && !distinct.contains(&set) {
                distinct.push(set);
            }
        }
        distinct.truncate(SETS_LIMIT);
        distinct
    }

    /// Returns what must be refused: something unknown, and each parameter as what it is not.
    pub(super) fn rubbish(&self) -> Vec<Value> {
        let defaults = self.defaults();
        let mut all = Vec::new();
        let mut unknown = defaults.clone();
        unknown["no_such_parameter"] = json!(1);
        all.push(unknown);
        for (name, property) in self.properties() {
            // What gives no response of its type takes anything.
            let property = self.resolved(property);
            if ["type", "enum", "oneOf", "anyOf", "const"]
                .iter()
                .all(|keyword| property.get(keyword).is_none())
            {
                continue;
            }
            let mut wrong = defaults.clone();
            wrong[name] = json!({ "rubbish": [[]] });
            all.push(wrong);
        }
        all
    }

    fn properties(&self) -> impl Iterator<Item = (&'a String, &'a Value)> {
        self.schema["properties"].as_object().into_iter().flatten()
    }

    /// Returns what a reference within the schema means.
    fn resolved(&self, property: &'a Value) -> &'a Value {
        let target = property["$ref"]
            .as_str()
            .and_then(|reference| reference.strip_prefix('#'));
        let target = target.and_then(|pointer| self.schema.pointer(pointer));
        target.unwrap_or(property)
    }

    /// Returns what lies at the limits of one parameter.
    fn edges(&self, property: &Value) -> Vec<Value> {
        let mut edges = Vec::new();
        for keyword in ["anyOf", "oneOf"] {
            for one in property[keyword].as_array().into_iter().flatten() {
                edges.extend(self.edges(one));
            }
        }
        edges.extend(property.get("const").cloned());
        edges.extend(property["enum"].as_array().into_iter().flatten().cloned());
        let number = |keyword: &str| property[keyword].as_f64();
        let types = match &property["type"] {
            Value::Array(several) => several.clone(),
            one => vec![one.clone()],
        };
        for kind in types.iter().filter_map(Value::as_str) {
            match kind {
                "boolean" => edges.extend([json!(false), json!(true)]),
                "integer" | "number" => {
                    let whole = kind == "integer";
                    let step = if whole { 1.0 } else { 0.001 };
                    let lowest = number("minimum")
                        .or_else(|| number("exclusiveMinimum").map(|limit| limit + step));
                    let highest = number("maximum")
                        .or_else(|| number("exclusiveMaximum").map(|limit| limit - step));
                    let ends = [lowest.unwrap_or(0.0), highest.unwrap_or(1e9)];
                    edges
                        .extend(ends.map(|end| if whole { json!(end as i64) } else { json!(end) }));
                }
                "string" if property.get("enum").is_none() => {
                    let length = |keyword: &str, otherwise: u64| {
                        let length = property[keyword].as_u64().unwrap_or(otherwise);
                        usize::try_from(length.min(1000)).unwrap_or(1000)
                    };
                    edges.push(json!("x".repeat(length("minLength", 0))));
                    edges.push(json!("x".repeat(length("maxLength", 64))));
                }
                "array" => {
                    edges.push(json!([]));
                    let one = self.edges(&property["items"]);
                    edges.extend(one.into_iter().take(2).map(|item| json!([item])));
                }
                _ => {}
            }
        }
        edges
    }
}

/// Returns whether a value fits one parameter, whatever that refers to.
fn is_valid(schema: &Value, property: &Value, value: &Value) -> bool {
    let mut whole = property.clone();
    if let (Some(object), Some(definitions)) = (whole.as_object_mut(), schema.get("$defs")) {
        object.insert("$defs".to_owned(), definitions.clone());
    }
    jsonschema::is_valid(&whole, value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "required": ["percent"],
            "properties": {
                "percent": { "type": "integer", "minimum": 1, "maximum": 100 },
                "how": { "$ref": "#/$defs/How", "default": "soft" },
                "to": { "type": "array", "items": { "type": "string", "minLength": 1 }, "default": [] },
            },
            "$defs": { "How": { "oneOf": [{ "const": "soft" }, { "const": "hard" }] } },
        })
    }

    #[test]
    fn each_parameter_is_tried_at_its_limits() {
        let schema = schema();
        let schema = Schema::new(&schema).expect("a schema");
        assert_eq!(
            schema.defaults(),
            json!({ "percent": 1, "how": "soft", "to": [] })
        );
        let sets = schema.sets(&[json!({ "percent": 50 }), json!({ "percent": 200 })]);
        let expected = [
            json!({ "percent": 1, "how": "soft", "to": [] }),
            json!({ "percent": 1, "how": "hard", "to": [] }),
            json!({ "percent": 100, "how": "soft", "to": [] }),
            json!({ "percent": 1, "how": "soft", "to": ["x"] }),
            json!({ "percent": 50, "how": "soft", "to": [] }),
        ];
        for set in &expected {
            assert!(sets.contains(set), "{set} is missing in {sets:?}");
        }
        assert!(sets.iter().all(|set| schema.accepts(set)), "{sets:?}");
        assert_eq!(sets[0]["percent"], 50, "what the author names comes first");
    }

    #[test]
    fn rubbish_does_not_fit_a_schema_that_says_what_fits() {
        let tight = schema();
        let schema = Schema::new(&tight).expect("a schema");
        for rubbish in schema.rubbish() {
            assert!(!schema.accepts(&rubbish), "{rubbish}");
        }
        let loose = json!({ "type": "object", "additionalProperties": true });
        let schema = Schema::new(&loose).expect("a schema");
        assert!(
            schema
                .rubbish()
                .iter()
                .any(|rubbish| schema.accepts(rubbish))
        );
        assert!(Schema::new(&json!({ "type": "nonsense" })).is_err());
    }
}
