//! HTTP on behalf of plugins: to the containers of one stack by name, and to granted hosts. Never anywhere else.
//!
//! The destination is checked before a socket is opened. Redirects are not followed and no proxy is used, so the address that was
//! checked is the address that is asked.

use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use crate::engine::{Engine, EngineError, Project};
use crate::journal::change::HttpRequest;

/// The most that a response's body may hold, in bytes: states and metrics are far smaller, and a plugin gets it whole.
pub const RESPONSE_LIMIT: usize = 4 << 20;
/// The longest that an exchange may take, whatever the request says.
pub const LONGEST_EXCHANGE: Duration = Duration::from_secs(300);

/// A response, of whatever status.
#[derive(Debug, Clone)]
pub struct HttpResponse {
    /// e.g. 200.
    pub status: u16,
    /// Name and value, as received.
    pub headers: Vec<(String, String)>,
    /// The whole of it.
    pub body: Vec<u8>,
}

/// Why there was no response.
#[derive(Debug, Clone, thiserror::Error)]
pub enum HttpError {
    /// The destination is not allowed.
    #[error("{0}")]
    Denied(String),
    /// The request is malformed.
    #[error("{0}")]
    Invalid(String),
    /// Nothing answers there.
    #[error("{0}")]
    Unavailable(String),
    /// It took too long.
    #[error("{method} {url} was not answered within {:.1} s", .after.as_secs_f64())]
    Timeout {
        /// The request's method.
        method: String,
        /// The request's URL.
        url: String,
        /// The limit.
        after: Duration,
    },
}

/// Where requests may go.
#[derive(Clone, Copy)]
pub struct Reach<'a> {
    /// The engine that runs the stack; `None` where the subject has no containers.
    pub engine: Option<&'a dyn Engine>,
    /// The stack.
    pub project: &'a Project,
    /// `host:port` beyond the stack.
    pub hosts: &'a [String],
}

/// The client of this process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client(reqwest::Client);

impl Client {
    /// A client without redirects, proxies or connections that outlive their use: a container's address may belong to another
    /// container a moment later.
    pub fn new() -> crate::Result<Self> {
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .user_agent(concat!("duress/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(Self)
            .map_err(|error| crate::Error::environment(format!("set up HTTP: {}", causes(&error))))
    }

    /// Send a request within a reach, and wait for the whole response.
    pub async fn send(
        &self,
        reach: Reach<'_>,
        request: &HttpRequest,
    ) -> Result<HttpResponse, HttpError> {
        let limit = request.timeout().min(LONGEST_EXCHANGE);
        let exchange = async {
            let (url, host) = destination(reach, &request.url).await?;
            let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| {
                HttpError::Invalid(format!("`{}` is no HTTP method", request.method))
            })?;
            let response = self
                .0
                .request(method, url)
                .headers(headers(request, host)?)
                .body(request.body.clone())
                .send()
                .await
                .map_err(|error| unavailable(request, &error))?;
            receive(request, response).await
        };
        tokio::time::timeout(limit, exchange)
            .await
            .map_err(|_| HttpError::Timeout {
                method: request.method.clone(),
                url: request.url.clone(),
                after: limit,
            })?
    }
}

/// The URL to connect to, and the `Host` header when it differs: a container's name becomes its address.
async fn destination(
    reach: Reach<'_>,
    text: &str,
) -> Result<(Url, Option<HeaderValue>), HttpError> {
    let mut url = Url::parse(text)
        .map_err(|error| HttpError::Invalid(format!("`{text}` is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(HttpError::Invalid(format!(
            "`{text}` is neither http nor https"
        )));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(HttpError::Invalid(format!(
            "`{text}` carries a user name: send a header instead"
        )));
    }
    let host = url.host_str().unwrap_or_default().to_owned();
    let port = url.port_or_known_default().unwrap_or(80);
    let authority = format!("{host}:{port}");
    if reach.hosts.contains(&authority) {
        return Ok((url, None));
    }
    let Some(engine) = reach.engine else {
        return Err(refused(text, &authority));
    };
    let containers = engine
        .containers(reach.project)
        .await
        .map_err(|error| unreachable(text, &error))?;
    let Some(container) = containers
        .into_iter()
        .find(|container| container.name == host)
    else {
        return Err(refused(text, &authority));
    };
    if url.scheme() == "https" {
        return Err(HttpError::Invalid(format!(
            "`{text}` asks a container for https: only http reaches containers"
        )));
    }
    let address = engine
        .endpoint(&container.id, port)
        .await
        .map_err(|error| unreachable(text, &error))?;
    let header = HeaderValue::from_str(&authority)
        .map_err(|_| HttpError::Invalid(format!("`{authority}` cannot stand in a header")))?;
    url.set_ip_host(address.ip())
        .and_then(|()| url.set_port(Some(address.port())))
        .map_err(|()| HttpError::Invalid(format!("`{text}` cannot be sent to {address}")))?;
    Ok((url, Some(header)))
}

fn refused(url: &str, authority: &str) -> HttpError {
    HttpError::Denied(format!(
        "a request to `{url}` was refused: `{authority}` is neither a container of this stack nor in the manifest's `http_hosts`; \
         `http_hosts: [\"{authority}\"]` in plugin.yaml would allow it"
    ))
}

fn unreachable(url: &str, error: &EngineError) -> HttpError {
    HttpError::Unavailable(format!("cannot reach `{url}`: {error}"))
}

fn headers(request: &HttpRequest, host: Option<HeaderValue>) -> Result<HeaderMap, HttpError> {
    let mut map = HeaderMap::new();
    for (name, value) in &request.headers {
        let bad = || HttpError::Invalid(format!("`{name}: {value}` is no HTTP header"));
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| bad())?;
        if name == reqwest::header::HOST || name == reqwest::header::CONTENT_LENGTH {
            return Err(HttpError::Invalid(format!(
                "the header `{name}` is the host's to set"
            )));
        }
        map.append(name, HeaderValue::from_str(value).map_err(|_| bad())?);
    }
    if let Some(host) = host {
        map.insert(reqwest::header::HOST, host);
    }
    Ok(map)
}

async fn receive(
    request: &HttpRequest,
    mut response: reqwest::Response,
) -> Result<HttpResponse, HttpError> {
    let status = response.status().as_u16();
    let headers = response
        .headers()
        .iter()
        .map(|(name, value)| {
            (
                name.to_string(),
                String::from_utf8_lossy(value.as_bytes()).into_owned(),
            )
        })
        .collect();
    let mut body = Vec::new();
    while let Some(chunk) = response
        .chunk()
        .await
        .map_err(|error| unavailable(request, &error))?
    {
        if body.len() + chunk.len() > RESPONSE_LIMIT {
            return Err(HttpError::Unavailable(format!(
                "{} {} answered more than {} MiB",
                request.method,
                request.url,
                RESPONSE_LIMIT >> 20
            )));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(HttpResponse {
        status,
        headers,
        body,
    })
}

fn unavailable(request: &HttpRequest, error: &reqwest::Error) -> HttpError {
    HttpError::Unavailable(format!(
        "{} {}: {}",
        request.method,
        request.url,
        causes(error)
    ))
}

/// The innermost cause says what happened; those around it repeat the URL.
fn causes(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
