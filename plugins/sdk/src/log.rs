//! Lines for the trial's log, and the panic hook that puts a panic's message there.

use std::sync::Once;

pub use crate::bindings::duress::plugin::host::Level;
use crate::host;

/// What the macros expand to; call those instead.
pub fn line(level: Level, message: &str) {
    host::log(level, message);
}

/// Writes a line to the trial's log; takes the arguments of `format!`.
#[macro_export]
macro_rules! info {
    ($($arg:tt)*) => { $crate::line($crate::Level::Info, &format!($($arg)*)) };
}

/// Write a line for the plugin's author; takes what `format!` takes.
#[macro_export]
macro_rules! debug {
    ($($arg:tt)*) => { $crate::line($crate::Level::Debug, &format!($($arg)*)) };
}

/// Say that something is not as it should be, while the call goes on; takes what `format!` takes.
#[macro_export]
macro_rules! warn {
    ($($arg:tt)*) => { $crate::line($crate::Level::Warn, &format!($($arg)*)) };
}

/// From now on a panic leaves its message in the log. Without it a panic is a trap without a word.
pub(crate) fn hook_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|panic| {
            let message = panic.payload_as_str().unwrap_or("without a message");
            let place = panic
                .location()
                .map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
            host::log(Level::Error, &format!("panicked at {place}: {message}"));
        }));
    });
}
