//! A campaign as a person wrote it: well-formed as a text, not yet checked against what there is.

use std::path::Path;

use serde_json::Value;

use super::Campaign;
use duress_yaml::{Document, LoadError, Problem};

/// A campaign, or what there is of one, with the mistakes of form found so far.
#[derive(Debug)]
pub struct Draft {
    pub(super) document: Document,
    /// Only where the form is right.
    pub(super) campaign: Option<Campaign>,
    pub(super) problems: Vec<Problem>,
}

impl Draft {
    /// Reads a campaign file. Fails only where no YAML can be read at all; what is wrong with the content is told by
    /// [`super::Resolved::finish`], together with all else.
    pub fn load(path: &Path) -> Result<Self, LoadError> {
        Ok(Self::new(Document::read(path)?))
    }

    /// Returns the text that the person wrote.
    pub fn source(&self) -> &str {
        self.document.text()
    }

    /// Returns what a document says.
    pub fn new(document: Document) -> Self {
        let (campaign, problems) = document.interpret();
        Self {
            document,
            campaign,
            problems,
        }
    }

    /// Adds mistakes that the document's own form does not show.
    #[must_use]
    pub fn with_problems(mut self, problems: Vec<Problem>) -> Self {
        self.problems.extend(problems);
        self
    }

    /// Returns the subjects that are named, each once: the catalog must hold these that exist, with their faults.
    pub fn subjects(&self) -> Vec<&str> {
        let named = self.document.value().get("subjects");
        let named = named.and_then(Value::as_array).into_iter().flatten();
        let mut subjects = Vec::new();
        for name in named.filter_map(Value::as_str) {
            if !subjects.contains(&name) {
                subjects.push(name);
            }
        }
        subjects
    }
}
