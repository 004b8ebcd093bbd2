//! The program's own log, on stderr.

use std::io::{self, Write};

use tracing_subscriber::EnvFilter;

use super::{print, style};

/// Starts the log: warnings, and more with `-v` and `-vv`. `RUST_LOG` overrides it.
pub(crate) fn start(verbose: u8) {
    let default = match verbose {
        0 => "duress=warn",
        1 => "duress=info",
        _ => "duress=debug",
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| Log)
        .with_ansi(print::colours())
        .with_target(false)
        .without_time()
        .init();
}

/// Where the log goes. Its messages hold text of others.
struct Log;

impl Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // The log gives a line at a time.
        let text = style::coloured(&String::from_utf8_lossy(line));
        io::stderr().write_all(text.as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
