//! Text of others, made harmless for a terminal.
//!
//! Control characters move the cursor, change the window's title or hide what follows; those of the direction of writing make a text
//! read otherwise than it is. Both are spelt out.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Whether a terminal would obey a character instead of showing it: control characters, separators of lines and paragraphs, and what
/// Unicode has for the direction of writing (UAX #9).
pub fn is_steering(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Returns the text with everything that steers spelt out, but for line breaks and tabs.
pub fn harmless(text: &str) -> Cow<'_, str> {
    let steers = |c: char| is_steering(c) && !matches!(c, '\n' | '\t');
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let mut harmless = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match steers(character) {
            true => harmless.extend(character.escape_unicode()),
            false => harmless.push(character),
        }
    }
    Cow::Owned(harmless)
}

/// A JSON document with everything that steers written as JSON writes it (RFC 8259, 7): the same document to a parser.
pub fn harmless_json(json: &str) -> Cow<'_, str> {
    // What JSON has between its values stays; within its texts these two are spelt out already.
    let steers = |c: char| is_steering(c) && !matches!(c, '\n' | '\t');
    if !json.contains(steers) {
        return Cow::Borrowed(json);
    }
    let mut harmless = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if steers(character) {
            // Each of them is in the basic plane. Writing to a string cannot fail.
            let _ = write!(harmless, "\\u{:04x}", u32::from(character));
        } else {
            harmless.push(character);
        }
    }
    Cow::Owned(harmless)
}

/// Returns a text of at most so many bytes, in which whatever would steer a terminal or turn the order of writing is spelt out.
pub fn tame(text: &str, limit: usize) -> String {
    let mut tamed = String::with_capacity(text.len().min(limit));
    for character in text.chars() {
        if tamed.len() >= limit {
            tamed.push('…');
            break;
        }
        match character {
            '\n' | '\t' => tamed.push(character),
            _ if is_steering(character) => tamed.extend(character.escape_unicode()),
            _ => tamed.push(character),
        }
    }
    tamed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_is_spelt_out() {
        assert_eq!(harmless("größer\n\t日本"), "größer\n\t日本");
        assert_eq!(
            harmless("\u{1b}[2J\u{9b}31m\u{202e}\r\u{7f}"),
            "\\u{1b}[2J\\u{9b}31m\\u{202e}\\u{d}\\u{7f}"
        );
    }

    proptest::proptest! {
        #[test]
        fn a_json_document_stays_the_same(text in "(?s).*") {
            let json = serde_json::to_string(&text).expect("JSON");
            let harmless = harmless_json(&json);
            proptest::prop_assert!(!harmless.contains(is_steering));
            let read: String = serde_json::from_str(&harmless).expect("JSON");
            proptest::prop_assert_eq!(read, text);
        }
    }

    #[test]
    fn what_steers_is_spelt_out_and_what_is_long_is_cut() {
        assert_eq!(tame("größer\n\t日本", 100), "größer\n\t日本");
        assert_eq!(
            tame("\u{1b}[2Jgone\u{202e}", 100),
            "\\u{1b}[2Jgone\\u{202e}"
        );
        assert_eq!(tame("a\0b\r", 100), "a\\u{0}b\\u{d}");
        let long = "é".repeat(10_000);
        let cut = tame(&long, 100);
        assert!(cut.len() < 110 && cut.ends_with('…'), "{} bytes", cut.len());
    }

    proptest::proptest! {
        #[test]
        fn nothing_that_steers_passes_and_nothing_grows_beyond_its_limit(text in "\\PC*|(?s).*", limit in 0_usize..200) {
            let tamed = tame(&text, limit);
            proptest::prop_assert!(tamed.len() <= limit + 16, "{} bytes", tamed.len());
            proptest::prop_assert!(!tamed.chars().any(|c| c != '\n' && c != '\t' && is_steering(c)));
        }
    }
}
