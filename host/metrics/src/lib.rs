//! Metrics: the values that an experiment looks at, each from its source.
//!
//! A [`Probe`] looks at one metric. A look never fails: what has no value has a reason instead, in words for a person, and no answer
//! of a stranger is taken for a value by halves. Each look is limited in time by its metric, and in size by [`BODY_LIMIT`].

mod clock;
mod command;
mod container;
mod context;
mod exchange;
mod http;
mod inside;
mod look;
mod number;
mod probe;
mod promql;
mod words;

pub use clock::Clock;
pub use context::{Context, Inside};
pub use exchange::BODY_LIMIT;
pub use probe::{Probe, Unready};

/// Returns what is wrong with a source, as far as nothing has to be asked for it: a JSON path or a pattern that cannot be read.
///
/// # Errors
/// One line for a person.
pub fn check(source: &duress_experiment::Source) -> Result<(), String> {
    match source {
        duress_experiment::Source::Http { reading, .. } => http::check(reading),
        _ => Ok(()),
    }
}
