//! Requests whose URL stands in the user's own file: to a container of one stack by its name, and else wherever the URL leads.

use reqwest::Url;
use reqwest::header::HeaderValue;
use std::sync::Arc;

use duress_engine::{Engine, Project};
use duress_model::{HttpRequest, innermost};

use super::{
    Answers, Client, HttpError, HttpResponse, LONGEST_EXCHANGE, Reach, Transport,
    choose_cryptography, destination, unreachable,
};

/// A client for URLs that the user wrote, this machine's among them. Neither redirects nor proxies lead it elsewhere.
#[derive(Debug, Clone)]
pub struct Anywhere(Way);

#[derive(Debug, Clone)]
enum Way {
    Sockets(reqwest::Client),
    Simulated(Arc<dyn Answers>),
}

impl Anywhere {
    /// A client beside that of plugins; simulated where that one is.
    ///
    /// # Errors
    /// When the machine lacks what encryption needs.
    pub fn beside(client: &Client) -> duress_model::Result<Self> {
        if let Transport::Simulated(answers) = &client.0 {
            return Ok(Self(Way::Simulated(Arc::clone(answers))));
        }
        choose_cryptography();
        reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_max_idle_per_host(0)
            .user_agent(concat!("duress/", env!("CARGO_PKG_VERSION")))
            .build()
            .map(|client| Self(Way::Sockets(client)))
            .map_err(|error| {
                duress_model::Error::environment(format!("set up HTTP: {}", innermost(&error)))
            })
    }

    /// Sends a request, and waits for the whole response, of at most so many bytes. A host without a dot is a container of the stack,
    /// except for `localhost`.
    ///
    /// # Errors
    /// Why there was no whole response.
    pub async fn send(
        &self,
        engine: Option<&dyn Engine>,
        project: &Project,
        request: &HttpRequest,
        body_limit: usize,
    ) -> Result<HttpResponse, HttpError> {
        let limit = request.timeout().min(LONGEST_EXCHANGE);
        let exchange = async {
            let (url, host) = find(engine, project, &request.url).await?;
            let (method, headers) = super::parts(request, host)?;
            let client = match &self.0 {
                Way::Sockets(client) => client,
                Way::Simulated(answers) => return answers.answer(request),
            };
            let response = client
                .request(method, url)
                .headers(headers)
                .body(request.body.clone())
                .send()
                .await
                .map_err(|error| super::unavailable(request, &error))?;
            super::receive_at_most(body_limit, request, response).await
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

/// Returns the URL to connect to, and the `Host` header when it differs.
async fn find(
    engine: Option<&dyn Engine>,
    project: &Project,
    text: &str,
) -> Result<(Url, Option<HeaderValue>), HttpError> {
    let authority = super::authority_of(text).unwrap_or_default();
    let url = Url::parse(text).ok();
    let host = url.as_ref().and_then(Url::host_str).unwrap_or_default();
    // Addresses and this machine's name are not names of containers.
    let is_name =
        !host.is_empty() && !host.starts_with('[') && host.parse::<std::net::Ipv4Addr>().is_err();
    if let Some(engine) = engine.filter(|_| is_name && host != "localhost") {
        let containers = engine
            .containers(project)
            .await
            .map_err(|error| unreachable(text, &error))?;
        if containers.iter().any(|container| container.name == host) {
            let reach = Reach {
                engine: Some(engine),
                project,
                hosts: &[],
            };
            return destination(reach, None, text).await;
        }
        if !host.contains('.') {
            return Err(HttpError::Unavailable(format!(
                "cannot reach `{text}`: the stack has no container `{host}` now"
            )));
        }
    }
    let hosts = [authority];
    let reach = Reach {
        engine: None,
        project,
        hosts: &hosts,
    };
    destination(reach, None, text).await
}
