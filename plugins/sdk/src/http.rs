//! JSON over HTTP: what most systems are asked with.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bindings::duress::plugin::http::{self, Header, Request, Response};
use crate::wait::milliseconds;
use crate::{Error, Result};

/// The beginning of an answer that an error shows, in bytes: enough for one sentence of a server.
const SHOWN: usize = 200;

/// `GET` a JSON document. The host of the URL may be a container's name.
///
/// A status other than 2xx, and a body that is no such JSON, are errors that name the URL.
pub fn get_json<T: DeserializeOwned>(url: &str, timeout: Duration) -> Result<T> {
    ask("GET", url, None, timeout)
}

/// `POST` a JSON document and read another; else as [`get_json`].
pub fn post_json<T: DeserializeOwned>(url: &str, body: &Value, timeout: Duration) -> Result<T> {
    ask("POST", url, Some(body), timeout)
}

/// A request, with a JSON document or none.
pub fn request(method: &str, url: &str, body: Option<&Value>, timeout: Duration) -> Request {
    let headers = body.iter().map(|_| Header {
        name: "content-type".into(),
        value: "application/json".into(),
    });
    Request {
        method: method.into(),
        url: url.into(),
        headers: headers.collect(),
        body: body
            .map(|body| body.to_string().into_bytes())
            .unwrap_or_default(),
        timeout: milliseconds(timeout),
    }
}

fn ask<T: DeserializeOwned>(
    method: &str,
    url: &str,
    body: Option<&Value>,
    timeout: Duration,
) -> Result<T> {
    let request = request(method, url, body, timeout);
    let what = format!("{method} {url}");
    let response = http::send(&request).map_err(|error| error.context(&what))?;
    read(&what, &response)
}

fn read<T: DeserializeOwned>(what: &str, response: &Response) -> Result<T> {
    if !(200..300).contains(&response.status) {
        return Err(Error::Failed(format!(
            "{what}: status {}: {}",
            response.status,
            beginning(&response.body)
        )));
    }
    serde_json::from_slice(&response.body).map_err(|error| {
        Error::Failed(format!(
            "{what}: an answer of another form ({error}): {}",
            beginning(&response.body)
        ))
    })
}

fn beginning(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(SHOWN)]);
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Result<Value> {
        let response = Response {
            status,
            headers: Vec::new(),
            body: body.into(),
        };
        read("GET http://pd0/stores", &response)
    }

    #[test]
    fn a_success_is_parsed() {
        assert_eq!(answer(200, "[1]"), Ok(serde_json::json!([1])));
    }

    #[test]
    fn a_refusal_says_what_the_server_said() {
        let error = answer(503, "no leader\n").expect_err("a status of 503");
        assert_eq!(
            error,
            Error::Failed("GET http://pd0/stores: status 503: no leader".into())
        );
    }

    #[test]
    fn a_body_that_is_no_json_is_an_error() {
        let error = answer(200, "<html>").expect_err("no JSON");
        assert!(error.text().contains("another form"), "{error}");
    }
}
