//! How far back a PromQL query looks, read from its text.
//!
//! An answer of Prometheus covers the range windows of its query, so a change shows in full only when they have passed. The text is
//! scanned rather than parsed: whether a query is right, Prometheus says.

/// What stands between brackets and is not a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NotARange(pub(crate) String);

/// Returns an upper bound of how far back a query looks, in milliseconds: its longest range window, every subquery's, which add to
/// it, and its longest offset.
pub(crate) fn look_back_ms(query: &str) -> Result<u64, NotARange> {
    let text = without_texts(query);
    let mut longest = 0;
    let mut subqueries: u64 = 0;
    let mut rest = text.as_str();
    while let Some(open) = rest.find('[') {
        let inner = &rest[open + 1..];
        let Some(close) = inner.find(']') else {
            return Err(NotARange(inner.trim().to_owned()));
        };
        let range = inner[..close].trim();
        rest = &inner[close + 1..];
        let (window, is_subquery) = match range.split_once(':') {
            Some((window, _)) => (window.trim(), true),
            None => (range, false),
        };
        let window = duration_ms(window).ok_or_else(|| NotARange(range.to_owned()))?;
        if is_subquery {
            subqueries = subqueries.saturating_add(window);
        } else {
            longest = longest.max(window);
        }
    }
    Ok(longest
        .saturating_add(subqueries)
        .saturating_add(longest_offset_ms(&text)))
}

/// The query without what stands in quotation marks and comments, where brackets mean nothing.
fn without_texts(query: &str) -> String {
    let mut text = String::with_capacity(query.len());
    let mut characters = query.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' | '\'' | '`' => {
                while let Some(within) = characters.next() {
                    if within == '\\' && character != '`' {
                        characters.next();
                    } else if within == character {
                        break;
                    }
                }
                text.push(' ');
            }
            '#' => {
                let _ = characters.by_ref().find(|c| *c == '\n');
                text.push('\n');
            }
            other => text.push(other),
        }
    }
    text
}

fn longest_offset_ms(text: &str) -> u64 {
    let mut words = text.split(|c: char| c.is_whitespace() || "()[]{},".contains(c));
    let mut longest = 0;
    while let Some(word) = words.next() {
        if word.eq_ignore_ascii_case("offset") {
            let offset = words.find(|word| !word.is_empty()).unwrap_or("");
            longest = longest.max(duration_ms(offset).unwrap_or(0));
        }
    }
    longest
}

/// A duration of Prometheus: `5s`, `1h30m`, `500ms`.
fn duration_ms(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 7] = [
        ("ms", 1),
        ("s", 1_000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
        ("w", 604_800_000),
        ("y", 31_536_000_000),
    ];
    let mut rest = text;
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let (_, worth) = UNITS.iter().find(|(name, _)| *name == &rest[..letters])?;
        total = total.checked_add(number.checked_mul(*worth)?)?;
        rest = &rest[letters..];
    }
    (total > 0).then_some(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_subqueries_and_offsets_add_up() {
        let table = [
            ("up", 0),
            ("rate(x[5s])", 5_000),
            ("rate(x[1m30s]) / rate(y[ 20s ])", 90_000),
            ("max_over_time(rate(x[5s])[1m:10s])", 65_000),
            ("max_over_time(rate(x[5s])[1m:])", 65_000),
            ("rate(x[5s] offset 1m)", 65_000),
            ("x{a=\"[3h]\", b='[\\'2h]'} # [1d]\n + rate(y[500ms])", 500),
            ("x offset -5m", 0),
        ];
        for (query, bound) in table {
            assert_eq!(look_back_ms(query), Ok(bound), "{query}");
        }
    }

    #[test]
    fn what_is_not_a_range_is_named() {
        for (query, what) in [
            ("rate(x[$__interval])", "$__interval"),
            ("rate(x[5])", "5"),
            ("rate(x[5s", "5s"),
            ("rate(x[])", ""),
            ("rate(x[0s])", "0s"),
            ("rate(x[99999999999999999999y])", "99999999999999999999y"),
        ] {
            assert_eq!(look_back_ms(query), Err(NotARange(what.into())), "{query}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_scanned(text in "(?s).{0,200}|[a-z0-9\\[\\]:\"'`#\\\\ $(){}]{0,60}") {
            let _ = look_back_ms(&text);
        }
    }
}
