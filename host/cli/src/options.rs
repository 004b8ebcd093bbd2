//! Options that several verbs share, and the readers of values.

use std::time::Duration;

use clap::Args;

/// Options of every verb that runs trials.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct RunOptions {
    /// Number of trials to run at once [default: the campaign's own]
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = whole)]
    pub(crate) parallel: Option<u64>,
    /// Refuse plugins whose digests are not in duress.lock
    #[arg(long)]
    pub(crate) locked: bool,
    #[command(flatten)]
    pub(crate) guardian: Guardian,
    /// Do not ask for confirmation before the first run against a system that runs already
    #[arg(long)]
    pub(crate) yes: bool,
}

/// What becomes of the faults of a process that ends or stands still.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Guardian {
    /// Time for which this process may be dead or stopped before a guardian reverts every fault; `off`: no guardian
    #[arg(long = "guardian", value_name = "SECONDS|off", env = "DURESS_GUARDIAN", hide_env_values = true, default_value = "5", value_parser = grace)]
    pub(crate) grace: Grace,
}

/// How long a run may be silent before its guardian acts; `None` without a guardian.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grace(pub(crate) Option<Duration>);

fn grace(text: &str) -> Result<Grace, String> {
    if text == "off" {
        return Ok(Grace(None));
    }
    let seconds: Option<f64> = text.strip_suffix('s').unwrap_or(text).parse().ok();
    seconds
        .filter(|seconds| (1.0..=3_600.0).contains(seconds))
        .map(|seconds| Grace(Some(Duration::from_secs_f64(seconds))))
        .ok_or_else(|| "give a time from 1 to 3600 seconds, or `off`".to_owned())
}

/// Reads a whole number that is not negative.
pub(crate) fn whole(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| "it must be a whole number, and not negative".to_owned())
}

/// Reads a number of seconds. The campaign's own checks limit its range.
pub(crate) fn seconds(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
    number.ok_or_else(|| "it must be a number of seconds, e.g. 10 or 0.5".to_owned())
}
