//! A schema's violations in words for people.

use jsonschema::ValidationError;
use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;

use super::document::child;
use super::words::{described, list_of, quoted, shown, type_name};
use super::{Document, Problem};
use duress_model::nearest;

/// Problems, as they are found.
pub(super) struct Violations<'a> {
    document: &'a Document,
    schema: &'a Value,
    prefix: &'a str,
    noun: &'a str,
    problems: Vec<Problem>,
    /// Keys that an unknown key was taken for: to call these missing too would be one mistake told twice.
    meant: Vec<String>,
}

impl<'a> Violations<'a> {
    pub(super) fn new(
        document: &'a Document,
        schema: &'a Value,
        prefix: &'a str,
        noun: &'a str,
    ) -> Self {
        Self {
            document,
            schema,
            prefix,
            noun,
            problems: Vec::new(),
            meant: Vec::new(),
        }
    }

    pub(super) fn into_problems(mut self) -> Vec<Problem> {
        let meant = self.meant;
        self.problems
            .retain(|problem| !(meant.contains(&problem.pointer) && is_missing(problem)));
        self.problems
    }

    /// Turns one violation into one problem or more.
    pub(super) fn explain(&mut self, error: &ValidationError<'_>) {
        use ValidationErrorKind as Kind;
        let at = format!("{}{}", self.prefix, error.instance_path().as_str());
        let value = error.instance().as_ref();
        let name = self.document.name_of(&at);
        let is = quoted(value);
        let message = match error.kind() {
            Kind::AdditionalProperties { unexpected }
            | Kind::UnevaluatedProperties { unexpected } => {
                return self.unknown_keys(error, &at, unexpected);
            }
            // Where no key at all is known, the validator complains of the whole mapping.
            Kind::FalseSchema if value.as_object().is_some_and(|map| !map.is_empty()) => {
                let keys = value
                    .as_object()
                    .into_iter()
                    .flat_map(|map| map.keys().cloned());
                return self.unknown_keys(error, &at, &keys.collect::<Vec<_>>());
            }
            Kind::Required { property } => return self.missing_key(error, &at, property),
            Kind::Type { kind } => return self.wrong_type(&at, value, &types_of(kind)),
            Kind::AnyOf { context } | Kind::OneOfNotValid { context } => {
                return self.no_choice(&at, value, context);
            }
            Kind::Enum { options } => return self.not_one_of(&at, value, options),
            Kind::Constant { expected_value } => {
                return self.not_one_of(
                    &at,
                    value,
                    &Value::Array(vec![(**expected_value).clone()]),
                );
            }
            Kind::PropertyNames { error } => {
                let key = shown(error.instance().as_str().unwrap_or(""));
                format!("{name} has a key `{key}` that may not stand there")
            }
            Kind::Minimum { limit } => {
                format!("{name} is {is}; it must be at least {}", number(limit))
            }
            Kind::Maximum { limit } => {
                format!("{name} is {is}; it must be at most {}", number(limit))
            }
            Kind::ExclusiveMinimum { limit } => {
                format!("{name} is {is}; it must be above {}", number(limit))
            }
            Kind::ExclusiveMaximum { limit } => {
                format!("{name} is {is}; it must be below {}", number(limit))
            }
            Kind::MultipleOf { multiple_of } => {
                format!("{name} is {is}; it must be a multiple of {multiple_of}")
            }
            Kind::MinItems { limit: 1 } => {
                format!("{name} is an empty list; it must hold at least one item")
            }
            Kind::MinItems { limit } => format!("{name} must hold at least {limit} items"),
            Kind::MaxItems { limit } => format!("{name} may hold at most {limit} items"),
            Kind::UniqueItems => format!("{name} holds the same item twice"),
            Kind::MinLength { limit: 1 } => format!("{name} is empty"),
            Kind::MinLength { limit } => {
                format!("{name} is {is}; it must have at least {limit} characters")
            }
            Kind::MaxLength { limit } => {
                format!("{name} is too long; it may have at most {limit} characters")
            }
            Kind::MinProperties { limit } => format!("{name} must hold at least {limit} keys"),
            Kind::MaxProperties { limit } => format!("{name} may hold at most {limit} keys"),
            Kind::Pattern { pattern } => match self.beside(error, "patternErrorMessage") {
                Some(Value::String(right)) => format!("{name} is {is}; it must be {right}"),
                _ => match duress_model::form::in_words(pattern) {
                    Some(right) => format!("{name} is {is}; it must be {right}"),
                    None => format!(
                        "{name} is {is}; it does not have the form that it must have, which is the regular expression `{}`",
                        shown(pattern)
                    ),
                },
            },
            Kind::Format { format } => format!("{name} is {is}; it must be a {format}"),
            Kind::FalseSchema if self.noun == "parameter" => {
                format!("{name} may not be given: this fault has no parameters")
            }
            Kind::FalseSchema => format!("{name} may not stand here"),
            _ => format!("{name}: {}", shown(&error.to_string())),
        };
        self.problems.push(self.document.problem(&at, message));
    }

    fn unknown_keys(&mut self, error: &ValidationError<'_>, at: &str, unexpected: &[String]) {
        let allowed: Vec<&str> = match self.beside(error, "properties") {
            // A deprecated key is read, and not suggested.
            Some(Value::Object(properties)) => properties
                .iter()
                .filter(|(_, schema)| schema.get("deprecated") != Some(&Value::Bool(true)))
                .map(|(key, _)| key.as_str())
                .collect(),
            _ => Vec::new(),
        };
        let present = |key: &str| error.instance().get(key).is_some();
        for key in unexpected {
            let pointer = child(at, key);
            let free = allowed.iter().copied().filter(|key| !present(key));
            let mut message = format!("unknown {} `{}`", self.noun, shown(key));
            let mut help = None;
            if let Some(near) = nearest(key, free) {
                message.push_str(&format!("; did you mean `{near}`?"));
                self.meant.push(child(at, near));
            } else if allowed.is_empty() {
                help = Some(format!("there are no {}s here", self.noun));
            } else {
                help = Some(format!("known here: {}", list_of(allowed.iter().copied())));
            }
            let mut problem = self.document.problem_at_key(&pointer, message);
            problem.help = help;
            self.problems.push(problem);
        }
    }

    fn missing_key(&mut self, error: &ValidationError<'_>, at: &str, property: &Value) {
        let key = property.as_str().unwrap_or("");
        let pointer = child(at, key);
        let message = format!("{MISSING} {} `{}`", self.noun, shown(key));
        let mut problem = self.document.problem_at_key(&pointer, message);
        if let Some(Value::String(text)) = self
            .beside(error, "properties")
            .and_then(|properties| properties.get(key)?.get("description"))
        {
            problem.help = Some(format!("`{}`: {text}", shown(key)));
        }
        self.problems.push(problem);
    }

    fn wrong_type(&mut self, at: &str, value: &Value, types: &[&str]) {
        let name = self.document.name_of(at);
        let wanted: Vec<&str> = types.iter().map(|name| type_name(name)).collect();
        let wanted = wanted.join(" or ");
        let message = match value {
            Value::Null if at.is_empty() => format!("{name} is empty; it must hold {wanted}"),
            Value::Null => format!("{name} has no value; it must be {wanted}"),
            Value::Number(number) if types.contains(&"integer") => {
                format!("{name} is {number}; it must be {wanted}")
            }
            _ => format!("{name} must be {wanted}, not {}", described(value)),
        };
        let mut problem = self.document.problem(at, message);
        let scalar = !value.is_array() && !value.is_object() && !value.is_null();
        if types == ["string"] && scalar {
            problem.help = Some(format!("put it in quotes: \"{value}\""));
        } else if types == ["array"]
            && let Some(item) = value.as_str().and_then(|text| text.strip_prefix('-'))
        {
            problem.help = Some(format!(
                "put a space behind the `-` of each item: `- {}`",
                shown(item.trim_start())
            ));
        } else if types == ["array"] && scalar {
            problem.help = Some(format!("write it as a list: [{}]", quoted_item(value)));
        }
        self.problems.push(problem);
    }

    fn not_one_of(&mut self, at: &str, value: &Value, options: &Value) {
        let name = self.document.name_of(at);
        let words: Vec<String> = match options {
            Value::Array(options) => options.iter().map(plain).collect(),
            other => vec![plain(other)],
        };
        let words = words.iter().map(String::as_str);
        let mut message = format!(
            "{name} is {}; it must be {}{}",
            quoted(value),
            if words.len() > 1 { "one of " } else { "" },
            list_of(words.clone())
        );
        if let Some(near) = value.as_str().and_then(|word| nearest(word, words)) {
            message.push_str(&format!("; did you mean `{near}`?"));
        }
        self.problems.push(self.document.problem(at, message));
    }

    /// None of several shapes fits: speak of the one that was most likely meant.
    fn no_choice(&mut self, at: &str, value: &Value, context: &[Vec<ValidationError<'static>>]) {
        let branches: Vec<Branch> = context
            .iter()
            .map(|errors| self.branch(at, errors))
            .collect();
        let possible = || branches.iter().filter(|branch| !branch.wrong_kind);
        if let Some(best) = possible()
            .filter(|branch| branch.tag.is_none())
            .min_by_key(|branch| branch.errors.len())
        {
            return best.errors.iter().for_each(|error| self.explain(error));
        }
        if let Some((tag, value, _)) = possible().find_map(|branch| branch.tag.clone()) {
            let words = possible().filter_map(|branch| Some(branch.tag.clone()?.2));
            return self.not_one_of(&tag, &value, &words.collect());
        }
        let options: Vec<Value> = branches.iter().flat_map(|b| b.options.clone()).collect();
        if !options.is_empty() {
            return self.not_one_of(at, value, &Value::Array(options));
        }
        let mut types: Vec<&str> = branches.iter().flat_map(|b| b.types.clone()).collect();
        types.dedup();
        self.wrong_type(at, value, &types);
    }

    /// Returns how one of several shapes does not fit.
    fn branch<'e>(&self, at: &str, errors: &'e [ValidationError<'static>]) -> Branch<'e> {
        let mut branch = Branch {
            errors,
            wrong_kind: false,
            types: Vec::new(),
            options: Vec::new(),
            tag: None,
        };
        for error in errors {
            let pointer = format!("{}{}", self.prefix, error.instance_path().as_str());
            match error.kind() {
                ValidationErrorKind::Type { kind } if pointer == at => {
                    branch.wrong_kind = true;
                    branch.types.extend(types_of(kind));
                }
                ValidationErrorKind::Constant { expected_value } if pointer == at => {
                    branch.wrong_kind = true;
                    branch.options.push((**expected_value).clone());
                }
                ValidationErrorKind::Enum { options } if pointer == at => {
                    branch.wrong_kind = true;
                    let options = options.as_array().into_iter().flatten();
                    branch.options.extend(options.cloned());
                }
                ValidationErrorKind::Constant { expected_value } => {
                    let is = error.instance().as_ref().clone();
                    branch.tag = Some((pointer, is, (**expected_value).clone()));
                }
                _ => {}
            }
        }
        branch
    }

    /// Returns the value of another keyword in the schema object whose keyword was violated.
    fn beside(&self, error: &ValidationError<'_>, keyword: &str) -> Option<&'a Value> {
        let (object, _) = error.schema_path().as_str().rsplit_once('/')?;
        self.schema.pointer(object)?.get(keyword)
    }
}

/// One of several shapes, and how a value does not fit it.
struct Branch<'e> {
    errors: &'e [ValidationError<'static>],
    /// The value is of another type or another word altogether.
    wrong_kind: bool,
    types: Vec<&'static str>,
    options: Vec<Value>,
    /// A key within says that another shape is meant: its pointer, what it is, what it would be here.
    tag: Option<(String, Value, Value)>,
}

/// How a message about a missing key begins.
const MISSING: &str = "missing";

fn is_missing(problem: &Problem) -> bool {
    problem.message.starts_with(MISSING)
}

fn types_of(kind: &TypeKind) -> Vec<&'static str> {
    match kind {
        TypeKind::Single(only) => vec![only.as_str()],
        TypeKind::Multiple(several) => several.iter().map(|name| name.as_str()).collect(),
    }
}

/// A limit without the `.0` that a schema of fractions puts behind whole numbers.
fn number(limit: &Value) -> String {
    let text = limit.to_string();
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn quoted_item(value: &Value) -> String {
    shown(&plain(value))
}
