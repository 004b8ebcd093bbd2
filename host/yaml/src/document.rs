//! A parsed file: its value, and where each part of it stands.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_saphyr::{Location, Spanned};

use super::invalid::Source;
use super::node::Node;
use super::words::shown;
use super::{Invalid, LoadError, Problem, file, node, schema_of, syntax};

/// Where a part of a document stands.
#[derive(Debug, Clone)]
pub struct Place {
    /// What messages call it, when it is not by its key: a command line's flag.
    pub name: Option<String>,
    /// Byte offset and length of its key.
    pub key: Option<(usize, usize)>,
    /// Byte offset and length of its value; for a list or a mapping, where it begins.
    pub value: (usize, usize),
}

/// A text that is one value, with places.
#[derive(Debug)]
pub struct Document {
    source: Arc<Source>,
    value: Value,
    /// By JSON Pointer.
    places: BTreeMap<String, Place>,
    /// What is wrong with the text itself although it can be read: keys that stand twice.
    mistakes: Vec<Problem>,
}

impl Document {
    /// Reads and parses a file.
    pub fn read(path: &Path) -> Result<Self, LoadError> {
        let text = file::read(path)?;
        Ok(Self::parse(path.display().to_string(), text)?)
    }

    /// Parses a text of one YAML document. The name stands for it in messages.
    pub fn parse(name: impl Into<String>, text: impl Into<String>) -> Result<Self, Invalid> {
        let source = Arc::new(Source::new(name.into(), text.into()));
        let mut document = Self {
            source,
            value: Value::Null,
            places: BTreeMap::new(),
            mistakes: Vec::new(),
        };
        match node::parse(&document.source.text) {
            Ok(root) => {
                document.value = document.index(root, String::new(), None);
                Ok(document)
            }
            Err(error) => {
                let span = document.span(&error.location().unwrap_or(Location::UNKNOWN));
                let mut problem = document.problem_in(span, String::new(), syntax::words(&error));
                problem.help = syntax::help(&error);
                Err(document.invalid(vec![problem]))
            }
        }
    }

    /// A document that did not come from YAML: a command line, say.
    pub fn assembled(
        name: impl Into<String>,
        text: impl Into<String>,
        value: Value,
        places: BTreeMap<String, Place>,
    ) -> Self {
        Self {
            source: Arc::new(Source::new(name.into(), text.into())),
            value,
            places,
            mistakes: Vec::new(),
        }
    }

    /// Returns the whole text.
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// Returns the whole value.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Returns the value as a `T`, or every reason why it is not one.
    pub fn interpret<T: DeserializeOwned + JsonSchema>(&self) -> (Option<T>, Vec<Problem>) {
        let mut problems = self.mistakes.clone();
        problems.extend(self.check_schema(&schema_of::<T>(), "", &self.value, "key"));
        if !problems.is_empty() {
            return (None, problems);
        }
        match serde_path_to_error::deserialize(&self.value) {
            Ok(value) => (Some(value), problems),
            Err(error) => {
                let pointer = pointer_of(error.path());
                let message = format!(
                    "{}: {}",
                    self.name_of(&pointer),
                    shown(&error.inner().to_string())
                );
                (None, vec![self.problem(&pointer, message)])
            }
        }
    }

    /// These problems, as the error that this document is.
    pub fn invalid(&self, problems: Vec<Problem>) -> Invalid {
        Invalid::new(Arc::clone(&self.source), problems)
    }

    /// A mistake in the value at a JSON Pointer; if there isn't one, in what it would stand in.
    pub fn problem(&self, pointer: &str, message: impl Into<String>) -> Problem {
        let span = match self.places.get(pointer) {
            Some(place) => place.value,
            None => self.enclosing(pointer),
        };
        self.problem_in(span, pointer.to_owned(), message.into())
    }

    /// A mistake in the key at a JSON Pointer, or in something that is missing there.
    pub fn problem_at_key(&self, pointer: &str, message: impl Into<String>) -> Problem {
        let place = self.places.get(pointer);
        let span = match place {
            Some(Place { key: Some(key), .. }) => *key,
            Some(place) => place.value,
            None => self.enclosing(pointer),
        };
        self.problem_in(span, pointer.to_owned(), message.into())
    }

    /// A mistake in a piece of the text at a JSON Pointer, given as bytes of that text. Where the file writes the text otherwise
    /// (with escapes, over several lines), the place is the whole.
    pub fn problem_within(
        &self,
        pointer: &str,
        piece: std::ops::Range<usize>,
        message: impl Into<String>,
    ) -> Problem {
        let mut problem = self.problem(pointer, message);
        let text = self.value.pointer(pointer).and_then(Value::as_str);
        let written = |text: &str, from: usize| {
            self.source
                .text
                .get(from..)
                .is_some_and(|rest| rest.starts_with(text))
        };
        let start = problem.span.0;
        if let Some(text) = text
            && text.get(piece.clone()).is_some()
            && self.places.contains_key(pointer)
            // A quotation mark may stand before the text.
            && let Some(from) = [start, start + 1].into_iter().find(|from| written(text, *from))
        {
            problem.span = (from + piece.start, piece.len());
            (problem.line, problem.column) = self.source.position(problem.span.0);
        }
        problem
    }

    /// Returns what messages call the part at a JSON Pointer.
    pub fn name_of(&self, pointer: &str) -> String {
        if let Some(Place {
            name: Some(name), ..
        }) = self.places.get(pointer)
        {
            return format!("`{name}`");
        }
        let Some((parent, token)) = pointer.rsplit_once('/') else {
            return self.source.name.clone();
        };
        if let Ok(index) = token.parse::<usize>()
            && self.value.pointer(parent).is_none_or(Value::is_array)
        {
            return format!("item {} of {}", index + 1, self.name_of(parent));
        }
        format!("`{}`", shown(&unescaped(token)))
    }

    fn enclosing(&self, pointer: &str) -> (usize, usize) {
        let mut pointer = pointer;
        while let Some((parent, _)) = pointer.rsplit_once('/') {
            if let Some(place) = self.places.get(parent) {
                return place.key.unwrap_or(place.value);
            }
            pointer = parent;
        }
        (0, 0)
    }

    fn problem_in(&self, span: (usize, usize), pointer: String, message: String) -> Problem {
        let (line, column) = self.source.position(span.0);
        Problem {
            pointer,
            line,
            column,
            message,
            help: None,
            span,
        }
    }

    /// Notes where a node and its children stand, and gives their value.
    fn index(
        &mut self,
        node: Spanned<Node>,
        pointer: String,
        key: Option<(usize, usize)>,
    ) -> Value {
        let mut span = self.span(&node.referenced);
        let value = match node.value {
            Node::Scalar(value) => value,
            Node::List(items) => {
                span = key.unwrap_or(span);
                let items = items.into_iter().enumerate();
                items
                    .map(|(index, item)| {
                        self.index(item, child(&pointer, &index.to_string()), None)
                    })
                    .collect()
            }
            Node::Map(entries) => {
                let first = entries.first().map(|(key, _)| self.span(&key.referenced));
                span = key.or(first).unwrap_or(span);
                let mut map = Map::new();
                for (key, value) in entries {
                    let at = child(&pointer, &key.value);
                    let place = self.span(&key.referenced);
                    if map.contains_key(&key.value) {
                        self.stands_twice(&at, place);
                        continue;
                    }
                    let value = self.index(value, at, Some(place));
                    map.insert(key.value, value);
                }
                Value::Object(map)
            }
        };
        let place = Place {
            name: None,
            key,
            value: span,
        };
        self.places.insert(pointer, place);
        value
    }

    fn stands_twice(&mut self, pointer: &str, second: (usize, usize)) {
        let first = self.places.get(pointer).and_then(|place| place.key);
        let (line, _) = self.source.position(first.unwrap_or(second).0);
        let name = self.name_of(pointer);
        let message = format!("{name} stands here a second time; the first is on line {line}");
        let problem = self.problem_in(second, pointer.to_owned(), message);
        self.mistakes.push(problem);
    }

    /// Byte offset and length of a location, on one line and within the text.
    fn span(&self, location: &Location) -> (usize, usize) {
        let text = &self.source.text;
        let offset = match location.span().byte_offset() {
            Some(offset) => usize::try_from(offset).unwrap_or(0).min(text.len()),
            None => self.source.offset(location.line(), location.column()),
        };
        let length = location.span().byte_len().unwrap_or(0);
        let length = usize::try_from(length).unwrap_or(0);
        let end = offset.saturating_add(length).min(text.len());
        match text.get(offset..end) {
            Some(piece) => (offset, piece.lines().next().unwrap_or("").len()),
            None => (0, 0),
        }
    }
}

/// A child's JSON Pointer.
pub(super) fn child(parent: &str, token: &str) -> String {
    format!("{parent}/{}", token.replace('~', "~0").replace('/', "~1"))
}

fn unescaped(token: &str) -> String {
    token.replace("~1", "/").replace("~0", "~")
}

fn pointer_of(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .fold(String::new(), |parent, segment| match segment {
            Segment::Seq { index } => child(&parent, &index.to_string()),
            Segment::Map { key } => child(&parent, key),
            Segment::Enum { .. } | Segment::Unknown => parent,
        })
}
