//! An HTTP service of a test's own, on loopback: real sockets, and answers to the byte.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What it does with a request.
#[derive(Clone)]
pub enum Answer {
    /// These bytes, and the end of the connection.
    Bytes(Vec<u8>),
    /// These bytes, and then this again and again.
    Endless(Vec<u8>, Vec<u8>),
    /// Nothing, for as long as the client waits.
    Silence,
}

impl Answer {
    /// A response of HTTP/1.1.
    pub fn http(status: &str, kind: &str, body: &str) -> Self {
        let length = body.len();
        let text = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        Self::Bytes(text.into_bytes())
    }

    pub fn json(body: &str) -> Self {
        Self::http("200 OK", "application/json", body)
    }
}

/// A service that lives as long as the test.
pub struct Service {
    pub address: SocketAddr,
    answer: Arc<Mutex<Answer>>,
    /// The requests, as received, at least their heads.
    pub requests: Arc<Mutex<Vec<String>>>,
}

impl Service {
    pub fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let service = Self {
            address: listener.local_addr().unwrap(),
            answer: Arc::new(Mutex::new(answer)),
            requests: Arc::default(),
        };
        let (answer, requests) = (Arc::clone(&service.answer), Arc::clone(&service.requests));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let answer = answer.lock().unwrap().clone();
                let requests = Arc::clone(&requests);
                std::thread::spawn(move || serve(stream, answer, &requests));
            }
        });
        service
    }

    pub fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

fn serve(mut stream: TcpStream, answer: Answer, requests: &Mutex<Vec<String>>) {
    let mut request = vec![0; 64 << 10];
    let length = stream.read(&mut request).unwrap_or(0);
    let text = String::from_utf8_lossy(&request[..length]).into_owned();
    requests.lock().unwrap().push(text);
    match answer {
        Answer::Bytes(bytes) => drop(stream.write_all(&bytes)),
        Answer::Endless(first, again) => {
            let mut sent = stream.write_all(&first);
            while sent.is_ok() {
                sent = stream.write_all(&again);
            }
        }
        // Until the client ends the connection.
        Answer::Silence => drop(stream.read(&mut request)),
    }
}
