//! What answers in place of Prometheus.

use std::time::Duration;

use duress_experiment::Source;

use crate::service::{Answer, Service};
use crate::trial::{nowhere, probe, reason, value};

#[tokio::test]
async fn whatever_else_answers_is_no_value() {
    let context = nowhere().await;
    let service = Service::start(Answer::Silence);
    let source = || Source::Promql {
        query: "rate(x[5s])".to_owned(),
        at: service.address.to_string(),
        scrape_ms: 1_000,
        range_ms: 5_000,
    };
    let look = async || value(&probe(source(), 5_000, &context).sample().await);
    let page = "<!doctype HTML><title>Sign in</title>";
    service.answers(Answer::http("200 OK", "text/html", page));
    reason(look().await, &["HTML page", "is it a Prometheus?"]);
    service.answers(Answer::http(
        "404 Not Found",
        "text/plain",
        "404 page not found",
    ));
    reason(look().await, &["status 404", "is it a Prometheus?"]);
    service.answers(Answer::http("500 Oh", "text/plain", ""));
    reason(look().await, &["status 500"]);
    let steers = r#"{"status":"error","errorType":"internal","error":"\u001b]0;x\u0007\n\u202e"}"#;
    service.answers(Answer::http("503 No", "application/json", steers));
    reason(look().await, &["Prometheus failed", "u{1b}"]);
    let long = format!(
        r#"{{"status":"error","errorType":"bad_data","error":"{}"}}"#,
        "é".repeat(100_000)
    );
    service.answers(Answer::http("400 Bad", "application/json", &long));
    reason(look().await, &["cannot read the query"]);

    // An answer to the first query, and the same for every other.
    let odd = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"selector":"0"},"value":[1e300,"1"]}]}}"#;
    service.answers(Answer::json(odd));
    reason(look().await, &["stale"]);
    let odd = r#"{"status":"success","data":{"resultType":"vector","result":[{"metric":{"selector":"0"},"value":[-1e300,"-1e300"]}]}}"#;
    service.answers(Answer::json(odd));
    let _ = look().await;
    let odd = r#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{},"values":[[1e300,"1"],[-1,"2"]]}]}}"#;
    service.answers(Answer::json(odd));
    assert!(look().await.is_err());
    let mut strange = probe(source(), 5_000, &context);
    for (from, to) in [(0, 10_000), (i64::MIN, i64::MAX), (10, 0)] {
        let read = strange.range_check(from, to, Duration::ZERO).await;
        assert!(read.unwrap().is_ok_and(|points| points.len() <= 11_000));
    }
}

#[tokio::test]
async fn an_answer_without_an_end_is_no_value() {
    let context = nowhere().await;
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let chunk = format!("1000\r\n{}\r\n", "[".repeat(0x1000)).into_bytes();
    let service = Service::start(Answer::Endless(head, chunk));
    let source = Source::Promql {
        query: "x".to_owned(),
        at: service.address.to_string(),
        scrape_ms: 1_000,
        range_ms: 0,
    };
    let sample = probe(source, 5_000, &context).sample().await;
    reason(value(&sample), &["more than 1024 KiB"]);
}
