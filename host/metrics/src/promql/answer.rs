//! Answers of Prometheus (its HTTP API, version 1), read strictly.

use duress_http::HttpResponse;
use serde::Deserialize;
use serde_json::Value;

use crate::exchange::described;
use crate::look::Nothing;
use crate::number;
use crate::words::quoted;

/// The most labels that a reason shows: those that differ.
const LABELS: usize = 3;

#[derive(Debug, Deserialize)]
struct Answer {
    status: Status,
    data: Option<Data>,
    #[serde(rename = "errorType", default)]
    error_type: String,
    #[serde(default)]
    error: String,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Status {
    Success,
    Error,
}

#[derive(Debug, Deserialize)]
struct Data {
    #[serde(rename = "resultType")]
    kind: String,
    result: Value,
}

/// A series, with its samples as (seconds since the Unix epoch, value).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Series {
    pub(super) labels: serde_json::Map<String, Value>,
    pub(super) samples: Vec<(f64, f64)>,
}

/// What a query came to.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Outcome {
    /// One number, and when.
    Scalar(f64, f64),
    /// One sample of each series.
    Vector(Vec<Series>),
    /// Many samples of each series.
    Matrix(Vec<Series>),
}

/// Reads an answer.
pub(super) fn read(response: &HttpResponse) -> Result<Outcome, Nothing> {
    let Ok(answer) = serde_json::from_slice::<Answer>(&response.body) else {
        return Err(format!("it answered {}: is it a Prometheus?", described(response)).into());
    };
    if answer.status == Status::Error {
        let why = quoted(&answer.error);
        return Err(match answer.error_type.as_str() {
            "bad_data" => Nothing {
                reason: format!("Prometheus cannot read the query: {why}"),
                is_wrong: true,
            },
            "timeout" => format!("Prometheus gave the query up: {why}").into(),
            _ => format!("Prometheus failed: {why}").into(),
        });
    }
    let outcome = answer.data.and_then(|data| match data.kind.as_str() {
        "scalar" => pair(&data.result).map(|(at, value)| Outcome::Scalar(at, value)),
        "vector" => series(&data.result, |series| {
            pair(series.get("value")?).map(|sample| vec![sample])
        })
        .map(Outcome::Vector),
        "matrix" => series(&data.result, |series| {
            series.get("values")?.as_array()?.iter().map(pair).collect()
        })
        .map(Outcome::Matrix),
        _ => None,
    });
    outcome.ok_or_else(|| "it answered what is not a number, a vector or a range of samples".into())
}

fn series(
    result: &Value,
    samples: impl Fn(&Value) -> Option<Vec<(f64, f64)>>,
) -> Option<Vec<Series>> {
    let all = result.as_array()?.iter();
    all.map(|one| {
        Some(Series {
            labels: one.get("metric")?.as_object()?.clone(),
            samples: samples(one)?,
        })
    })
    .collect()
}

/// A time and a value; the value is a text, for JSON has no NaN.
fn pair(pair: &Value) -> Option<(f64, f64)> {
    let [at, value] = pair.as_array()?.as_slice() else {
        return None;
    };
    Some((at.as_f64()?, number::of_text(value.as_str()?)?))
}

impl Outcome {
    /// Returns the only sample, and when it was evaluated.
    pub(super) fn single(self) -> Result<(f64, f64), Nothing> {
        match self {
            Self::Scalar(at, value) => Ok((at, value)),
            Self::Vector(series) => {
                let one = only(series)?;
                let sample = one.samples.first().copied();
                sample.ok_or_else(|| "it answered a series without a sample".into())
            }
            Self::Matrix(_) => Err(Nothing {
                reason:
                    "the query returns a range of samples: put a function around it, e.g. rate(…)"
                        .into(),
                is_wrong: true,
            }),
        }
    }
}

/// Returns the only series.
pub(super) fn only(mut series: Vec<Series>) -> Result<Series, Nothing> {
    let Some(one) = series.pop() else {
        return Err("the query returns no series: none exists, or all have ended".into());
    };
    if series.is_empty() {
        return Ok(one);
    }
    Err(Nothing {
        reason: format!(
            "the query returns {} series, {} among them: aggregate it, e.g. sum(…)",
            series.len() + 1,
            distinguished(&one, &series)
        ),
        is_wrong: true,
    })
}

/// Returns the labels by which a series differs from others: they say what to aggregate over.
fn distinguished(one: &Series, others: &[Series]) -> String {
    let differs = |name: &str, value: &Value| {
        let mut others = others.iter();
        others.any(|other| other.labels.get(name) != Some(value))
    };
    let labels = one.labels.iter();
    let mut labels = labels.filter(|(name, value)| differs(name, value));
    let shown: Vec<_> = labels
        .by_ref()
        .take(LABELS)
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let more = if labels.next().is_some() { ", …" } else { "" };
    quoted(&format!("{{{}{more}}}", shown.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn answered(status: u16, body: &str) -> Result<Outcome, Nothing> {
        read(&HttpResponse {
            status,
            headers: Vec::new(),
            body: body.into(),
        })
    }

    fn vector(result: Value) -> Result<(f64, f64), Nothing> {
        let body = json!({"status": "success", "data": {"resultType": "vector", "result": result}});
        answered(200, &body.to_string())?.single()
    }

    #[test]
    fn one_sample_is_a_value_and_nothing_else_is() {
        let one = json!({"metric": {"job": "a"}, "value": [12.5, "0.25"]});
        assert_eq!(vector(json!([one])), Ok((12.5, 0.25)));
        assert!(
            vector(json!([]))
                .expect_err("none")
                .reason
                .contains("no series")
        );
        let several = vector(json!([one, one, one])).expect_err("three");
        assert!(
            several.is_wrong && several.reason.contains("3 series"),
            "{several:?}"
        );
        for odd in [
            json!({}),
            json!([{}]),
            json!([{"metric": {}, "value": [1]}]),
            json!([{"metric": {}, "value": ["1", "2"]}]),
        ] {
            assert!(vector(odd.clone()).is_err(), "{odd}");
        }
        let scalar = r#"{"status":"success","data":{"resultType":"scalar","result":[1,"NaN"]}}"#;
        let Ok(Outcome::Scalar(_, value)) = answered(200, scalar) else {
            panic!("a scalar");
        };
        assert!(value.is_nan());
    }

    #[test]
    fn errors_are_told_in_the_words_of_prometheus_made_harmless() {
        let parse = r#"{"status":"error","errorType":"bad_data","error":"invalid parameter \"query\":\u001b[2J 1:3"}"#;
        let error = answered(400, parse).expect_err("an error");
        assert!(error.is_wrong, "{error:?}");
        assert_eq!(
            error.reason,
            "Prometheus cannot read the query: invalid parameter \"query\":\\u{1b}[2J 1:3"
        );
        for other in [
            "",
            "<html>",
            "[]",
            "{}",
            "null",
            r#"{"status":"success"}"#,
            &"[".repeat(100_000),
        ] {
            let error = answered(200, other).expect_err("an error");
            assert!(!error.is_wrong && !error.reason.is_empty(), "{error:?}");
        }
    }
}
