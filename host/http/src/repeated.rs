//! One request that is sent many times: what the clients of a workload do. Connections are kept for the next one.

use std::error::Error as _;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, Url};

use duress_engine::{AddressBook, EngineError};
use duress_model::{HttpRequest, innermost};

use super::{Answers, Client, HttpError, NameError, RESPONSE_LIMIT, Transport};
use super::{builder, headers, host_header, parse};

/// How long a connection without a request is kept.
const IDLE: Duration = Duration::from_secs(5);

/// A request, prepared once.
#[derive(Debug)]
pub struct Repeated {
    transport: Sender,
    request: HttpRequest,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Bytes,
    /// In the stack: where its containers are, and the container's name and port.
    container: Option<(AddressBook, String, u16)>,
}

#[derive(Debug)]
enum Sender {
    Sockets(reqwest::Client),
    Simulated(Arc<dyn Answers>),
}

/// Why a request had no response, in a word to count it under and in one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// e.g. `refused`, `reset`, `dns`, `not_running`.
    pub kind: &'static str,
    /// For a person.
    pub detail: String,
}

impl Repeated {
    /// Prepares a request to a container of a stack (the URL's host is its name), or, without a stack's addresses, to wherever its URL leads.
    ///
    /// # Errors
    /// What is wrong with the request.
    pub fn new(
        client: &Client,
        request: HttpRequest,
        stack: Option<AddressBook>,
        connections: usize,
    ) -> Result<Self, HttpError> {
        let (url, host, port) = parse(&request.url)?;
        let method = Method::from_bytes(request.method.as_bytes()).map_err(|_| {
            HttpError::Invalid(format!("`{}` is not an HTTP method", request.method))
        })?;
        if stack.is_some() && url.scheme() == "https" {
            return Err(HttpError::Invalid(format!(
                "`{}` asks a container for https: only http reaches containers",
                request.url
            )));
        }
        let container = stack.map(|book| (book, host.clone(), port));
        let host = match &container {
            Some(_) => Some(host_header(&format!("{host}:{port}"))?),
            None => None,
        };
        let transport = match &client.0 {
            Transport::Simulated(answers) => Sender::Simulated(Arc::clone(answers)),
            Transport::Sockets(_) => Sender::Sockets(keeping(connections)?),
        };
        Ok(Self {
            transport,
            method,
            url,
            headers: headers(&request, host)?,
            body: Bytes::from(request.body.clone()),
            request,
            container,
        })
    }

    /// Sends it, receives the whole response, and returns its status. The caller limits the time.
    ///
    /// # Errors
    /// Why there was no response, or not all of it.
    pub async fn send(&self) -> Result<u16, Trouble> {
        let url = self.destination().await?;
        let client = match &self.transport {
            Sender::Sockets(client) => client,
            Sender::Simulated(answers) => return self.answer(answers.as_ref()),
        };
        let sent = client
            .request(self.method.clone(), url)
            .headers(self.headers.clone())
            .body(self.body.clone())
            .send()
            .await;
        let mut response = sent.map_err(|error| self.trouble(&error))?;
        let mut received = 0;
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.trouble(&error))?
        {
            received += chunk.len();
            if received > RESPONSE_LIMIT {
                return Err(Trouble {
                    kind: "too_large",
                    detail: format!("the response has more than {} MiB", RESPONSE_LIMIT >> 20),
                });
            }
        }
        Ok(response.status().as_u16())
    }

    async fn destination(&self) -> Result<Url, Trouble> {
        let Some((book, name, port)) = &self.container else {
            return Ok(self.url.clone());
        };
        let place = book.place(name, *port).await.map_err(|error| Trouble {
            kind: match error {
                EngineError::NotRunning { .. } | EngineError::Gone(_) => "not_running",
                _ => "engine",
            },
            detail: error.to_string(),
        })?;
        let Some(place) = place else {
            return Err(Trouble {
                kind: "not_running",
                detail: format!("no container of the stack is called {name}"),
            });
        };
        let mut url = self.url.clone();
        let set = url
            .set_ip_host(place.address.ip())
            .and_then(|()| url.set_port(Some(place.address.port())));
        match set {
            Ok(()) => Ok(url),
            Err(()) => Err(Trouble {
                kind: "invalid",
                detail: format!("the request cannot be sent to {}", place.address),
            }),
        }
    }

    fn answer(&self, answers: &dyn Answers) -> Result<u16, Trouble> {
        match answers.answer(&self.request) {
            Ok(response) => Ok(response.status),
            Err(error) => Err(Trouble {
                kind: match error {
                    HttpError::Denied(_) => "denied",
                    HttpError::Invalid(_) => "invalid",
                    HttpError::Unavailable(_) => "unavailable",
                    HttpError::Timeout { .. } => "timeout",
                },
                detail: error.to_string(),
            }),
        }
    }

    fn trouble(&self, error: &reqwest::Error) -> Trouble {
        if let Some((book, name, port)) = &self.container {
            book.doubt(name, *port);
        }
        Trouble {
            kind: kind_of(error),
            detail: innermost(error).to_string(),
        }
    }
}

/// A client as that of plugins, which keeps connections.
pub(super) fn keeping(connections: usize) -> Result<reqwest::Client, HttpError> {
    builder()
        .pool_max_idle_per_host(connections.max(1))
        .pool_idle_timeout(IDLE)
        .build()
        .map_err(|error| HttpError::Unavailable(format!("set up HTTP: {}", innermost(&error))))
}

/// Returns the kind of a failure to exchange, by what caused it.
fn kind_of(error: &reqwest::Error) -> &'static str {
    let mut cause = error.source();
    while let Some(one) = cause {
        if one.is::<NameError>() {
            return "dns";
        }
        if let Some(error) = one.downcast_ref::<io::Error>() {
            match error.kind() {
                io::ErrorKind::ConnectionRefused => return "refused",
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe => return "reset",
                io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
                    return "unreachable";
                }
                io::ErrorKind::TimedOut => return "timeout",
                // This machine's, not the system's.
                io::ErrorKind::AddrNotAvailable => return "no_free_port",
                io::ErrorKind::UnexpectedEof => return "closed",
                _ => {}
            }
        }
        if let Some(error) = one.downcast_ref::<hyper::Error>() {
            if error.is_incomplete_message() || error.is_canceled() || error.is_closed() {
                return "closed";
            }
            if error.is_parse() {
                return "protocol";
            }
        }
        cause = one.source();
    }
    match error.is_connect() {
        true => "connect",
        false => "other",
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::{SocketAddr, TcpListener, TcpStream};

    use super::*;

    fn repeated(address: SocketAddr) -> Repeated {
        let request = HttpRequest {
            method: "GET".into(),
            url: format!("http://{address}/"),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: 5_000,
        };
        Repeated::new(&Client::new().expect("a client"), request, None, 10).expect("a request")
    }

    /// Has each connection served by a function, which gets how many there were before.
    fn serve(serve: impl Fn(usize, TcpStream) + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                serve(number, stream.expect("a connection"));
            }
        });
        address
    }

    /// Reads until a request has ended; `false` if the client has sent its last.
    fn read_request(stream: &mut TcpStream) -> bool {
        let mut seen = Vec::new();
        let mut byte = [0];
        while !seen.ends_with(b"\r\n\r\n") {
            match stream.read(&mut byte) {
                Ok(1) => seen.push(byte[0]),
                _ => return false,
            }
        }
        true
    }

    #[tokio::test]
    async fn a_connection_is_kept_for_the_next_request() {
        let address = serve(|number, mut stream| {
            while read_request(&mut stream) {
                // The status says on which connection it came.
                let answer = format!(
                    "HTTP/1.1 {} OK\r\ncontent-length: 2\r\n\r\nok",
                    200 + number
                );
                stream.write_all(answer.as_bytes()).expect("sent");
            }
        });
        let repeated = repeated(address);
        for _ in 0..20 {
            assert_eq!(repeated.send().await, Ok(200));
        }
    }

    #[tokio::test]
    async fn what_went_wrong_is_told_apart() {
        let nobody = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = nobody.local_addr().expect("an address");
        drop(nobody);
        let kind = async |address| repeated(address).send().await.expect_err("trouble").kind;
        assert_eq!(kind(address).await, "refused");
        let closed = serve(|_, mut stream| {
            read_request(&mut stream);
        });
        assert_eq!(kind(closed).await, "closed");
        let half = serve(|_, mut stream| {
            read_request(&mut stream);
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf";
            stream.write_all(answer).expect("sent");
        });
        assert_eq!(kind(half).await, "closed");
        let other = serve(|_, mut stream| {
            read_request(&mut stream);
            stream
                .write_all(b"220 mail.example ESMTP\r\n")
                .expect("sent");
        });
        assert_eq!(kind(other).await, "protocol");
        let flood = serve(|_, mut stream| {
            read_request(&mut stream);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
            let piece = [b'x'; 1 << 16];
            while stream.write_all(&piece).is_ok() {}
        });
        assert_eq!(kind(flood).await, "too_large");
    }

    #[test]
    fn requests_that_cannot_be_sent_are_refused_beforehand() {
        let client = Client::new().expect("a client");
        for (method, url) in [
            ("GET", "file:///etc/passwd"),
            ("G T", "http://127.0.0.1/"),
            ("GET", "/"),
        ] {
            let request = HttpRequest {
                method: method.into(),
                url: url.into(),
                headers: Vec::new(),
                body: Vec::new(),
                timeout_ms: 1,
            };
            let refused = Repeated::new(&client, request, None, 1).expect_err("refused");
            assert!(matches!(refused, HttpError::Invalid(_)), "{refused}");
        }
    }
}
