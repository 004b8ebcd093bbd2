//! The forms of text that people write: names, faults, times. Each is a regular expression and what it means in words.

/// Characters of a name: names go into container labels and file names, three to a trial's name.
pub const NAME_LIMIT: usize = 64;
/// The largest seed, 2^53 - 1: the largest whole number that every JSON reader keeps.
pub const SEED_LIMIT: u64 = (1 << 53) - 1;

/// Every name that a person gives: it must be fit for container labels, file names and the command line.
pub const NAME: &str = "^[a-z0-9][a-z0-9_-]*$";
/// [`NAME`] in words.
pub const NAME_IN_WORDS: &str =
    "lower-case letters, digits, `-` and `_`, with a letter or a digit in front";
/// A fault, or a plugin and a fault.
pub const FAULT: &str = "^([a-z0-9][a-z0-9_-]*:)?[a-z0-9][a-z0-9_-]*$";
/// [`FAULT`] in words.
pub const FAULT_IN_WORDS: &str =
    "a fault's name (`latency`), or a plugin's and a fault's (`etcd:latency`)";
/// A time, as people write it.
pub const TIME: &str = "^[0-9]+(\\.[0-9]+)?(ms|s|m|h)( ?[0-9]+(\\.[0-9]+)?(ms|s|m|h))*$";
/// [`TIME`] in words.
pub const TIME_IN_WORDS: &str = "a time with its unit (`500ms`, `10s`, `1m 30s`)";

/// Returns what a pattern of this module means, for messages about items of a list, whose schemas have no place for it.
pub fn in_words(pattern: &str) -> Option<&'static str> {
    match pattern {
        NAME => Some(NAME_IN_WORDS),
        FAULT => Some(FAULT_IN_WORDS),
        TIME => Some(TIME_IN_WORDS),
        _ => None,
    }
}

/// Returns whether campaigns can name a fault of that name.
///
/// ```
/// assert!(duress_model::form::is_fault_name("network_partition"));
/// assert!(!duress_model::form::is_fault_name("_latency"));
/// ```
pub fn is_fault_name(name: &str) -> bool {
    let is_first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    name.len() <= NAME_LIMIT
        && name.starts_with(is_first)
        && name.chars().all(|c| is_first(c) || matches!(c, '-' | '_'))
}
