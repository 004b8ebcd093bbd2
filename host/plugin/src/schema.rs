//! How much work a parameter schema makes: a component wrote it, and the host validates against it.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// The largest schema, in bytes of JSON.
const SIZE: usize = 256 << 10;
/// The most subschemas that one value can be checked against, with every reference followed.
const WORK: u64 = 20_000;
/// How deep subschemas may lie within each other, references included.
const DEPTH: usize = 64;

/// Keywords whose values are no schemas.
const PLAIN: [&str; 10] = [
    "$comment",
    "$schema",
    "const",
    "default",
    "description",
    "enum",
    "examples",
    "required",
    "title",
    "type",
];
/// Keywords whose values are maps from any name to a schema.
const MAPS: [&str; 3] = ["properties", "patternProperties", "dependentSchemas"];
/// Schemas that count where they are referred to.
const DEFINITIONS: [&str; 2] = ["$defs", "definitions"];
/// What leads a validator somewhere else than a pointer says.
const REFUSED: [&str; 4] = ["$id", "$anchor", "$dynamicRef", "$recursiveRef"];

/// Checks that validating against a schema ends soon, whatever is validated.
///
/// # Errors
/// What is too much, to stand behind "its parameter schema".
pub(super) fn check(schema: &Value) -> Result<(), String> {
    let size = schema.to_string().len();
    if size > SIZE {
        return Err(format!("has {size} bytes; {SIZE} are the most"));
    }
    let mut work = Work {
        root: schema,
        known: HashMap::new(),
        open: Vec::new(),
    };
    match work.of_schema(schema, 0)? {
        cost if cost > WORK => Err(format!(
            "makes the host check a value more than {WORK} times: simplify its `oneOf`, `anyOf` and `$ref`"
        )),
        _ => Ok(()),
    }
}

struct Work<'a> {
    root: &'a Value,
    /// By reference.
    known: HashMap<&'a str, u64>,
    /// References that are being followed.
    open: Vec<&'a str>,
}

impl<'a> Work<'a> {
    fn of_schema(&mut self, schema: &'a Value, depth: usize) -> Result<u64, String> {
        if depth > DEPTH {
            return Err(format!("is more than {DEPTH} levels deep"));
        }
        match schema {
            Value::Object(keywords) => self.of_keywords(keywords, depth),
            Value::Array(list) => self.sum(list.iter(), depth),
            _ => Ok(1),
        }
    }

    fn of_keywords(
        &mut self,
        keywords: &'a Map<String, Value>,
        depth: usize,
    ) -> Result<u64, String> {
        let mut all = 1_u64;
        for (keyword, value) in keywords {
            let keyword = keyword.as_str();
            if PLAIN.contains(&keyword) || DEFINITIONS.contains(&keyword) {
                continue;
            }
            // The whole schema may have a name.
            if REFUSED.contains(&keyword) && !(depth == 0 && keyword == "$id") {
                return Err(format!("has `{keyword}`, which is not supported"));
            }
            let more = match (keyword, value) {
                ("$ref", Value::String(reference)) => self.of_reference(reference, depth + 1)?,
                (_, Value::Object(map)) if MAPS.contains(&keyword) => {
                    self.sum(map.values(), depth + 1)?
                }
                (_, Value::Object(_) | Value::Array(_)) => self.of_schema(value, depth + 1)?,
                _ => 0,
            };
            all = all.saturating_add(more);
        }
        Ok(all)
    }

    fn sum(
        &mut self,
        schemas: impl Iterator<Item = &'a Value>,
        depth: usize,
    ) -> Result<u64, String> {
        let mut all = 0_u64;
        for schema in schemas {
            all = all.saturating_add(self.of_schema(schema, depth + 1)?);
        }
        Ok(all)
    }

    fn of_reference(&mut self, reference: &'a str, depth: usize) -> Result<u64, String> {
        if let Some(known) = self.known.get(reference) {
            return Ok(*known);
        }
        let named = |why: &str| format!("has a `$ref` to `{}`, {why}", reference.escape_debug());
        if self.open.contains(&reference) || reference == "#" {
            return Err(named("which leads back to itself"));
        }
        let target = reference
            .strip_prefix('#')
            .filter(|pointer| pointer.is_empty() || pointer.starts_with('/'))
            .and_then(|pointer| self.root.pointer(pointer))
            .ok_or_else(|| named("which is nothing in it"))?;
        self.open.push(reference);
        let work = self.of_schema(target, depth)?;
        self.open.pop();
        self.known.insert(reference, work);
        Ok(work)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_people_write_is_in_order() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "type": "object",
            "properties": {
                "signal": { "$ref": "#/$defs/Signal", "default": "SIGKILL" },
                "default": { "oneOf": [{ "type": "integer", "minimum": 1 }, { "type": "null" }] },
            },
            "additionalProperties": false,
            "$defs": { "Signal": { "enum": ["SIGKILL", "SIGTERM"] } },
        });
        assert_eq!(check(&schema), Ok(()));
    }

    #[test]
    fn a_schema_that_multiplies_at_every_level_is_refused() {
        let mut definitions = Map::new();
        for level in 0..10 {
            let next = json!({ "$ref": format!("#/$defs/l{}", level + 1) });
            definitions.insert(format!("l{level}"), json!({ "oneOf": vec![next; 8] }));
        }
        definitions.insert("l10".into(), json!({ "type": "integer" }));
        let schema = json!({ "$ref": "#/$defs/l0", "$defs": definitions });
        assert!(check(&schema).expect_err("refused").contains("times"));
    }

    #[test]
    fn a_schema_without_an_end_is_refused() {
        let loops = json!({ "$ref": "#/$defs/a", "$defs": { "a": { "allOf": [{ "$ref": "#/$defs/a" }] } } });
        assert!(
            check(&loops)
                .expect_err("refused")
                .contains("back to itself")
        );
        let whole = json!({ "properties": { "a": { "$ref": "#" } } });
        assert!(check(&whole).is_err());
        let elsewhere = json!({ "$ref": "https://example.org/schema" });
        assert!(check(&elsewhere).is_err());
        let mut deep = json!({});
        for _ in 0..100 {
            deep = json!({ "not": deep });
        }
        assert!(check(&deep).expect_err("refused").contains("deep"));
        let large = json!({ "description": "x".repeat(SIZE) });
        assert!(check(&large).expect_err("refused").contains("bytes"));
    }
}
