//! A registry that means no good, on loopback.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::*;
use crate::artifact::LAYER_TYPE;

/// What a server answers: a head and a body; the body again and again where it is endless.
struct Reply {
    head: String,
    body: Vec<u8>,
    is_endless: bool,
    /// Between two pieces of the body.
    pause: Duration,
}

impl Reply {
    fn new(status: &str, headers: &str, body: &[u8]) -> Self {
        Self {
            head: format!(
                "HTTP/1.1 {status}\r\n{headers}content-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            ),
            body: body.to_vec(),
            is_endless: false,
            pause: Duration::ZERO,
        }
    }

    fn endless(headers: &str, body: &[u8], pause: Duration) -> Self {
        Self {
            head: format!("HTTP/1.1 200 OK\r\n{headers}connection: close\r\n\r\n"),
            body: body.to_vec(),
            is_endless: true,
            pause,
        }
    }

    fn challenge(challenge: &str) -> Self {
        let header = format!("www-authenticate: {challenge}\r\n");
        Self::new("401 Unauthorized", &header, b"")
    }
}

/// A server: what it was asked, and how much it has sent.
struct Hostile {
    host: String,
    asked: Arc<Mutex<Vec<String>>>,
    sent: Arc<AtomicU64>,
}

impl Hostile {
    /// Each request's head, in lower case, is given to `answer`.
    fn start(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let (asked, sent) = (Arc::default(), Arc::default());
        let server = Self {
            host,
            asked: Arc::clone(&asked),
            sent: Arc::clone(&sent),
        };
        // It ends with the test.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let head = head(&stream);
                let reply = answer(&head);
                asked.lock().expect("a list").push(head);
                respond(stream, &reply, &sent);
            }
        });
        server
    }

    fn reference(&self) -> Reference {
        format!("{}/somebody/theirs:1", self.host)
            .parse()
            .expect("a reference")
    }

    async fn manifest(&self, credentials: Credentials) -> Result<Manifest> {
        let reference = self.reference();
        Registry::new(&reference, "pull", credentials)?
            .manifest()
            .await
    }

    async fn blob(&self, size: i64, digest: &str) -> Result<Vec<u8>> {
        let reference = self.reference();
        let layer = Descriptor {
            size,
            digest: digest.to_owned(),
            media_type: LAYER_TYPE.to_owned(),
        };
        Registry::new(&reference, "pull", Credentials::Anonymous)?
            .blob(&layer)
            .await
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("a list").clone()
    }
}

fn head(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while reader.read_line(&mut head).is_ok_and(|read| read > 2) {}
    head.to_lowercase()
}

fn respond(mut stream: TcpStream, reply: &Reply, sent: &AtomicU64) {
    let mut written = stream.write_all(reply.head.as_bytes());
    loop {
        written = written.and_then(|()| stream.write_all(&reply.body));
        if written.is_err() {
            return;
        }
        sent.fetch_add(reply.body.len() as u64, Ordering::SeqCst);
        if !reply.is_endless {
            break;
        }
        std::thread::sleep(reply.pause);
    }
    let _ = stream.shutdown(std::net::Shutdown::Write);
    let _ = stream.read_to_end(&mut Vec::new());
}

fn basic() -> Credentials {
    Credentials::Basic("author".into(), "opensesame".into())
}

/// `author:opensesame` as a header carries it, in lower case.
const BASIC: &str = "authorization: basic yxv0ag9yom9wzw5zzxnhbwu=";
const MANIFEST: &[u8] =
    br#"{"schemaVersion":2,"config":{"mediaType":"a","digest":"b","size":1},"layers":[]}"#;

#[tokio::test]
async fn an_endless_manifest_and_an_endless_token_are_cut_off() {
    let server = Hostile::start(|_| Reply::endless("", &[b' '; 1 << 16], Duration::ZERO));
    let error = server
        .manifest(Credentials::Anonymous)
        .await
        .expect_err("endless");
    assert!(error.to_string().contains("sends more than"), "{error}");
    // What the kernel buffers comes on top.
    let sent = server.sent.load(Ordering::SeqCst);
    assert!(sent < 64 << 20, "{sent} bytes");
    let declared =
        Hostile::start(|_| Reply::endless("content-length: 9000000000\r\n", b"{", Duration::ZERO));
    let error = declared
        .manifest(Credentials::Anonymous)
        .await
        .expect_err("large");
    assert!(error.to_string().contains("sends more than"), "{error}");

    let server = Hostile::start(|head| match head.starts_with("get /token") {
        true => Reply::endless("", &[b' '; 1 << 16], Duration::ZERO),
        false => {
            let host = head.lines().find_map(|line| line.strip_prefix("host: "));
            let host = host.expect("a host").trim();
            Reply::challenge(&format!("Bearer realm=\"http://{host}/token\""))
        }
    });
    let error = server.manifest(basic()).await.expect_err("endless");
    assert!(error.to_string().contains("sends more than"), "{error}");
}

#[tokio::test]
async fn a_blob_is_what_its_manifest_declares() {
    let right = sha256(b"component");
    let server = Hostile::start(|_| Reply::endless("", b"component", Duration::ZERO));
    let error = server.blob(9, &right).await.expect_err("endless");
    assert!(
        error.to_string().contains("more than the 9 bytes"),
        "{error}"
    );

    let server = Hostile::start(|_| Reply::new("200 OK", "", b"component"));
    assert_eq!(server.blob(9, &right).await.expect("right"), b"component");
    let cases = [
        (8, right.as_str(), "more than the 8 bytes"),
        (10, right.as_str(), "not the one that the manifest declares"),
        (
            9,
            &sha256(b"another"),
            "not the one that the manifest declares",
        ),
        (i64::MAX, right.as_str(), "too large"),
        (-1, right.as_str(), "too large"),
        (9, "sha256:../../x", "not a digest"),
    ];
    for (size, digest, says) in cases {
        let error = server.blob(size, digest).await.expect_err(says);
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn a_server_that_never_ends_is_left_at_the_deadline() {
    let server = Hostile::start(|_| Reply::endless("", b" ", Duration::from_millis(5)));
    let pulled = download::within(
        Duration::from_millis(300),
        "pull",
        server.manifest(Credentials::Anonymous),
    );
    let error = pulled.await.expect_err("it never ends");
    assert!(
        error.to_string().contains("not finished within 0.3 s"),
        "{error}"
    );
}

#[tokio::test]
async fn a_password_goes_to_the_registry_and_its_own_token_server_alone() {
    // The registry itself.
    let server = Hostile::start(|head| match head.contains(BASIC) {
        true => Reply::new("200 OK", "", MANIFEST),
        false => Reply::challenge("Basic realm=\"r\""),
    });
    server.manifest(basic()).await.expect("let in");
    let error = server
        .manifest(Credentials::Anonymous)
        .await
        .expect_err("not let in");
    assert!(error.to_string().contains("(401)"), "{error}");

    // Its own token server gets the password, and what it gives goes to the registry.
    let server = Hostile::start(|head| {
        let host = head.lines().find_map(|line| line.strip_prefix("host: "));
        let host = host.expect("a host").trim().to_owned();
        if head.starts_with("get /token?scope=repository%3asomebody%2ftheirs%3apull&service=s ") {
            assert!(head.contains(BASIC), "{head}");
            return Reply::new("200 OK", "", br#"{"token":"t1"}"#);
        }
        match head.contains("authorization: bearer t1") {
            true => Reply::new("200 OK", "", MANIFEST),
            false => {
                let realm = format!("Bearer realm=\"http://{host}/token\",service=\"s\"");
                Reply::challenge(&realm)
            }
        }
    });
    server.manifest(basic()).await.expect("let in");

    // Any other gets nothing.
    for realm in [
        "https://elsewhere.example/token",
        "http://elsewhere.example/token",
    ] {
        let server =
            Hostile::start(move |_| Reply::challenge(&format!("Bearer realm=\"{realm}\"")));
        let error = server.manifest(basic()).await.expect_err("another's");
        assert!(
            error.to_string().contains("nothing was sent there"),
            "{error}"
        );
        assert!(
            server
                .asked()
                .iter()
                .all(|head| !head.contains("authorization"))
        );
    }
    for (registry, realm) in [
        ("ghcr.io", "ghcr.io"),
        ("registry.gitlab.com", "gitlab.com"),
        ("index.docker.io", "auth.docker.io"),
    ] {
        assert!(is_own_realm(registry, realm), "{registry} {realm}");
    }
    for (registry, realm) in [
        ("ghcr.io", "evil.io"),
        ("registry.gitlab.com", "com"),
        ("registry.gitlab.com", "lab.com"),
        ("gitlab.com", "evil.gitlab.com"),
        ("10.0.0.1", "0.0.1"),
        ("a.example", ""),
    ] {
        assert!(!is_own_realm(registry, realm), "{registry} {realm}");
    }
}

#[tokio::test]
async fn nobody_is_sent_elsewhere() {
    let redirect = |to: &'static str| {
        Hostile::start(move |_| Reply::new("302 Found", &format!("location: {to}\r\n"), b""))
    };
    for (to, says) in [
        ("http://elsewhere.example/", "is not allowed"),
        // An address that is not on the web is not contacted.
        ("file:///etc/passwd", "answered 302"),
    ] {
        let error = redirect(to).manifest(Credentials::Anonymous).await;
        let error = error.expect_err(to);
        assert!(error.to_string().contains(says), "{error}");
    }
    // An upload, which carries the token.
    let server = Hostile::start(|head| match head.starts_with("post") {
        true => Reply::new(
            "202 Accepted",
            "location: https://elsewhere.example/upload\r\n",
            b"",
        ),
        false => Reply::new("404 Not Found", "", b""),
    });
    let reference = server.reference();
    let mut registry = Registry::new(&reference, "push", basic()).expect("a registry");
    let artifact = Artifact {
        blobs: [b"a".to_vec(), Vec::new()],
        manifest: Manifest::default(),
    };
    let pushed = registry.push(artifact).await;
    let error = pushed.expect_err("elsewhere");
    assert!(
        error.to_string().contains("wants the upload to go to"),
        "{error}"
    );
}
