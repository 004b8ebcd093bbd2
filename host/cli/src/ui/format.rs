//! Values in words: times, durations, states, lists of names.

use duress_model::CampaignOutcome;
use duress_store::{CampaignRow, TrialRow};

/// A duration: `850 ms`, `12.3 s`, `4 min 10 s`.
pub(crate) fn duration(ms: i64) -> String {
    match ms {
        ..=999 => format!("{ms} ms"),
        1_000..=59_999 => format!("{:.1} s", ms as f64 / 1_000.0),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1_000),
    }
}

/// A point in time, in the time zone of this machine.
pub(crate) fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map_or_else(
        |_| "?".to_owned(),
        |time| {
            time.to_zoned(jiff::tz::TimeZone::system())
                .strftime("%Y-%m-%d %H:%M:%S")
                .to_string()
        },
    )
}

/// A campaign's state in one word.
pub(crate) fn campaign_state(campaign: &CampaignRow) -> String {
    let state = campaign.outcome.map_or("running", CampaignOutcome::as_str);
    dry_run_marked(state, campaign.dry_run)
}

/// A trial's outcome in one word.
pub(crate) fn trial_outcome(trial: &TrialRow) -> String {
    let outcome = trial.outcome.map_or("running", |outcome| outcome.as_str());
    dry_run_marked(outcome, trial.dry_run)
}

fn dry_run_marked(word: &str, is_dry_run: bool) -> String {
    match is_dry_run {
        true => format!("{word} (dry run)"),
        false => word.to_owned(),
    }
}

/// A list of names in one line.
pub(crate) fn names(list: &[String]) -> String {
    match list.is_empty() {
        true => "-".to_owned(),
        false => list.join(", "),
    }
}

/// A number of things: `1 trial`, `3 trials`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// Returns a word of a command that a person may type: in quotes where a shell would take it for anything else (sh(1)).
pub(crate) fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    match !word.is_empty() && word.chars().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_a_quoted_word_for_one_word() {
        assert_eq!(shell_word("/var/lib/duress.db"), "/var/lib/duress.db");
        assert_eq!(shell_word(""), "''");
        assert_eq!(shell_word("a; b"), "'a; b'");
        assert_eq!(shell_word("it's $(me)"), r"'it'\''s $(me)'");
    }
}
