//! Styles: colours that carry no meaning by themselves, and the text that may pass to a terminal.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};
use duress_model::text::harmless;

/// A style that can wrap a text. The stream strips it where colours are not wanted (`NO_COLOR`, no terminal).
pub(crate) struct Paint(Style);

pub(crate) const ERROR: Paint = Paint(AnsiColor::Red.on_default().bold());
pub(crate) const HINT: Paint = Paint(AnsiColor::Cyan.on_default());
pub(crate) const GOOD: Paint = Paint(AnsiColor::Green.on_default().bold());
pub(crate) const WARN: Paint = Paint(AnsiColor::Yellow.on_default().bold());
pub(crate) const FAINT: Paint = Paint(Style::new().dimmed());

impl Paint {
    pub(crate) fn paint(&self, text: impl Display) -> String {
        let text = text.to_string();
        let text = harmless(&text);
        format!("{}{text}{}", self.0.render(), self.0.render_reset())
    }
}

/// A text with this module's styles in it, and nothing else that steers a terminal.
pub(super) fn styled(text: &str) -> String {
    harmless_but(text, own_style)
}

/// A text with anybody's colours in it, and nothing else that steers a terminal.
pub(super) fn coloured(text: &str) -> String {
    harmless_but(text, any_style)
}

/// The text made harmless, but for what `keep` finds at the beginning of a piece that begins with an escape: its length.
fn harmless_but(text: &str, keep: fn(&str) -> Option<usize>) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        written.push_str(&harmless(&rest[..at]));
        let length = keep(&rest[at..]);
        let piece = &rest[at..at + length.unwrap_or(1)];
        match length {
            Some(_) => written.push_str(piece),
            None => written.push_str(&harmless(piece)),
        }
        rest = &rest[at + piece.len()..];
    }
    written.push_str(&harmless(rest));
    written
}

/// Returns the length of one of this module's styles, or of the end of one.
fn own_style(text: &str) -> Option<usize> {
    const CODES: [&str; 7] = ["0", "1", "2", "31", "32", "33", "36"];
    let code = text.strip_prefix("\u{1b}[")?.split_once('m')?.0;
    CODES.contains(&code).then(|| code.len() + 3)
}

/// Returns the length of any colour or weight (ECMA-48, SGR), but for the one that hides text.
fn any_style(text: &str) -> Option<usize> {
    let code = text.strip_prefix("\u{1b}[")?.split_once('m')?.0;
    let is_style = code.len() < 20
        && code
            .bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b';')
        && code.split(';').all(|one| one != "8");
    is_style.then(|| code.len() + 3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_styles_of_our_own_pass() {
        for style in [ERROR, HINT, GOOD, WARN, FAINT] {
            let painted = style.paint("text");
            assert!(painted.contains('\u{1b}'));
            assert_eq!(styled(&painted), painted);
        }
        for text in [
            "\u{1b}]0;title\u{7}",
            "\u{1b}[2J",
            "\u{1b}[8m",
            "\u{1b}[31;8m",
            "\u{1b}",
            "\u{1b}[",
            "\u{1b}[m",
            "\u{9b}31m",
            "\u{202e}",
            "a\rb",
        ] {
            for written in [styled(text), GOOD.paint(text)] {
                let inner = written.replace("\u{1b}[1m", "").replace("\u{1b}[32m", "");
                let inner = inner.replace("\u{1b}[0m", "");
                assert!(
                    !inner.contains(duress_model::text::is_steering),
                    "{written:?}"
                );
            }
        }
        assert_eq!(
            coloured("\u{1b}[38;5;1mx\u{1b}[8m"),
            "\u{1b}[38;5;1mx\\u{1b}[8m"
        );
    }
}
