//! The word that was probably meant.

/// How much two words must be alike, from 0 to 1: `latncy` and `latency` are at 0.97, `tikv` and `etcd` at 0.5.
const ALIKE: f64 = 0.8;

/// Returns the candidate that is most like a word; none when no one is like it.
///
/// ```
/// assert_eq!(duress_model::nearest("latncy", ["node_kill", "latency"]), Some("latency"));
/// assert_eq!(duress_model::nearest("tikv", ["etcd", "latency"]), None);
/// ```
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let word = word.to_lowercase();
    candidates
        .into_iter()
        .map(|candidate| (likeness(&word, &candidate.to_lowercase()), candidate))
        .filter(|(likeness, _)| *likeness >= ALIKE)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Swapped letters and a common beginning count as alike, and so does a word that lacks an ending: `cooldown` is meant as
/// `cooldown_seconds`.
fn likeness(word: &str, candidate: &str) -> f64 {
    let beginning = word.len() >= 4 && candidate.starts_with(word);
    let whole = strsim::jaro_winkler(word, candidate)
        .max(strsim::normalized_damerau_levenshtein(word, candidate));
    if beginning { whole.max(ALIKE) } else { whole }
}
