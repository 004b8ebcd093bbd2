//! Which series a PromQL query is made of, as far as its text shows it.
//!
//! The text is scanned and not parsed: whether it is right, Prometheus says. What is found is only watched, so a selector that is
//! missed is only not watched, and of a query that looks at another time than now nothing is watched.

/// The most selectors that are watched: each costs Prometheus a look at its series.
const MOST: usize = 8;

/// Words that are followed by a list of labels.
const LABEL_LISTS: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];
/// Words that are neither a series nor a function.
const OPERATORS: [&str; 7] = ["and", "or", "unless", "atan2", "bool", "inf", "nan"];

/// A selector of series.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Selector {
    /// e.g. `http_requests_total{code="500"}`.
    pub(super) series: String,
    /// Its range window, as it is written, e.g. `5s`.
    pub(super) range: Option<String>,
}

/// Returns the selectors of a query; none if it looks at another time than now, as by `offset`.
pub(super) fn selectors(query: &str) -> Vec<Selector> {
    scan(query).unwrap_or_default()
}

/// A piece of a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    /// `{…}`.
    Matchers(&'a str),
    /// `[…]`, without the brackets.
    Brackets(&'a str),
    Other(char),
}

/// `None`: nothing should be watched.
fn scan(query: &str) -> Option<Vec<Selector>> {
    let tokens = tokens(query)?;
    let mut found: Vec<Selector> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        at += 1;
        let series = match token {
            Token::Other('@') => return None,
            Token::Brackets(range) if range.contains(':') => return None,
            Token::Matchers(matchers) => (*matchers).to_owned(),
            Token::Word(word) => {
                let lower = word.to_ascii_lowercase();
                let next = tokens.get(at);
                if lower == "offset" {
                    return None;
                }
                if LABEL_LISTS.contains(&lower.as_str()) {
                    if next == Some(&Token::Other('(')) {
                        at += tokens[at..]
                            .iter()
                            .position(|token| *token == Token::Other(')'))?;
                    }
                    continue;
                }
                // A function, or an aggregation whose labels stand before its argument.
                let is_called = match next {
                    Some(Token::Other('(')) => true,
                    Some(Token::Word(next)) => {
                        ["by", "without"].contains(&next.to_ascii_lowercase().as_str())
                    }
                    _ => false,
                };
                let is_number = word.starts_with(|c: char| c.is_ascii_digit() || c == '.');
                if is_called || is_number || OPERATORS.contains(&lower.as_str()) {
                    continue;
                }
                match next {
                    Some(Token::Matchers(matchers)) => {
                        at += 1;
                        format!("{word}{matchers}")
                    }
                    _ => (*word).to_owned(),
                }
            }
            _ => continue,
        };
        let range = match tokens.get(at) {
            Some(Token::Brackets(range)) if range.contains(':') => return None,
            Some(Token::Brackets(range)) => {
                at += 1;
                Some((*range).trim().to_owned())
            }
            _ => None,
        };
        let selector = Selector { series, range };
        if found.len() < MOST && !found.contains(&selector) {
            found.push(selector);
        }
    }
    Some(found)
}

/// Cuts a query into pieces, without white space, comments and texts. `None`: something in it does not end.
fn tokens(query: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            _ if first.is_whitespace() => first.len_utf8(),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' | '`' => text_length(rest, first)?,
            '{' | '[' => {
                let length = group_length(rest, if first == '{' { '}' } else { ']' })?;
                let group = &rest[..length];
                tokens.push(match first {
                    '{' => Token::Matchers(group),
                    _ => Token::Brackets(&group[1..length - 1]),
                });
                length
            }
            _ if is_word(first) => {
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                tokens.push(Token::Word(&rest[..length]));
                length
            }
            other => {
                tokens.push(Token::Other(other));
                other.len_utf8()
            }
        };
        rest = &rest[length..];
    }
    Some(tokens)
}

fn is_word(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '_' | ':' | '.')
}

/// The length of a text in quotation marks, these included.
fn text_length(rest: &str, mark: char) -> Option<usize> {
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, character)) = characters.next() {
        match character {
            '\\' if mark != '`' => drop(characters.next()),
            _ if character == mark => return Some(at + 1),
            _ => {}
        }
    }
    None
}

/// The length of what stands in braces or brackets, these included.
fn group_length(rest: &str, end: char) -> Option<usize> {
    let mut at = 1;
    while let Some(character) = rest[at..].chars().next() {
        at += match character {
            '"' | '\'' | '`' => text_length(&rest[at..], character)?,
            _ if character == end => return Some(at + 1),
            _ => character.len_utf8(),
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(query: &str) -> Vec<(String, Option<String>)> {
        let selectors = selectors(query).into_iter();
        selectors
            .map(|selector| (selector.series, selector.range))
            .collect()
    }

    fn one(series: &str, range: Option<&str>) -> Vec<(String, Option<String>)> {
        vec![(series.to_owned(), range.map(str::to_owned))]
    }

    #[test]
    fn series_are_told_from_functions_labels_and_texts() {
        assert_eq!(found("up"), one("up", None));
        assert_eq!(
            found(" up {job='a}', x=\"[\\\"]\"} "),
            one("up{job='a}', x=\"[\\\"]\"}", None)
        );
        assert_eq!(
            found("{__name__=~\"a.*\"}"),
            one("{__name__=~\"a.*\"}", None)
        );
        assert_eq!(
            found("histogram_quantile(0.99, sum by (le, job) (rate(d_bucket[5s])))"),
            one("d_bucket", Some("5s"))
        );
        assert_eq!(
            found("sum(rate(x[1m30s])) by (code) > bool 1e3"),
            one("x", Some("1m30s"))
        );
        assert_eq!(
            found("sum(rate(e[5s])) / on (a) group_left (b) sum(rate(n[5s])) or vector(0) # x[1m]"),
            [one("e", Some("5s")), one("n", Some("5s"))].concat()
        );
        assert_eq!(
            found("job:a:rate5m and on() -y * Inf + .5"),
            [one("job:a:rate5m", None), one("y", None)].concat()
        );
        assert_eq!(found("x + x"), one("x", None));
    }

    #[test]
    fn nothing_is_watched_of_another_time_or_of_half_a_query() {
        for query in [
            "x offset 5m",
            "rate(x[5m] OFFSET 1h)",
            "x @ 1609746000",
            "max_over_time(x[5m:1s])",
            "max_over_time(rate(x[5s])[1m:])",
            "x{a=\"",
            "x[5m",
            "sum by (",
            "",
            "1 + 2",
            "time()",
        ] {
            assert_eq!(found(query), [], "{query}");
        }
        assert_eq!(found("a+b+c+d+e+f+g+h+i+j").len(), MOST);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_scanned(text in "(?s).{0,200}|[a-z0-9\\[\\]:\"'`#\\\\ $(){}@]{0,60}") {
            let _ = selectors(&text);
        }
    }
}
