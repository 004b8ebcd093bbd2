//! The two streams: data on stdout, messages about it on stderr.

use std::fmt::{Arguments, Display};
use std::io::{self, ErrorKind, Write};
use std::sync::OnceLock;

use duress_model::text::{harmless, harmless_json};
use serde::Serialize;

use super::style::{self, HINT};

/// Prints a line of data.
macro_rules! print_line {
    () => { $crate::ui::print::print_line!("") };
    ($($argument:tt)*) => { $crate::ui::print::data(format_args!($($argument)*)) };
}
/// Prints a line of a message.
macro_rules! say {
    () => { $crate::ui::print::say!("") };
    ($($argument:tt)*) => { $crate::ui::print::note(format_args!($($argument)*)) };
}
pub(crate) use {print_line, say};

/// Why data could not be written; the first reason.
static LOST: OnceLock<String> = OnceLock::new();

/// Writes a line of data.
pub(crate) fn data(line: Arguments<'_>) {
    let text = style::styled(&line.to_string());
    let mut stream = anstream::stdout();
    note_loss(writeln!(stream, "{text}").and_then(|()| stream.flush()));
}

/// Writes data as it is: text of this program's own.
pub(crate) fn own(data: &[u8]) {
    let mut stream = io::stdout().lock();
    note_loss(stream.write_all(data).and_then(|()| stream.flush()));
}

/// Writes a value as one line of JSON.
pub(crate) fn json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => print_line!("{}", harmless_json(&text)),
        Err(error) => say!("{} write as JSON: {error}", style::ERROR.paint("error:")),
    }
}

/// Writes a line of a message. Where it cannot be written, there is nowhere to report that.
pub(crate) fn note(line: Arguments<'_>) {
    let text = style::styled(&line.to_string());
    let mut stream = anstream::stderr();
    let _ = writeln!(stream, "{text}").and_then(|()| stream.flush());
}

/// Writes what to do about the message above it.
pub(crate) fn hint(text: impl Display) {
    say!("  {} {text}", HINT.paint("hint:"));
}

/// Writes the command that usually follows.
pub(crate) fn next(command: impl Display) {
    say!("Next: {}", HINT.paint(command));
}

/// Writes a drawing that was coloured elsewhere: the text in it is harmless already.
pub(crate) fn drawn(drawn: &str) {
    let drawn = style::coloured(&drawn.replace("\r\n", "\n"));
    let mut stream = anstream::stderr();
    let _ = writeln!(stream, "{drawn}").and_then(|()| stream.flush());
}

/// Asks the person at the terminal, and returns the answer in lower case.
pub(crate) fn ask(question: &str) -> io::Result<String> {
    let mut stream = anstream::stderr();
    write!(stream, "{} ", harmless(question)).and_then(|()| stream.flush())?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(answer.trim().to_lowercase())
}

/// Returns whether stderr may be coloured.
pub(crate) fn colours() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// `duress list | head` is a success, because the reader has read enough. A full disk is a failure.
fn note_loss(written: io::Result<()>) {
    if let Err(error) = written
        && error.kind() != ErrorKind::BrokenPipe
    {
        let _ = LOST.set(error.to_string());
    }
}

/// Returns why some of the data could not be written, if so.
pub(crate) fn lost() -> Option<&'static str> {
    LOST.get().map(String::as_str)
}
