//! A YAML file as a tree in which each part knows where it stands.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Number, Value};
use serde_saphyr::options::{DuplicateKeyPolicy, Options};
use serde_saphyr::{Error, Spanned};

/// How deep lists and mappings may nest. Our formats need six; the limit guards the stack.
const DEPTH_LIMIT: usize = 48;
/// How many lists, mappings and scalars a file may hold, aliases followed: what a file of 1 MiB needs without any alias.
const NODE_LIMIT: usize = 600_000;
/// How many parts aliases may repeat: enough to share a dozen blocks, too few for a bomb.
const ALIAS_LIMIT: usize = 20_000;

/// One part of the file.
pub(super) enum Node {
    /// Null, true, false, a number or a text.
    Scalar(Value),
    /// A list.
    List(Vec<Spanned<Self>>),
    /// A mapping, in the file's order; a key may stand there twice.
    Map(Vec<(Spanned<String>, Spanned<Self>)>),
}

/// Parses a text of exactly one document.
pub(super) fn parse(text: &str) -> Result<Spanned<Node>, Box<Error>> {
    serde_saphyr::from_str_with_options(text, options()).map_err(Box::new)
}

fn options() -> Options {
    serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: DEPTH_LIMIT,
            flow_nesting_limit: DEPTH_LIMIT,
            max_nodes: NODE_LIMIT,
            max_documents: 1,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: ALIAS_LIMIT },
        // Both of a pair reach us, so that a duplicate is one mistake among the others.
        duplicate_keys: DuplicateKeyPolicy::LastWins,
        strict_booleans: true,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a mapping")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        // 2.0 is a whole number to JSON Schema, and not to serde; within 2^53 the two forms are equal.
        #[expect(
            clippy::cast_possible_truncation,
            reason = "checked by the line before"
        )]
        let number = if value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0 {
            Number::from(value as i64)
        } else {
            Number::from_f64(value).ok_or_else(|| E::custom("a number must be finite"))?
        };
        Ok(Node::Scalar(Value::Number(number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = access.next_element()? {
            list.push(item);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = access.next_entry()? {
            map.push(entry);
        }
        Ok(Node::Map(map))
    }
}
