//! Values of HTTP services.

use duress_experiment::{Reading, Source};
use duress_metrics::BODY_LIMIT;

use crate::service::{Answer, Service};
use crate::trial::{look, nowhere, probe, reason, value};

fn at(url: String, reading: Reading) -> Source {
    Source::Http { url, reading }
}

fn path(path: &str) -> Reading {
    Reading::JsonPath(path.to_owned())
}

#[tokio::test]
async fn a_value_is_read_by_path_pattern_or_status() {
    let context = nowhere().await;
    let service = Service::start(Answer::json(r#"{"queue": {"depth": 42}}"#));
    let url = || service.url("/stats?x=1");
    let mut depth = probe(at(url(), path("$.queue.depth")), 5_000, &context);
    let sample = depth.sample().await;
    assert_eq!(value(&sample), Ok(42.0));
    assert!(sample.sampled_at >= sample.asked_at, "{sample:?}");
    assert!(
        sample.query.contains("/stats?x=1 $.queue.depth"),
        "{sample:?}"
    );
    let pattern = Reading::Pattern(r#"depth": (\d+)"#.to_owned());
    assert_eq!(look(at(url(), pattern), &context).await, Ok(42.0));
    assert_eq!(look(at(url(), Reading::Status), &context).await, Ok(200.0));
    let asked = service.requests.lock().unwrap().clone();
    assert!(
        asked
            .iter()
            .all(|request| request.starts_with("GET /stats?x=1 ")),
        "{asked:?}"
    );
}

#[tokio::test]
async fn what_has_no_value_has_a_reason() {
    let context = nowhere().await;
    let service = Service::start(Answer::Silence);
    let source = || at(service.url("/"), path("$.a"));
    // Slow: the look ends with its time limit.
    let slow = probe(source(), 200, &context).sample().await;
    reason(value(&slow), &["within", "0.2 s"]);
    service.answers(Answer::http(
        "200 OK",
        "text/html",
        "<!DOCTYPE html><p>\u{1b}[2J",
    ));
    reason(look(source(), &context).await, &["HTML page", "not JSON"]);
    service.answers(Answer::http("500 Oh", "application/json", r#"{"a": 1}"#));
    reason(look(source(), &context).await, &["status 500"]);
    service.answers(Answer::json(r#"{"a": "NaN"}"#));
    reason(look(source(), &context).await, &["NaN"]);
    service.answers(Answer::json(r#"{"a": [1, 2]}"#));
    reason(look(source(), &context).await, &["a list"]);
    service.answers(Answer::Bytes(b"\x16\x03\x01 no HTTP".to_vec()));
    assert!(look(source(), &context).await.is_err());
    service.answers(Answer::Bytes(Vec::new()));
    assert!(look(source(), &context).await.is_err());
    // Down.
    let gone = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = gone.local_addr().unwrap();
    drop(gone);
    let down = at(format!("http://{address}/"), path("$.a"));
    reason(look(down, &context).await, &["refused"]);
    let nobody = at("http://web:80/".to_owned(), Reading::Status);
    reason(look(nobody, &context).await, &["no container `web`"]);
    for bad in ["ftp://127.0.0.1/", "no url", "http://user:word@127.0.0.1/"] {
        let bad = at(bad.to_owned(), Reading::Status);
        assert!(look(bad, &context).await.is_err());
    }
}

#[tokio::test]
async fn a_giant_body_is_not_received() {
    let context = nowhere().await;
    let giant = format!("[{}1]", "1,".repeat(BODY_LIMIT));
    let service = Service::start(Answer::json(&giant));
    let source = || at(service.url("/"), path("$[0]"));
    reason(look(source(), &context).await, &["more than 1024 KiB"]);
    let head = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec();
    let chunk = format!("1000\r\n{}\r\n", "1".repeat(0x1000)).into_bytes();
    service.answers(Answer::Endless(head, chunk));
    reason(look(source(), &context).await, &["more than 1024 KiB"]);
    // Headers without an end.
    let head = b"HTTP/1.1 200 OK\r\n".to_vec();
    service.answers(Answer::Endless(head, b"x-again: and again\r\n".to_vec()));
    assert!(look(source(), &context).await.is_err());
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let context = nowhere().await;
    let elsewhere = Service::start(Answer::json("1"));
    let head = format!(
        "HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
        elsewhere.url("/")
    );
    let service = Service::start(Answer::Bytes(head.into_bytes()));
    let status = at(service.url("/"), Reading::Status);
    assert_eq!(look(status, &context).await, Ok(302.0));
    reason(
        look(at(service.url("/"), path("$")), &context).await,
        &["status 302"],
    );
    assert!(elsewhere.requests.lock().unwrap().is_empty());
}
