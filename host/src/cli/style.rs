//! How things are printed: colours that say nothing by themselves, and the two streams.
//!
//! All that is printed goes through here, and much of it is text of others: of components, containers, registries, other users'
//! files. Whatever in it would steer a terminal is spelt out; only the styles of this module pass.

use std::fmt::{Arguments, Display};
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use anstyle::{AnsiColor, Style};
use duress_model::text::{harmless, harmless_json};
use serde::Serialize;
use tracing_subscriber::EnvFilter;

/// A style that can wrap a text. The stream strips it where colours are not wanted (`NO_COLOR`, no terminal).
pub(super) struct Paint(Style);

pub(super) const ERROR: Paint = Paint(AnsiColor::Red.on_default().bold());
pub(super) const HINT: Paint = Paint(AnsiColor::Cyan.on_default());
pub(super) const GOOD: Paint = Paint(AnsiColor::Green.on_default().bold());
pub(super) const WARN: Paint = Paint(AnsiColor::Yellow.on_default().bold());
pub(super) const FAINT: Paint = Paint(Style::new().dimmed());

impl Paint {
    pub(super) fn paint(&self, text: impl Display) -> String {
        let text = text.to_string();
        let text = harmless(&text);
        format!("{}{text}{}", self.0.render(), self.0.render_reset())
    }
}

/// Print a line of data.
macro_rules! print_line {
    () => { $crate::cli::style::print_line!("") };
    ($($argument:tt)*) => { $crate::cli::style::write_data(format_args!($($argument)*)) };
}
/// Print a line about what is going on.
macro_rules! say {
    () => { $crate::cli::style::say!("") };
    ($($argument:tt)*) => { $crate::cli::style::write_note(format_args!($($argument)*)) };
}
pub(super) use {print_line, say};

/// Why data could not be written; the first reason.
static LOST: OnceLock<String> = OnceLock::new();

/// Writes a line of data.
pub(in crate::cli) fn write_data(line: Arguments<'_>) {
    let text = styled(&line.to_string());
    let mut stream = anstream::stdout();
    note_loss(writeln!(stream, "{text}").and_then(|()| stream.flush()));
}

/// Writes data as it is: text of this program's own.
pub(in crate::cli) fn write_own(data: &[u8]) {
    let mut stream = io::stdout().lock();
    note_loss(stream.write_all(data).and_then(|()| stream.flush()));
}

/// Writes a line about what is going on. Where it cannot be written, there is nowhere to say so.
pub(in crate::cli) fn write_note(line: Arguments<'_>) {
    let text = styled(&line.to_string());
    let mut stream = anstream::stderr();
    let _ = writeln!(stream, "{text}").and_then(|()| stream.flush());
}

/// Writes what was drawn with colours of another's: the text in it is harmless already.
pub(in crate::cli) fn write_drawn(drawn: &str) {
    let drawn = harmless_but(&drawn.replace("\r\n", "\n"), any_style);
    let mut stream = anstream::stderr();
    let _ = writeln!(stream, "{drawn}").and_then(|()| stream.flush());
}

/// Asks the user at the terminal and returns the answer.
pub(in crate::cli) fn ask(question: &str) -> io::Result<String> {
    let mut stream = anstream::stderr();
    write!(stream, "{} ", harmless(question)).and_then(|()| stream.flush())?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().to_lowercase())
}

/// `duress list | head` is not a failure: the reader has read enough. A full disk is a failure.
fn note_loss(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = LOST.set(error.to_string());
    }
}

/// Why some of the data could not be written, if so.
pub(in crate::cli) fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}

/// A text with this module's styles in it, and nothing else that steers.
fn styled(text: &str) -> String {
    harmless_but(text, own_style)
}

/// Returns the text made harmless, but for what `keep` finds at the beginning of a piece that begins with an escape: its length.
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

/// Prints a value as one line of JSON.
pub(super) fn print_json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => print_line!("{}", harmless_json(&text)),
        Err(error) => say!(
            "{} this cannot be written as JSON: {error}",
            ERROR.paint("error:")
        ),
    }
}

/// Returns whether what goes to stderr may be coloured.
pub(super) fn colours() -> bool {
    anstream::AutoStream::choice(&std::io::stderr()) != anstream::ColorChoice::Never
}

/// The program's own log, on stderr: warnings, and more with `-v` and `-vv`; `RUST_LOG` overrides.
pub(super) fn start_log(verbose: u8) {
    let default = match verbose {
        0 => "duress=warn",
        1 => "duress=info",
        _ => "duress=debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Log)
        .with_ansi(colours())
        .with_target(false)
        .without_time()
        .init();
}

/// Returns a word of a command that a person may type, in quotes where a shell would take it for anything else (sh(1)).
pub(super) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// A duration in words: `850 ms`, `12.3 s`, `4 min 10 s`.
pub(super) fn duration(ms: i64) -> String {
    match ms {
        ..=999 => format!("{ms} ms"),
        1_000..=59_999 => format!("{:.1} s", ms as f64 / 1_000.0),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

/// A point in time as people of this place write it.
pub(super) fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(
        |_| "?".to_owned(),
        |time| {
            time.to_zoned(jiff::tz::TimeZone::system())
                .strftime("%Y-%m-%d %H:%M:%S")
                .to_string()
        },
    )
}

/// Where the log goes. Its messages hold text of others.
struct Log;

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // The log gives a line at a time.
        let text = harmless_but(&String::from_utf8_lossy(line), any_style);
        io::stderr().write_all(text.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_a_quoted_word_for_one_word() {
        assert_eq!(quoted("/var/lib/duress.db"), "/var/lib/duress.db");
        assert_eq!(quoted(""), "''");
        assert_eq!(quoted("a; b"), "'a; b'");
        assert_eq!(quoted("it's $(me)"), r"'it'\''s $(me)'");
    }

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
            harmless_but("\u{1b}[38;5;1mx\u{1b}[8m", any_style),
            "\u{1b}[38;5;1mx\\u{1b}[8m"
        );
    }
}
