//! Values in the answers of an HTTP service.

use std::time::Duration;

use async_trait::async_trait;
use duress_experiment::Reading;
use duress_http::HttpResponse;
use regex::{Regex, RegexBuilder};
use serde_json_path::JsonPath;

use crate::context::Context;
use crate::exchange::{described, get};
use crate::look::{Found, Look, Nothing};
use crate::number;
use crate::words::quoted;

/// The most memory that a compiled pattern may take, in bytes; matching takes time in proportion to the pattern and the body.
const PATTERN_LIMIT: usize = 1 << 20;

pub(crate) struct Http {
    url: String,
    reader: Reader,
    context: Context,
}

/// How the value is found, ready to be used.
enum Reader {
    Path(Box<JsonPath>, String),
    Pattern(Regex),
    Status,
}

/// Returns what is wrong with a path or a pattern.
pub(crate) fn check(reading: &Reading) -> Result<(), String> {
    Reader::new(reading).map(drop)
}

impl Reader {
    fn new(reading: &Reading) -> Result<Self, String> {
        match reading {
            Reading::JsonPath(path) => Ok(Self::Path(Box::new(json_path(path)?), path.clone())),
            Reading::Pattern(pattern) => pattern_of(pattern).map(Self::Pattern),
            Reading::Status => Ok(Self::Status),
        }
    }
}

/// A path that takes time in proportion to the body. Two searches at any depth, or one that begins at the root again for each
/// element, would take the square of it or more.
fn json_path(path: &str) -> Result<JsonPath, String> {
    let parsed = JsonPath::parse(path)
        .map_err(|error| format!("`{}` is not a JSON path: {error}", quoted(path)))?;
    let bare = without_texts(path);
    if bare.matches("..").count() > 1 || bare.matches('$').count() > 1 {
        return Err(format!(
            "the JSON path `{}` may search a large answer many times over: use at most one `..`, and `$` only at its beginning",
            quoted(path)
        ));
    }
    Ok(parsed)
}

/// The path without what stands in quotation marks.
fn without_texts(path: &str) -> String {
    let mut bare = String::with_capacity(path.len());
    let mut characters = path.chars();
    while let Some(character) = characters.next() {
        if !matches!(character, '"' | '\'') {
            bare.push(character);
            continue;
        }
        while let Some(within) = characters.next() {
            match within {
                '\\' => drop(characters.next()),
                _ if within == character => break,
                _ => {}
            }
        }
    }
    bare
}

fn pattern_of(pattern: &str) -> Result<Regex, String> {
    let compiled = RegexBuilder::new(pattern)
        .size_limit(PATTERN_LIMIT)
        .dfa_size_limit(PATTERN_LIMIT)
        .multi_line(true)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => format!(
                "the pattern `{}` takes more than {} KiB when it is compiled",
                quoted(pattern),
                PATTERN_LIMIT >> 10
            ),
            error => format!(
                "`{}` is not a pattern: {}",
                quoted(pattern),
                quoted(&error.to_string())
            ),
        })?;
    if compiled.captures_len() < 2 {
        return Err(format!(
            "the pattern `{}` has no group: put what is the number in parentheses",
            quoted(pattern)
        ));
    }
    Ok(compiled)
}

impl Http {
    pub(crate) fn new(url: &str, reading: &Reading, context: Context) -> Result<Self, String> {
        Ok(Self {
            url: url.to_owned(),
            reader: Reader::new(reading)?,
            context,
        })
    }

    pub(crate) fn resolved(&self) -> String {
        match &self.reader {
            Reader::Path(_, path) => format!("GET {} {path}", self.url),
            Reader::Pattern(pattern) => format!("GET {} /{pattern}/", self.url),
            Reader::Status => format!("GET {} status", self.url),
        }
    }
}

#[async_trait]
impl Look for Http {
    async fn look(&mut self, limit: Duration) -> Result<Found, Nothing> {
        let response = get(&self.context, &self.url, limit).await?;
        self.reader
            .read(&response)
            .map(Found::now)
            .map_err(Nothing::from)
    }
}

impl Reader {
    fn read(&self, response: &HttpResponse) -> Result<f64, String> {
        if matches!(self, Self::Status) {
            return Ok(f64::from(response.status));
        }
        // The body of an error is of another kind, though a number may stand in it.
        if !(200..300).contains(&response.status) {
            return Err(format!("it answered {}", described(response)));
        }
        match self {
            Self::Path(path, text) => {
                let body: serde_json::Value = serde_json::from_slice(&response.body)
                    .map_err(|_| format!("it answered {}, not JSON", described(response)))?;
                let found = path.query(&body);
                let mut found = found.iter();
                match (found.next(), found.count()) {
                    (None, _) => Err(format!("nothing in the answer is at `{}`", quoted(text))),
                    (Some(value), 0) => number::of_json(value).ok_or_else(|| {
                        format!("what is at `{}` is {}", quoted(text), number::kind(value))
                    }),
                    (Some(_), more) => Err(format!(
                        "{} values are at `{}`: one is needed",
                        more + 1,
                        quoted(text)
                    )),
                }
            }
            Self::Pattern(pattern) => {
                let body = String::from_utf8_lossy(&response.body);
                let found = pattern
                    .captures(&body)
                    .and_then(|groups| groups.get(1))
                    .ok_or("the pattern does not match the answer")?;
                number::of_text(found.as_str()).ok_or_else(|| {
                    format!(
                        "the pattern matches `{}`, which is not a number",
                        quoted(found.as_str())
                    )
                })
            }
            Self::Status => Ok(f64::from(response.status)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(reading: Reading, status: u16, body: &str) -> Result<f64, String> {
        let response = HttpResponse {
            status,
            headers: vec![("Content-Type".into(), "application/json; x".into())],
            body: body.into(),
        };
        Reader::new(&reading)?.read(&response)
    }

    fn path(path: &str, body: &str) -> Result<f64, String> {
        read(Reading::JsonPath(path.into()), 200, body)
    }

    #[test]
    fn a_path_must_come_to_one_number() {
        let body = r#"{"a": {"depth": 7}, "b": [{"depth": "8"}], "up": true, "n": null}"#;
        assert_eq!(path("$.a.depth", body), Ok(7.0));
        assert_eq!(path("$.b[?@.depth=='8'].depth", body), Ok(8.0));
        assert_eq!(path("$.up", body), Ok(1.0));
        assert_eq!(
            path("$.none", body),
            Err("nothing in the answer is at `$.none`".into())
        );
        assert_eq!(
            path("$..depth", body),
            Err("2 values are at `$..depth`: one is needed".into())
        );
        assert_eq!(path("$.n", body), Err("what is at `$.n` is null".into()));
        assert_eq!(
            path("$.a", "<p>"),
            Err("it answered status 200 with application/json, not JSON".into())
        );
        assert_eq!(
            path("$.a", "<!DOCTYPE html>"),
            Err("it answered status 200 with an HTML page, not JSON".into())
        );
        let error = read(Reading::JsonPath("$.a".into()), 500, r#"{"a": 1}"#);
        assert_eq!(
            error,
            Err("it answered status 500 with application/json".into())
        );
        assert_eq!(read(Reading::Status, 500, ""), Ok(500.0));
    }

    #[test]
    fn what_is_not_a_path_is_refused() {
        for bad in [
            "",
            "a",
            "$.",
            "$[",
            "$[?match(@.a",
            "$..a..b",
            "$.a[?$..b == @.c]",
            "$[?@..a..b]",
        ] {
            assert!(check(&Reading::JsonPath(bad.into())).is_err(), "{bad}");
        }
        for good in ["$.a['..']['$']", "$..a", "$[?@.a == \"$$ .. ..\"].b"] {
            check(&Reading::JsonPath(good.into())).expect(good);
        }
    }

    #[test]
    fn a_pattern_has_a_group_and_a_limit() {
        let read = |pattern: &str, body: &str| read(Reading::Pattern(pattern.into()), 200, body);
        assert_eq!(
            read(r"^queue (\d+)$", "up 1\nqueue 12\nqueue 13\n"),
            Ok(12.0)
        );
        assert_eq!(
            read(r"(\w+)", "none"),
            Err("the pattern matches `none`, which is not a number".into())
        );
        assert_eq!(
            read(r"q(\d)", "x"),
            Err("the pattern does not match the answer".into())
        );
        assert!(
            read(r"\d+", "1")
                .expect_err("no group")
                .contains("parentheses")
        );
        assert!(read(r"(", "1").is_err());
        assert!(
            read(r"(\w{1000}){1000}", "1")
                .expect_err("huge")
                .contains("KiB")
        );
    }

    #[test]
    fn a_deep_or_wide_answer_is_read_in_time() {
        let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(path("$..a", &deep).is_err());
        let wide = format!("[{}1]", "[1],".repeat(250_000));
        assert!(path("$..a", &wide).is_err());
        assert!(path("$[?@[0] == 2]", &wide).is_err());
    }
}
