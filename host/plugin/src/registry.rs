//! An OCI registry as a client sees it: pull and push of artifacts of one layer (OCI distribution specification 1.1).
//!
//! The registry is not trusted. What it sends is bounded by what it declared, and is what its digest says; a password goes to the
//! registry itself and to the token server of its own, by https, and nowhere else.

use bytes::Bytes;
use http_auth::parser::ChallengeParser;
use reqwest::header::{self, HeaderMap, HeaderValue};
use reqwest::{Client, Method, Response, StatusCode, Url};
use serde::Deserialize;

use super::artifact::{Artifact, Descriptor, MANIFEST_TYPE, Manifest};
use super::download::{self, BodyError, body, leads_here};
use super::reference::Reference;
use super::runtime::{COMPONENT_LIMIT, sha256};
use duress_model::innermost;
use duress_model::text::tame;
use duress_model::{Error, Result};

/// The most that a manifest may have, in bytes (OCI distribution specification, "Pushing Manifests").
const MANIFEST_LIMIT: u64 = 4 << 20;
/// The most that a token server's answer may have, in bytes.
const TOKEN_LIMIT: u64 = 256 << 10;
/// The most of a refusal's text that is read, in bytes.
const REFUSAL_LIMIT: u64 = 16 << 10;

/// The types of manifests that a registry may send (OCI image specification, "Media Types", and Docker's own). An index is not
/// supported; it is among them so that the registry sends it and the message can say so.
const ACCEPTED: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json, \
     application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json";

/// Credentials for a registry.
pub(super) enum Credentials {
    /// None are stored.
    Anonymous,
    /// A user and a password.
    Basic(String, String),
    /// A token.
    Bearer(String),
}

/// A registry, and what is asked of it.
pub(super) struct Registry<'a> {
    reference: &'a Reference,
    /// What is tried, for messages: e.g. `pull oci://…`.
    what: String,
    /// What a token must allow.
    scope: &'static str,
    client: Client,
    base: Url,
    credentials: Credentials,
    authorization: Option<HeaderValue>,
}

/// A token server, as a registry names it.
#[derive(Debug, PartialEq, Eq)]
struct Realm {
    url: Url,
    service: Option<String>,
}

/// What a registry wants to see.
#[derive(Debug, PartialEq, Eq)]
enum Challenge {
    Basic,
    Bearer(Realm),
}

#[derive(Deserialize)]
struct Token {
    token: Option<String>,
    access_token: Option<String>,
}

impl<'a> Registry<'a> {
    /// Returns the registry that a reference names; `verb` is `pull` or `push`.
    pub(super) fn new(
        reference: &'a Reference,
        verb: &str,
        credentials: Credentials,
    ) -> Result<Self> {
        let what = format!("{verb} oci://{reference}");
        let host = reference.host();
        let broken = |why: String| Error::input(format!("{what}: {why}"));
        let url = |scheme: &str| {
            Url::parse(&format!("{scheme}://{host}/"))
                .map_err(|error| broken(format!("`{host}` is not a host: {error}")))
        };
        let secure = url("https")?;
        // As Docker has it: a registry on this machine needs no certificate.
        let is_local = leads_here(&secure);
        let base = if is_local { url("http")? } else { secure };
        let client = download::client(is_local).map_err(|error| broken(innermost(&error)))?;
        let authorization =
            match &credentials {
                Credentials::Bearer(token) => Some(bearer(token).ok_or_else(|| {
                    broken("the stored token cannot stand in a header".to_owned())
                })?),
                _ => None,
            };
        Ok(Self {
            reference,
            scope: if verb == "push" { "pull,push" } else { "pull" },
            what,
            client,
            base,
            credentials,
            authorization,
        })
    }

    /// Returns the artifact's manifest.
    pub(super) async fn manifest(&mut self) -> Result<Manifest> {
        let name = match (self.reference.digest(), self.reference.tag()) {
            (Some(digest), _) => digest,
            (None, tag) => tag.unwrap_or("latest"),
        };
        let url = self.url(&format!("manifests/{name}"))?;
        let headers = HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(ACCEPTED))]);
        let response = self.ask(Method::GET, url, headers, Bytes::new()).await?;
        let text = self.read(response, MANIFEST_LIMIT, "a manifest").await?;
        if let Some(wanted) = self.reference.digest()
            && wanted.starts_with("sha256:")
            && sha256(&text) != wanted
        {
            return Err(self.garbage("the manifest is not the one of this digest"));
        }
        serde_json::from_slice(&text).map_err(|error| self.garbage(&error.to_string()))
    }

    /// A blob, of the size and the digest that the manifest declares.
    pub(super) async fn blob(&mut self, layer: &Descriptor) -> Result<Vec<u8>> {
        let size = u64::try_from(layer.size)
            .ok()
            .filter(|size| *size <= COMPONENT_LIMIT)
            .ok_or_else(|| download::too_large(&format!("oci://{}", self.reference)))?;
        if !is_digest(&layer.digest) {
            return Err(self.garbage("it names a blob by something that is not a digest"));
        }
        let url = self.url(&format!("blobs/{}", layer.digest))?;
        let response = self
            .ask(Method::GET, url, HeaderMap::new(), Bytes::new())
            .await?;
        let blob = self.read(response, size, "the component").await?;
        if blob.len() as u64 != size || sha256(&blob) != layer.digest {
            return Err(self.garbage("the component is not the one that the manifest declares"));
        }
        Ok(blob)
    }

    /// Pushes an artifact, and returns the digest of its manifest.
    pub(super) async fn push(&mut self, artifact: Artifact) -> Result<String> {
        for blob in artifact.blobs {
            self.push_blob(blob.into()).await?;
        }
        let text = serde_json::to_vec(&artifact.manifest)
            .map_err(|error| Error::failed(format!("{}: {error}", self.what)))?;
        let digest = sha256(&text);
        let name = self.reference.tag().unwrap_or(&digest);
        let url = self.url(&format!("manifests/{name}"))?;
        let headers = HeaderMap::from_iter([(
            header::CONTENT_TYPE,
            HeaderValue::from_static(MANIFEST_TYPE),
        )]);
        self.ask(Method::PUT, url, headers, text.into()).await?;
        Ok(digest)
    }

    async fn push_blob(&mut self, blob: Bytes) -> Result<()> {
        let digest = sha256(&blob);
        let there = self.url(&format!("blobs/{digest}"))?;
        let found = self
            .send(Method::HEAD, there, HeaderMap::new(), Bytes::new())
            .await?;
        if found.status().is_success() {
            return Ok(());
        }
        let begin = self.url("blobs/uploads/")?;
        let begun = self
            .ask(Method::POST, begin, HeaderMap::new(), Bytes::new())
            .await?;
        let location = begun.headers().get(header::LOCATION);
        let location = location.and_then(|location| location.to_str().ok());
        let mut place = location
            .and_then(|location| begun.url().join(location).ok())
            .ok_or_else(|| self.garbage("it names no place for an upload"))?;
        if place.origin() != self.base.origin() {
            return Err(self.garbage(&format!("it wants the upload to go to {place}")));
        }
        place.query_pairs_mut().append_pair("digest", &digest);
        let headers = HeaderMap::from_iter([(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/octet-stream"),
        )]);
        self.ask(Method::PUT, place, headers, blob).await.map(drop)
    }

    /// Sends a request, and takes no refusal.
    async fn ask(
        &mut self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response> {
        let response = self.send(method, url, headers, body).await?;
        match response.status().is_success() {
            true => Ok(response),
            false => Err(self.refused(response).await),
        }
    }

    /// Sends a request; once more where the registry wants to know who asks.
    async fn send(
        &mut self,
        method: Method,
        url: Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response> {
        let first = self.send_once(&method, &url, &headers, &body).await?;
        if first.status() != StatusCode::UNAUTHORIZED || self.authorization.is_some() {
            return Ok(first);
        }
        let Some(challenge) = challenge(first.headers()) else {
            return Ok(first);
        };
        self.authorization = self.authorize(challenge).await?;
        if self.authorization.is_none() {
            return Ok(first);
        }
        self.send_once(&method, &url, &headers, &body).await
    }

    async fn send_once(
        &self,
        method: &Method,
        url: &Url,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Response> {
        let mut request = self
            .client
            .request(method.clone(), url.clone())
            .headers(headers.clone())
            .body(body.clone());
        if let Some(authorization) = &self.authorization {
            request = request.header(header::AUTHORIZATION, authorization.clone());
        }
        let sent = request.send().await;
        sent.map_err(|error| self.unreachable(self.reference.host(), &error))
    }

    /// Returns the credentials that a registry requires; `None` if none are stored.
    async fn authorize(&self, challenge: Challenge) -> Result<Option<HeaderValue>> {
        let realm = match challenge {
            Challenge::Basic => {
                let request = self.client.get(self.base.clone());
                let Credentials::Basic(user, password) = &self.credentials else {
                    return Ok(None);
                };
                // The client knows how such a header is written.
                let built = request.basic_auth(user, Some(password)).build();
                let header = built
                    .ok()
                    .and_then(|request| request.headers().get(header::AUTHORIZATION).cloned());
                return Ok(header);
            }
            Challenge::Bearer(realm) => realm,
        };
        self.check_realm(&realm.url)?;
        let mut url = realm.url;
        let scope = format!("repository:{}:{}", self.reference.repository(), self.scope);
        url.query_pairs_mut()
            .append_pair("scope", &scope)
            .extend_pairs(realm.service.map(|service| ("service", service)));
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut request = self.client.get(url);
        if let Credentials::Basic(user, password) = &self.credentials {
            request = request.basic_auth(user, Some(password));
        }
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(&host, &error))?;
        if !response.status().is_success() {
            return Err(self.refused(response).await);
        }
        let text = self.read(response, TOKEN_LIMIT, "a token").await?;
        let token = serde_json::from_slice::<Token>(&text)
            .ok()
            .and_then(|found| found.token.or(found.access_token))
            .and_then(|token| bearer(&token));
        match token {
            Some(token) => Ok(Some(token)),
            None => Err(self.garbage("its token server gives no token")),
        }
    }

    /// Where a request for a token may go: to https alone, and with a password to the registry's own token server alone.
    fn check_realm(&self, realm: &Url) -> Result<()> {
        let is_local = leads_here(&self.base);
        let is_safe = match is_local {
            true => realm.scheme() == "https" || leads_here(realm),
            false => realm.scheme() == "https" && !leads_here(realm),
        };
        let has_password = matches!(self.credentials, Credentials::Basic(..));
        let registry = self.base.host_str().unwrap_or_default();
        let is_own = is_own_realm(registry, realm.host_str().unwrap_or_default());
        if is_safe && (is_own || !has_password) {
            return Ok(());
        }
        let why = match is_safe {
            true => "is not the registry's own",
            false => "is not https",
        };
        Err(Error::environment(format!(
            "{}: the registry wants a token from {realm}, which {why}: nothing was sent there",
            self.what
        ))
        .hint("if you trust it, get the component by other means, and name its file"))
    }

    async fn read(&self, response: Response, limit: u64, what: &str) -> Result<Vec<u8>> {
        body(response, limit).await.map_err(|error| match error {
            BodyError::TooLarge => self.garbage(&format!(
                "it sends more than the {limit} bytes that {what} may have"
            )),
            BodyError::Broken(error) => self.unreachable(self.reference.host(), &error),
        })
    }

    fn url(&self, rest: &str) -> Result<Url> {
        let repository = self.reference.repository();
        self.base
            .join(&format!("/v2/{repository}/{rest}"))
            .map_err(|error| Error::input(format!("{}: {error}", self.what)))
    }

    fn unreachable(&self, host: &str, error: &reqwest::Error) -> Error {
        Error::environment(format!(
            "{}: {host} does not answer: {}",
            self.what,
            tame(&innermost(error), 400)
        ))
        .hint("is it written rightly, and can this machine reach it?")
    }

    fn garbage(&self, why: &str) -> Error {
        Error::environment(format!(
            "{}: the answer is not that of a registry: {}",
            self.what,
            tame(why, 400)
        ))
        .hint("does the address belong to an OCI registry?")
    }

    /// Returns what a refusal means, and what to do.
    async fn refused(&self, response: Response) -> Error {
        let what = &self.what;
        let status = response.status();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::environment(format!(
                "{what}: the registry wants to know who asks, or does not let them ({})",
                status.as_u16()
            ))
            .hint(format!("docker login {}", self.reference.host())),
            StatusCode::NOT_FOUND => {
                Error::input(format!("{what}: the registry has no such thing (404)"))
                    .hint("are the name and the tag written rightly?")
            }
            _ => {
                // Only for people: a refusal without a text is one too.
                let text = body(response, REFUSAL_LIMIT).await.unwrap_or_default();
                let text = tame(&String::from_utf8_lossy(&text), 200);
                Error::environment(format!("{what}: the registry answered {status}: {text}"))
            }
        }
    }
}

fn bearer(token: &str) -> Option<HeaderValue> {
    let mut header = HeaderValue::from_str(&format!("Bearer {token}")).ok()?;
    header.set_sensitive(true);
    Some(header)
}

fn is_digest(text: &str) -> bool {
    let hex = text.strip_prefix("sha256:").unwrap_or_default();
    hex.len() == 64 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Returns the first challenge that can be met (RFC 9110, 11.6.1).
fn challenge(headers: &HeaderMap) -> Option<Challenge> {
    let values = headers.get_all(header::WWW_AUTHENTICATE).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| ChallengeParser::new(value).flatten())
        .find_map(|challenge| {
            if challenge.scheme.eq_ignore_ascii_case("Basic") {
                return Some(Challenge::Basic);
            }
            if !challenge.scheme.eq_ignore_ascii_case("Bearer") {
                return None;
            }
            let parameter = |name: &str| {
                let mut parameters = challenge.params.iter();
                let (_, value) = parameters.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
                Some(value.to_unescaped())
            };
            let url = parameter("realm")?.parse().ok()?;
            let service = parameter("service");
            Some(Challenge::Bearer(Realm { url, service }))
        })
}

/// Whether a token server is a registry's own: the same host, or the domain of the registry's host. Docker's has a name beside it.
fn is_own_realm(registry: &str, realm: &str) -> bool {
    let lies_in = registry
        .strip_suffix(realm)
        .is_some_and(|rest| rest.ends_with('.'));
    registry == realm
        || (lies_in && realm.contains('.') && registry.parse::<std::net::IpAddr>().is_err())
        || (registry.ends_with(".docker.io") && realm == "auth.docker.io")
}

#[cfg(test)]
mod tests;
