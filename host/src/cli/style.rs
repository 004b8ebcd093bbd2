//! How things are printed: colours that say nothing by themselves, and the two streams.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};
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
        format!("{}{text}{}", self.0.render(), self.0.render_reset())
    }
}

/// Print a line of data.
macro_rules! print_line {
    () => { $crate::cli::style::print_line!("") };
    ($($argument:tt)*) => { $crate::cli::style::write_line(&mut anstream::stdout(), format_args!($($argument)*)) };
}
/// Print a line about what is going on.
macro_rules! say {
    () => { $crate::cli::style::say!("") };
    ($($argument:tt)*) => { $crate::cli::style::write_line(&mut anstream::stderr(), format_args!($($argument)*)) };
}
pub(super) use {print_line, say};

/// Write a line to a stream that may be closed: `duress list | head` is no failure.
pub(in crate::cli) fn write_line(stream: &mut impl std::io::Write, line: std::fmt::Arguments<'_>) {
    let _ = writeln!(stream, "{line}").and_then(|()| stream.flush());
}

/// Print a value as one line of JSON.
pub(super) fn print_json(value: &impl Serialize) {
    match serde_json::to_string(value) {
        Ok(text) => print_line!("{text}"),
        Err(error) => say!(
            "{} this cannot be written as JSON: {error}",
            ERROR.paint("error:")
        ),
    }
}

/// Whether what goes to stderr may be coloured.
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
        .with_writer(std::io::stderr)
        .with_ansi(colours())
        .with_target(false)
        .without_time()
        .init();
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
