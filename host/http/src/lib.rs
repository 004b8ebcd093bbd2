//! HTTP on behalf of plugins: to the containers of one stack by name, and to granted hosts. Never anywhere else.
//!
//! The destination is checked before a socket is opened. Redirects are not followed and no proxy is used, and a granted name that
//! suddenly means this machine, by any of its addresses, or its neighbours on the link (DNS rebinding) leads nowhere: the addresses
//! that were checked are the ones that are connected to.
//!
//! What the user's own file names is another matter: [`Anywhere`].

mod anywhere;
mod repeated;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, Url};

use duress_engine::{AddressBook, Engine, EngineError, Project, is_near};
use duress_model::{HttpRequest, innermost};

pub use anywhere::Anywhere;
pub use repeated::{Repeated, Trouble};

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

/// Finds the addresses of names that were granted, without those that belong to this machine or to its link: what answers there
/// (an engine, a cloud's metadata) is nothing that a name from outside should lead to. Who means it grants `localhost` or an address.
struct Elsewhere;

impl Resolve for Elsewhere {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let name = name.as_str().to_owned();
            let found = tokio::net::lookup_host((name.as_str(), 0))
                .await
                .map_err(|error| NameError(format!("find the address of `{name}`: {error}")))?;
            let is_local_name = name == "localhost" || name.ends_with(".localhost");
            let allowed: Vec<SocketAddr> = found
                .filter(|found| is_local_name || !(is_near(found.ip()) || is_own(found.ip())))
                .collect();
            if allowed.is_empty() {
                let why = format!(
                    "`{name}` means this machine or its link: grant the address itself if that is meant"
                );
                return Err(NameError(why).into());
            }
            let addresses: Addrs = Box::new(allowed.into_iter());
            Ok(addresses)
        })
    }
}

/// Why a name has no address to connect to.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NameError(String);

/// Whether an address is one of this machine's, on whatever interface: a bridge of the engine's, say. The kernel is asked which address
/// it would send from; to an address of its own it sends from that one. Nothing is sent.
fn is_own(address: IpAddr) -> bool {
    let address = address.to_canonical();
    let any: SocketAddr = match address {
        IpAddr::V4(_) => (std::net::Ipv4Addr::UNSPECIFIED, 0).into(),
        IpAddr::V6(_) => (std::net::Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let source = std::net::UdpSocket::bind(any).and_then(|socket| {
        // Any port but 0 will do.
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    // Where no way leads, no request goes either.
    source.is_ok_and(|source| source.ip() == address)
}

/// Returns the host and the port of a URL, as grants name them.
pub fn authority_of(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    Some(format!(
        "{}:{}",
        url.host_str()?,
        url.port_or_known_default()?
    ))
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

/// Who answers requests on a simulated machine.
pub trait Answers: Send + Sync + std::fmt::Debug {
    /// Returns the answer to a request that was found to be allowed.
    fn answer(&self, request: &HttpRequest) -> Result<HttpResponse, HttpError>;
}

/// Chooses what encrypts, for the whole process: `ring`, which is built in a tenth of the time of the default. A client of https needs it
/// first; a second call changes nothing.
pub fn choose_cryptography() {
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// The client of this process; cheap to clone.
#[derive(Debug, Clone)]
pub struct Client(Transport);

#[derive(Debug, Clone)]
enum Transport {
    Sockets(reqwest::Client),
    Simulated(Arc<dyn Answers>),
}

impl Client {
    /// A client without redirects, proxies or connections that outlive their use: a container's address may belong to another
    /// container a moment later.
    pub fn new() -> duress_model::Result<Self> {
        builder()
            .pool_max_idle_per_host(0)
            .build()
            .map(|client| Self(Transport::Sockets(client)))
            .map_err(|error| {
                duress_model::Error::environment(format!("set up HTTP: {}", innermost(&error)))
            })
    }

    /// A client that opens no socket.
    pub fn simulated(answers: Arc<dyn Answers>) -> Self {
        Self(Transport::Simulated(answers))
    }

    /// A client that keeps up to so many connections to each address for further requests. For [`Client::send_known`] alone.
    pub fn keeping(&self, connections: usize) -> duress_model::Result<Self> {
        match &self.0 {
            Transport::Simulated(answers) => Ok(Self(Transport::Simulated(Arc::clone(answers)))),
            Transport::Sockets(_) => repeated::keeping(connections)
                .map(|client| Self(Transport::Sockets(client)))
                .map_err(|error| duress_model::Error::environment(error.to_string())),
        }
    }

    /// Sends a request within a reach, and waits for the whole response.
    pub async fn send(
        &self,
        reach: Reach<'_>,
        request: &HttpRequest,
    ) -> Result<HttpResponse, HttpError> {
        self.exchange(reach, None, request, RESPONSE_LIMIT).await
    }

    /// As [`Client::send`], where requests are many: the addresses of containers are those of an address book, and a response has at
    /// most so many bytes.
    pub async fn send_known(
        &self,
        reach: Reach<'_>,
        book: &AddressBook,
        request: &HttpRequest,
        most: usize,
    ) -> Result<HttpResponse, HttpError> {
        self.exchange(reach, Some(book), request, most).await
    }

    async fn exchange(
        &self,
        reach: Reach<'_>,
        book: Option<&AddressBook>,
        request: &HttpRequest,
        most: usize,
    ) -> Result<HttpResponse, HttpError> {
        let limit = request.timeout().min(LONGEST_EXCHANGE);
        let exchange = async {
            let (url, host) = destination(reach, book, &request.url).await?;
            let (method, headers) = parts(request, host)?;
            let client = match &self.0 {
                Transport::Sockets(client) => client,
                Transport::Simulated(answers) => return answers.answer(request),
            };
            let response = client
                .request(method, url)
                .headers(headers)
                .body(request.body.clone())
                .send()
                .await
                .map_err(|error| {
                    if let (Some(book), Ok((_, host, port))) = (book, parse(&request.url)) {
                        book.doubt(&host, port);
                    }
                    unavailable(request, &error)
                })?;
            receive_at_most(most, request, response).await
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

/// What all clients have in common.
fn builder() -> reqwest::ClientBuilder {
    choose_cryptography();
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .dns_resolver(Arc::new(Elsewhere))
        .no_proxy()
        .user_agent(concat!("duress/", env!("CARGO_PKG_VERSION")))
}

/// Returns a request's URL, its host and its port.
fn parse(text: &str) -> Result<(Url, String, u16), HttpError> {
    let url = Url::parse(text)
        .map_err(|error| HttpError::Invalid(format!("`{text}` is not a URL: {error}")))?;
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
    Ok((url, host, port))
}

fn host_header(authority: &str) -> Result<HeaderValue, HttpError> {
    HeaderValue::from_str(authority)
        .map_err(|_| HttpError::Invalid(format!("`{authority}` cannot stand in a header")))
}

/// Returns a request's method and headers, with this `Host` where it differs from the URL's. They are checked though nothing is sent.
fn parts(
    request: &HttpRequest,
    host: Option<HeaderValue>,
) -> Result<(Method, HeaderMap), HttpError> {
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_| HttpError::Invalid(format!("`{}` is not an HTTP method", request.method)))?;
    Ok((method, headers(request, host)?))
}

/// Returns the URL to connect to, and the `Host` header when it differs: a container's name becomes its address.
async fn destination(
    reach: Reach<'_>,
    book: Option<&AddressBook>,
    text: &str,
) -> Result<(Url, Option<HeaderValue>), HttpError> {
    let (mut url, host, port) = parse(text)?;
    let authority = format!("{host}:{port}");
    if reach.hosts.contains(&authority) {
        return Ok((url, None));
    }
    let Some(engine) = reach.engine else {
        return Err(refused(text, &authority));
    };
    let address = match book {
        Some(book) => book
            .place(&host, port)
            .await
            .map(|place| place.map(|place| place.address)),
        None => look_up(engine, reach.project, &host, port).await,
    };
    let Some(address) = address.map_err(|error| unreachable(text, &error))? else {
        return Err(refused(text, &authority));
    };
    if url.scheme() == "https" {
        return Err(HttpError::Invalid(format!(
            "`{text}` asks a container for https: only http reaches containers"
        )));
    }
    let header = host_header(&authority)?;
    url.set_ip_host(address.ip())
        .and_then(|()| url.set_port(Some(address.port())))
        .map_err(|()| HttpError::Invalid(format!("`{text}` cannot be sent to {address}")))?;
    Ok((url, Some(header)))
}

/// Asks the engine where a port of a container is reached; `None` if no container of the stack has that name.
async fn look_up(
    engine: &dyn Engine,
    project: &Project,
    name: &str,
    port: u16,
) -> Result<Option<SocketAddr>, EngineError> {
    let containers = engine.containers(project).await?;
    match containers.iter().find(|container| container.name == name) {
        Some(container) => engine.endpoint(&container.id, port).await.map(Some),
        None => Ok(None),
    }
}

fn refused(url: &str, authority: &str) -> HttpError {
    HttpError::Denied(format!(
        "a request to `{url}` was refused: `{authority}` was not granted; `http: [\"{authority}\"]` under `permissions` in plugin.yaml \
         asks for it, and `http: [stack]` for the containers of its own trial"
    ))
}

fn unreachable(url: &str, error: &EngineError) -> HttpError {
    HttpError::Unavailable(format!("cannot reach `{url}`: {error}"))
}

fn headers(request: &HttpRequest, host: Option<HeaderValue>) -> Result<HeaderMap, HttpError> {
    let mut map = HeaderMap::new();
    for (name, value) in &request.headers {
        let bad = || HttpError::Invalid(format!("`{name}: {value}` is not an HTTP header"));
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

async fn receive_at_most(
    limit: usize,
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
        if body.len() + chunk.len() > limit {
            return Err(HttpError::Unavailable(format!(
                "{} {} answered more than {} KiB",
                request.method,
                request.url,
                limit >> 10
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
        innermost(error)
    ))
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    fn request(url: String) -> HttpRequest {
        HttpRequest {
            method: "GET".into(),
            url,
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: 5_000,
        }
    }

    async fn send(url: &str, granted: &[&str]) -> Result<HttpResponse, HttpError> {
        let hosts: Vec<_> = granted.iter().map(|&host| host.to_owned()).collect();
        let project = Project("none".into());
        let reach = Reach {
            engine: None,
            project: &project,
            hosts: &hosts,
        };
        let client = Client::new().expect("a client");
        client.send(reach, &request(url.to_owned())).await
    }

    #[tokio::test]
    async fn a_redirect_is_an_answer_and_is_not_followed() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let secret = TcpListener::bind("127.0.0.1:0").expect("a port");
        secret.set_nonblocking(true).expect("a socket");
        let host = listener.local_addr().expect("an address").to_string();
        let to = secret.local_addr().expect("an address");
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a request");
            let _ = stream.read(&mut [0; 4096]);
            let answer = format!(
                "HTTP/1.1 302 Found\r\nlocation: http://{to}/\r\ncontent-length: 0\r\n\r\n"
            );
            let _ = stream.write_all(answer.as_bytes());
        });
        let answer = send(&format!("http://{host}/"), &[&host])
            .await
            .expect("an answer");
        assert_eq!(answer.status, 302);
        assert!(secret.accept().is_err(), "nobody came");
    }

    #[tokio::test]
    async fn whatever_was_not_granted_is_refused_however_it_is_spelt() {
        for url in [
            "http://127.0.0.1:2375/",
            "http://localhost:2375/",
            "http://2130706433:2375/",
            "http://0x7f.1:2375/",
            "http://[::1]:2375/",
            "http://[::ffff:127.0.0.1]:2375/",
            "http://169.254.169.254/latest/meta-data",
            "http://metadata.google.internal/",
            "http://granted.example@127.0.0.1:2375/",
            "http://granted.example:80@127.0.0.1/",
            "http://granted.example.:80/",
            "http://granted.example:81/",
            "file:///etc/passwd",
            "unix:///var/run/docker.sock",
            "gopher://granted.example:80/",
            "http://",
            "",
            "\0",
        ] {
            let answer = send(url, &["granted.example:80"]).await;
            assert!(
                matches!(answer, Err(HttpError::Denied(_) | HttpError::Invalid(_))),
                "{url}: {answer:?}"
            );
        }
    }

    #[tokio::test]
    async fn a_name_that_means_this_machine_is_not_resolved() {
        let resolve = async |name: &str| {
            let found = Elsewhere.resolve(name.parse().expect("a name")).await;
            found.map(Iterator::collect::<Vec<_>>)
        };
        // As a name server would have it that gives another address at the second look: every resolver knows this one (inet_aton(3)).
        let error = resolve("127.1").await.expect_err("it is near");
        assert!(
            error.to_string().contains("grant the address itself"),
            "{error}"
        );
        let own = resolve("localhost").await.expect("said so itself");
        assert!(own.iter().all(|found| found.ip().is_loopback()));
    }

    #[tokio::test]
    async fn a_granted_name_does_not_lead_to_another_interface_of_this_machine() {
        let own = addresses_of_this_machine();
        assert!(
            own.contains(&"127.0.0.1".parse().expect("an address")),
            "{own:?}"
        );
        for own in own {
            assert!(is_own(own), "{own}");
            // As a name server would have it; every resolver knows an address as a name.
            let name = own.to_string().parse().expect("a name");
            let refused = Elsewhere
                .resolve(name)
                .await
                .map(Iterator::collect::<Vec<_>>);
            assert!(refused.is_err(), "{refused:?}");
        }
        for far in ["198.51.100.1", "2001:db8::1"] {
            assert!(!is_own(far.parse().expect("an address")), "{far}");
        }
    }

    /// Returns every IPv4 address of every interface, the engine's bridges among them, as the kernel lists them.
    fn addresses_of_this_machine() -> Vec<IpAddr> {
        let table = std::fs::read_to_string("/proc/net/fib_trie").expect("routes");
        let lines: Vec<_> = table.lines().map(str::trim).collect();
        let pairs = lines.windows(2);
        let local = pairs.filter(|pair| pair[1].starts_with("/32 host LOCAL"));
        let addresses = local.filter_map(|pair| pair[0].strip_prefix("|-- ")?.parse().ok());
        addresses.collect()
    }

    proptest::proptest! {
        #[test]
        fn no_url_leads_where_nobody_allowed_it(url in "(https?://)?\\PC{0,40}") {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let answer = runtime.block_on(send(&url, &[]));
            proptest::prop_assert!(
                matches!(answer, Err(HttpError::Denied(_) | HttpError::Invalid(_))),
                "{:?}: {:?}", url, answer
            );
        }
    }
}
