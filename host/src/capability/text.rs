//! Text that a component gives: short enough to be stored for each of many trials, and harmless on a terminal.

use super::GuestError;
use crate::text::is_steering;

/// The longest message that is kept of a component, in bytes.
pub(crate) const MESSAGE_LIMIT: usize = 4 << 10;

/// A text of at most so many bytes, in which whatever would steer a terminal or turn the order of writing is spelt out.
pub(crate) fn tame(text: &str, limit: usize) -> String {
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

/// Returns an error whose message is tame.
pub(crate) fn tamed(error: GuestError) -> GuestError {
    let tame = |text: String| tame(&text, MESSAGE_LIMIT);
    match error {
        GuestError::Denied(text) => GuestError::Denied(tame(text)),
        GuestError::Invalid(text) => GuestError::Invalid(tame(text)),
        GuestError::Unavailable(text) => GuestError::Unavailable(tame(text)),
        GuestError::Failed(text) => GuestError::Failed(tame(text)),
        GuestError::Timeout(after) => GuestError::Timeout(after),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
