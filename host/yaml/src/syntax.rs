//! What is wrong with a text that is not YAML, in words for people who do not know the parser.

use serde_saphyr::Error;
use serde_saphyr::budget::BudgetBreach;

use super::words::shown;

/// How a message begins that has none of our own words.
const BROKEN: &str = "this is not valid YAML";
const TOO_DEEP: &str = "lists and mappings are nested too deeply here";
const TOO_MANY_ALIASES: &str = "the file is too large once its aliases (`*name`) are followed";

/// Returns the parser's error as a message without a place.
pub(super) fn words(error: &Error) -> String {
    // The parser wraps some of its errors, and tells others as text alone.
    match error.without_snippet() {
        Error::MultipleDocuments { .. }
        | Error::Budget {
            breach: BudgetBreach::Documents { .. },
            ..
        } => "a second document begins here (`---`); a file holds exactly one".to_owned(),
        Error::Budget {
            breach: BudgetBreach::Depth { .. },
            ..
        } => TOO_DEEP.to_owned(),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => TOO_MANY_ALIASES.to_owned(),
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            "an alias (`*name`) stands within what it repeats".to_owned()
        }
        Error::UnknownAnchor { .. } => {
            "an alias (`*name`) repeats something that has no such anchor (`&name`) before it"
                .to_owned()
        }
        Error::UnsupportedTag { tag, .. } => format!("unknown tag `{}`", shown(tag)),
        Error::NullIntoString { .. } => "a key must be text, not nothing".to_owned(),
        Error::Unexpected {
            expected: "string scalar",
            ..
        } => "a key must be text, not a list or a mapping".to_owned(),
        Error::NonFiniteFloat { value, .. } => {
            format!("`{}` is not a usable number", shown(value))
        }
        other => {
            let told = other.to_string().to_lowercase();
            if told.contains("replay") || told.contains("alias expansion") {
                return TOO_MANY_ALIASES.to_owned();
            }
            if told.contains("nesting") || told.contains("depth") || told.contains("recursion") {
                return TOO_DEEP.to_owned();
            }
            format!("{BROKEN}: {}", without_place(other))
        }
    }
}

/// Returns the parser puts the place behind its message; ours stands beside the text.
fn without_place(error: &Error) -> String {
    let message = error.without_snippet().to_string();
    let message = match message.rsplit_once(" at line ") {
        Some((before, _)) => before,
        None => &message,
    };
    shown(message)
}

/// Returns the most likely fix of a text that the parser does not understand.
pub(super) fn help(error: &Error) -> Option<String> {
    words(error).starts_with(BROKEN).then(|| {
        "look for a line that is indented unlike its neighbours, and for a text that needs quotes"
            .to_owned()
    })
}
