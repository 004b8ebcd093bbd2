//! Downloads with bounds: a server that never stops sending, or that sends too slowly, costs neither memory nor patience.

use std::time::Duration;

use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, ClientBuilder, Response, StatusCode, Url};

use super::runtime::COMPONENT_LIMIT;
use duress_http::choose_cryptography;
use duress_model::{Error, Result, innermost};

/// For a server to take a connection, and to send something more.
const PATIENCE: Duration = Duration::from_secs(20);
/// For the whole of a download or an upload, whatever the server does: the largest component takes half of it at 1 MB/s.
pub(super) const DEADLINE: Duration = Duration::from_secs(600);
/// How many redirects are followed.
const REDIRECTS: usize = 5;

/// Returns whether a host is this machine.
pub(super) fn is_here(host: &str) -> bool {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

/// Returns whether a URL's host is this machine.
pub(super) fn leads_here(url: &Url) -> bool {
    url.host_str().is_some_and(is_here)
}

/// A client for one server: by https alone, but for one on this machine.
pub(super) fn client(is_local: bool) -> reqwest::Result<Client> {
    let follow = move |attempt: Attempt<'_>| {
        let url = attempt.url();
        let is_safe = match is_local {
            true => url.scheme() == "https" || leads_here(url),
            // What is elsewhere has nothing to send anybody to here.
            false => url.scheme() == "https" && !leads_here(url),
        };
        if attempt.previous().len() > REDIRECTS {
            attempt.error("it redirects too often")
        } else if is_safe {
            attempt.follow()
        } else {
            let why = format!("it redirects to {url}, which is not allowed");
            attempt.error(why)
        }
    };
    choose_cryptography();
    ClientBuilder::new()
        .connect_timeout(PATIENCE)
        .read_timeout(PATIENCE)
        .https_only(!is_local)
        .redirect(Policy::custom(follow))
        .user_agent(concat!("duress/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Why the body is incomplete.
#[derive(Debug)]
pub(super) enum BodyError {
    /// It is larger than what was allowed.
    TooLarge,
    /// The connection broke.
    Broken(reqwest::Error),
}

/// A body of at most so many bytes.
pub(super) async fn body(mut response: Response, limit: u64) -> Result<Vec<u8>, BodyError> {
    if response.content_length().is_some_and(|size| size > limit) {
        return Err(BodyError::TooLarge);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(BodyError::Broken)? {
        if (body.len() + chunk.len()) as u64 > limit {
            return Err(BodyError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Runs an exchange with a server, for as long as it may take.
pub(super) async fn within<T>(
    deadline: Duration,
    what: &str,
    exchange: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::time::timeout(deadline, exchange)
        .await
        .unwrap_or_else(|_| {
            let seconds = deadline.as_secs_f64();
            Err(
                Error::environment(format!("{what}: not finished within {seconds} s"))
                    .hint("the server is slow, or never ends: try again, or ask who runs it"),
            )
        })
}

pub(super) fn too_large(what: &str) -> Error {
    Error::input(format!(
        "{what} is too large: a component may have {} MiB",
        COMPONENT_LIMIT >> 20
    ))
}

/// Downloads a component.
pub(super) async fn download(url: &Url) -> Result<Vec<u8>> {
    let unreachable = |error: reqwest::Error| {
        Error::environment(format!("fetch {url}: {}", innermost(&error)))
            .hint("is it written rightly, and can this machine reach it?")
    };
    let client = client(url.scheme() == "http").map_err(unreachable)?;
    let response = client.get(url.clone()).send().await.map_err(unreachable)?;
    let status = response.status();
    if !status.is_success() {
        let refused = format!("fetch {url}: the server answered {status}");
        return Err(match status {
            StatusCode::NOT_FOUND | StatusCode::GONE => {
                Error::input(refused).hint("is it written rightly?")
            }
            _ => Error::environment(refused),
        });
    }
    let component = body(response, COMPONENT_LIMIT)
        .await
        .map_err(|error| match error {
            BodyError::TooLarge => too_large(&format!("what {url} gives")),
            BodyError::Broken(error) => unreachable(error),
        })?;
    if !component.starts_with(b"\0asm") {
        return Err(
            Error::input(format!("what {url} gives is not a WebAssembly component"))
                .hint("the URL must be that of the component itself, not of a page about it"),
        );
    }
    Ok(component)
}
