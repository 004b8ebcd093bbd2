//! Limits on what an experiment may hold, each with its reason.

/// Characters of a metric's name: one column of a table.
pub const NAME: usize = 64;
/// Characters of a URL, a query, a command's argument: more than any that a person reads.
pub const TEXT: usize = 4_000;
/// Characters of a condition: it holds a name, an operator and a number.
pub const CONDITION: usize = 200;
/// Characters of a short text: a time, a share, a rate.
pub const SHORT: usize = 60;
/// Bytes of a request's body.
pub const BODY: usize = 64 << 10;
/// Metrics of one experiment: each is asked for at every evaluation.
pub const METRICS: usize = 100;
/// Conditions of one experiment.
pub const CONDITIONS: usize = 200;
/// Headers of a request, arguments of a command, operations of a plugin.
pub const LIST: usize = 100;
/// Samples that an allowance or an abort may look back over: an hour of one a second, and more.
pub const LOOK_BACK: u32 = 10_000;
/// The shortest evaluation interval, in milliseconds: what is below measures the measuring.
pub const EVERY_MIN_MS: u64 = 100;
/// The longest evaluation interval, in milliseconds: an hour.
pub const EVERY_MAX_MS: u64 = 3_600_000;
/// The longest warm-up, recovery, hold, range window and scrape interval, in milliseconds: a day.
pub const TIME_MS: u64 = 86_400_000;
/// The longest time limit of one look or one operation, in milliseconds.
pub const TIMEOUT_MS: u64 = 300_000;
/// Operations a second: no single machine makes more by a request each.
pub const RATE: f64 = 100_000.0;
/// Operations under way at once.
pub const IN_FLIGHT: u32 = 10_000;
/// The longest window of a measure of the workload, in milliseconds: an hour.
pub const WORKLOAD_WINDOW_MS: u64 = 3_600_000;
