//! Whether text is in plain technical English: phrases that a reader would have to decode are found, and the usual words named.
//!
//! It looks at comments and string literals of Rust, and at the whole of pages, interfaces and templates.

use std::fs;

use anyhow::{Context as _, Result};
use xshell::cmd;

use crate::sh::{CmdExt as _, shell};
use crate::workspace;

/// One phrase of `phrases.list`.
struct Phrase {
    /// In lower case; a capital letter at its beginning makes no difference.
    words: &'static str,
    instead: &'static str,
    /// Next words with which it is common English.
    except: Vec<&'static str>,
}

/// Reads the phrases, one a line: `PHRASE => WORDS TO USE INSTEAD`, and after another `=>` the next words with which it is
/// common English.
fn phrases() -> Vec<Phrase> {
    let fields = |line: &'static str| {
        let mut fields = line.split(" => ");
        Some(Phrase {
            words: fields.next()?,
            instead: fields.next()?,
            except: fields.next().unwrap_or_default().split(' ').collect(),
        })
    };
    include_str!("phrases.list")
        .lines()
        .filter_map(fields)
        .collect()
}

/// What is looked at.
const ENDINGS: [&str; 7] = [".md", ".rs", ".wit", ".txt", ".yaml", ".c", ".py"];
/// What is not: interfaces as they were published, and what earlier versions were called.
const EXCEPT: [&str; 2] = ["wit/published/", "CHANGELOG.md"];

/// Prints each phrase that was found. Returns whether there was none.
pub(super) fn is_plain() -> Result<bool> {
    let sh = shell()?;
    let files = cmd!(sh, "git ls-files").capture()?;
    let phrases = phrases();
    let mut is_plain = true;
    for file in files.lines().filter(|file| is_looked_at(file)) {
        let text = fs::read_to_string(workspace::root().join(file))
            .with_context(|| format!("read {file}"))?;
        for (number, line) in text.lines().enumerate() {
            let words = match file.ends_with(".rs") {
                true => words(&prose(line)),
                false => words(line),
            };
            for found in phrases.iter().filter(|phrase| phrase.is_in(&words)) {
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
        let mut found = phrases();
        found.retain(|phrase| phrase.is_in(&words));
        found.iter().map(|phrase| phrase.words).collect()
    }

    #[test]
    fn a_phrase_is_found_between_other_words_and_with_a_capital_letter() {
        assert!(phrases().len() > 30);
        for Phrase { words, .. } in phrases() {
            let (first, rest) = words.split_at(1);
            for line in [
                format!("how {words}: thus"),
                format!("{}{rest} URL.", first.to_uppercase()),
            ] {
                assert!(found(&line).contains(&words), "{line}");
            }
        }
    }

    #[test]
    fn a_part_of_a_word_and_a_common_use_are_not_found() {
        for line in [
            "recommended",
            "it is no longer in force",
            "if value is not None:",
            "there is no way",
        ] {
            assert_eq!(found(line), [""; 0], "{line}");
        }
    }

    #[test]
    fn only_the_prose_of_a_line_of_rust_is_looked_at() {
        let line = r#"let text = format!("two {words} more"); // says why"#;
        assert_eq!(prose(line).trim(), "says why two {words} more");
    }
}
