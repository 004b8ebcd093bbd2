//! One HTTP exchange, limited in time and size.

use std::time::Duration;

use duress_http::HttpResponse;
use duress_model::HttpRequest;

use crate::context::Context;
use crate::look::Nothing;
use crate::words::quoted;

/// The most that an answer may hold, in bytes: a page of metrics is far smaller.
pub const BODY_LIMIT: usize = 1 << 20;

/// Sends a GET request.
pub(crate) async fn get(
    context: &Context,
    url: &str,
    limit: Duration,
) -> Result<HttpResponse, Nothing> {
    send(context, "GET", url, Vec::new(), Vec::new(), limit).await
}

/// Sends a form by POST, as one too long for a URL must be.
pub(crate) async fn post_form(
    context: &Context,
    url: &str,
    form: String,
    limit: Duration,
) -> Result<HttpResponse, Nothing> {
    let headers = vec![(
        "content-type".to_owned(),
        "application/x-www-form-urlencoded".to_owned(),
    )];
    send(context, "POST", url, headers, form.into_bytes(), limit).await
}

async fn send(
    context: &Context,
    method: &str,
    url: &str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    limit: Duration,
) -> Result<HttpResponse, Nothing> {
    let request = HttpRequest {
        method: method.to_owned(),
        url: url.to_owned(),
        headers,
        body,
        timeout_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
    };
    let engine = Some(context.engine.as_ref());
    let sent = context
        .client
        .send(engine, &context.project, &request, BODY_LIMIT)
        .await;
    sent.map_err(|error| quoted(&error.to_string()).into())
}

/// Says what an answer is that was to be a number.
pub(crate) fn described(response: &HttpResponse) -> String {
    let kind = response
        .headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-type"))
        .map(|(_, kind)| kind.split(';').next().unwrap_or_default().trim());
    let start = String::from_utf8_lossy(&response.body[..response.body.len().min(400)]);
    let start = start.trim_start();
    let looks_like_html = start
        .get(..9)
        .is_some_and(|start| start.eq_ignore_ascii_case("<!doctype"))
        || start
            .get(..5)
            .is_some_and(|start| start.eq_ignore_ascii_case("<html"));
    match kind {
        _ if response.body.is_empty() => format!("status {} without a body", response.status),
        _ if looks_like_html => format!("status {} with an HTML page", response.status),
        Some(kind) if !kind.is_empty() => {
            format!("status {} with {}", response.status, quoted(kind))
        }
        _ => format!("status {}", response.status),
    }
}
