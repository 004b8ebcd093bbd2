//! The words of others, in one line.

use duress_model::text::tame;

/// The most of a stranger's text in a reason, in bytes: its first words say what it is.
const QUOTED: usize = 200;

/// Returns a stranger's text as one line that is safe to show, cut at its limit.
pub(crate) fn quoted(text: &str) -> String {
    // More than the limit is not looked at: white space may be long.
    let start: String = text.trim_start().chars().take(2 * QUOTED).collect();
    let mut line = String::new();
    for word in start.split_whitespace() {
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(word);
    }
    tame(&line, QUOTED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_strangers_text_is_one_short_line_that_steers_nothing() {
        assert_eq!(quoted("  a\n\tb\r\n"), "a b");
        assert_eq!(quoted("\u{1b}[2Jx"), "\\u{1b}[2Jx");
        let long = quoted(&"x".repeat(1 << 20));
        assert!(long.len() < QUOTED + 8 && long.ends_with('…'), "{long}");
    }
}
