//! Containers that duress did not make: which of them a trial is about.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::Project;

/// Begins the part of a [`Project`]'s text that says which containers it attaches to. No compose project has it in its name.
const MARK: char = '@';

/// Containers of a system that already runs.
///
/// Its text form stands in the project of each trial on such a system, and so in the journal: a recovery after a crash finds the same
/// containers.
///
/// ```
/// use duress_engine::{Project, Selection};
/// let shop = Selection::Project("shop".into());
/// let project = Project("duress-3f9a1c02".into()).attached_to(&shop);
/// assert_eq!(project.0, "duress-3f9a1c02@project=shop");
/// assert_eq!(project.selection(), Some(shop));
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// Those of a compose project; they are called as its services are.
    Project(String),
    /// Those that carry all of these labels, each `name` or `name=value`; they are called by their own names.
    Labels(Vec<String>),
    /// Those of these names.
    Containers(Vec<String>),
}

impl Selection {
    /// Returns why a part of it cannot be what it should be, if so: what cannot stand in a label or in a list of such.
    pub fn flaw(&self) -> Option<String> {
        let parts = self.parts();
        if parts.is_empty() {
            return Some("it selects nothing".to_owned());
        }
        let is_fit = |part: &&&str| {
            !part.is_empty()
                && part.len() <= 256
                && !part.starts_with(['-', '='])
                && part
                    .chars()
                    .all(|c| c.is_ascii_graphic() && !matches!(c, ',' | '"' | '\\'))
        };
        let flawed = parts.iter().find(|part| !is_fit(part))?;
        Some(format!(
            "`{}` cannot be a name or a label, which has 1 to 256 visible ASCII characters and no `,`",
            flawed.escape_debug()
        ))
    }

    fn parts(&self) -> Vec<&str> {
        match self {
            Self::Project(name) => vec![name],
            Self::Labels(list) | Self::Containers(list) => {
                list.iter().map(String::as_str).collect()
            }
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.split_once('=')?;
        let list = || rest.split(',').map(str::to_owned).collect();
        let selection = match kind {
            "project" => Self::Project(rest.to_owned()),
            "labels" => Self::Labels(list()),
            "containers" => Self::Containers(list()),
            _ => return None,
        };
        selection.flaw().is_none().then_some(selection)
    }
}

impl fmt::Display for Selection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::Project(_) => "project",
            Self::Labels(_) => "labels",
            Self::Containers(_) => "containers",
        };
        write!(f, "{kind}={}", self.parts().join(","))
    }
}

impl Project {
    /// Returns this project as one that attaches to containers that already run: it brings none up, and takes none down.
    #[must_use]
    pub fn attached_to(&self, selection: &Selection) -> Self {
        Self(format!("{}{MARK}{selection}", self.0))
    }

    /// Returns the containers that it attaches to; `None` for a project of duress's own.
    pub fn selection(&self) -> Option<Selection> {
        let (_, selection) = self.0.split_once(MARK)?;
        Selection::parse(selection)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selection_is_read_as_it_was_written() {
        let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
        for selection in [
            Selection::Project("shop".into()),
            Selection::Labels(texts(&["app=web", "tier"])),
            Selection::Containers(texts(&["web", "db-1"])),
        ] {
            let project = Project("duress-1".into()).attached_to(&selection);
            assert_eq!(project.selection(), Some(selection));
        }
    }

    #[test]
    fn what_cannot_be_written_is_told() {
        for part in ["", "a,b", "a b", "-rf", "=x", "é"] {
            let selection = Selection::Containers(vec![part.to_owned()]);
            assert!(selection.flaw().is_some(), "{part:?}");
        }
        assert!(Selection::Labels(Vec::new()).flaw().is_some());
    }

    #[test]
    fn a_project_of_its_own_attaches_to_nothing() {
        for text in [
            "duress-1",
            "duress-1@",
            "duress-1@else=x",
            "duress-1@project=",
        ] {
            assert_eq!(Project(text.into()).selection(), None, "{text}");
        }
    }
}
