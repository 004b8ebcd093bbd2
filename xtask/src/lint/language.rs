//! Whether text is in plain technical English: phrases that a reader would have to decode are found, and the usual words named.
//!
//! It looks at comments and string literals of Rust, and at the whole of pages, interfaces and templates.

use std::fs;

use anyhow::{Context as _, Result};
use xshell::cmd;

use crate::sh::{CmdExt as _, shell};
use crate::workspace;

/// A phrase, with the words to use instead.
struct Phrase {
    words: &'static str,
    /// Next words with which it is common English.
    except: &'static [&'static str],
    instead: &'static str,
}

const fn phrase(words: &'static str, instead: &'static str) -> Phrase {
    Phrase {
        words,
        except: &[],
        instead,
    }
}

/// Each in lower case; a capital letter at its beginning makes no difference.
const PHRASES: [Phrase; 38] = [
    Phrase {
        words: "is no",
        except: &[
            "longer", "such", "more", "way", "need", "other", "file", "match", "default",
        ],
        instead: "is not a",
    },
    phrase("is none", "does not exist, or is not valid"),
    phrase("whoever", "a name for the person or program"),
    phrase("of nobody's", "that belongs to no trial"),
    phrase("nobody's", "that belongs to no trial"),
    phrase("in earnest", "for real"),
    phrase("gone on with", "resumed"),
    phrase("go on with", "resume"),
    phrase("goes on with", "resumes"),
    phrase("going on with", "resuming"),
    phrase("take back", "revert"),
    phrase("takes back", "reverts"),
    phrase("taken back", "reverted"),
    phrase("took back", "reverted"),
    phrase("take it back", "revert it"),
    phrase("takes it back", "reverts it"),
    phrase("took it back", "reverted it"),
    phrase("take them back", "revert them"),
    phrase("taken it back", "reverted it"),
    phrase("the way back", "the actions that revert it"),
    phrase("way there", "the actions that apply it"),
    phrase("mend", "repair or revert"),
    phrase("mends", "repairs or reverts"),
    phrase("mended", "repaired or reverted"),
    phrase("mending", "repairing or reverting"),
    phrase("its word", "its answer"),
    phrase("says nothing", "does not respond"),
    phrase("as it may be", "as it is"),
    phrase("what it came to", "its outcome"),
    phrase("came of it", "resulted"),
    phrase("it is there", "it exists"),
    phrase("is so now", "holds now"),
    phrase("not so any more", "no longer so"),
    phrase("told at once", "reported together"),
    phrase("such a one", "one"),
    phrase("asks for it", "requests it"),
    phrase("lies in", "is in"),
    phrase("lies beside", "is beside"),
];

/// What is looked at.
const ENDINGS: [&str; 7] = [".md", ".rs", ".wit", ".txt", ".yaml", ".c", ".py"];
/// What is not: interfaces as they were published, what earlier versions were called, and the phrases themselves.
const EXCEPT: [&str; 3] = [
    "wit/published/",
    "CHANGELOG.md",
    "xtask/src/lint/language.rs",
];

/// Prints each phrase that was found. Returns whether there was none.
pub(super) fn is_plain() -> Result<bool> {
    let sh = shell()?;
    let files = cmd!(sh, "git ls-files").capture()?;
    let mut is_plain = true;
    for file in files.lines().filter(|file| is_looked_at(file)) {
        let text = fs::read_to_string(workspace::root().join(file))
            .with_context(|| format!("read {file}"))?;
        for (number, line) in text.lines().enumerate() {
            let words = match file.ends_with(".rs") {
                true => words(&prose(line)),
                false => words(line),
            };
            for found in PHRASES.iter().filter(|phrase| phrase.is_in(&words)) {
                is_plain = false;
                let Phrase { words, instead, .. } = found;
                println!("{file}:{}: `{words}`: write `{instead}`", number + 1);
            }
        }
    }
    Ok(is_plain)
}

fn is_looked_at(file: &str) -> bool {
    ENDINGS.iter().any(|ending| file.ends_with(ending))
        && !EXCEPT.iter().any(|except| file.starts_with(except))
}

/// Returns the comment and the string literals of a line of Rust.
fn prose(line: &str) -> String {
    let (code, comment) = line.split_once("//").unwrap_or((line, ""));
    let literals: Vec<_> = code.split('"').skip(1).step_by(2).collect();
    format!("{comment} {}", literals.join(" "))
}

/// Returns the words with one space around each.
fn words(text: &str) -> String {
    let is_letter = |letter: char| letter.is_alphanumeric() || matches!(letter, '\'' | '_');
    let words: Vec<_> = text
        .split(|letter| !is_letter(letter))
        .filter(|word| !word.is_empty())
        .collect();
    format!(" {} ", words.join(" "))
}

impl Phrase {
    fn is_in(&self, words: &str) -> bool {
        let (first, rest) = self.words.split_at(1);
        [first.to_owned(), first.to_uppercase()]
            .iter()
            .flat_map(|first| {
                let phrase = format!(" {first}{rest} ");
                let found = words.match_indices(&phrase);
                found
                    .map(|(at, phrase)| &words[at + phrase.len()..])
                    .collect::<Vec<_>>()
            })
            .any(|after| {
                let next = after.split(' ').next().unwrap_or_default();
                !self.except.contains(&next)
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(line: &str) -> Vec<&'static str> {
        let words = words(line);
        let found = PHRASES.iter().filter(|phrase| phrase.is_in(&words));
        found.map(|phrase| phrase.words).collect()
    }

    #[test]
    fn a_phrase_is_found_between_other_words_and_with_a_capital_letter() {
        assert_eq!(found("Whoever runs it"), ["whoever"]);
        assert_eq!(found("`x` is no URL: use https"), ["is no"]);
        assert_eq!(found("how it was taken back."), ["taken back"]);
    }

    #[test]
    fn a_part_of_a_word_and_a_common_use_are_not_found() {
        for line in [
            "recommended",
            "it is no longer in force",
            "if value is None:",
            "there is no way",
        ] {
            assert_eq!(found(line), [""; 0], "{line}");
        }
    }

    #[test]
    fn only_the_prose_of_a_line_of_rust_is_looked_at() {
        let line = r#"let mend = format!("take {it} back"); // says why"#;
        assert_eq!(prose(line).trim(), "says why take {it} back");
    }
}
