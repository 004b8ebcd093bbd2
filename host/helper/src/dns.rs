//! A DNS server (RFC 1035) that lies about some names. The others it passes on, byte for byte, to the resolver that was there.
//!
//! The rules that lead the container's questions here leave out what carries [`MARK`]: what this program asks itself.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::str::FromStr as _;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use duress_tasks::DnsLie;
use hickory_proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use hickory_proto::serialize::binary::BinDecodable as _;
use socket2::{Domain, Protocol, Socket, Type};

/// The mark (`SO_MARK`, socket(7)) on what is passed on.
const MARK: u32 = 0x00d0_0d53;
/// How long a resolver may take: as long as most stub resolvers wait.
const PATIENCE: Duration = Duration::from_secs(5);
/// The largest message (RFC 1035, 4.2.2).
const LARGEST: usize = u16::MAX as usize;

/// How it answers.
#[derive(Debug)]
pub(crate) struct Server {
    lie: DnsLie,
    /// The names that it lies about, with all beneath each; none: every name.
    domains: Vec<Name>,
    /// What it gives with [`DnsLie::WrongAddress`].
    address: IpAddr,
}

impl Server {
    pub(crate) fn new(lie: DnsLie, domains: &[String], address: IpAddr) -> Result<Self> {
        let read = |name: &String| {
            Name::from_str(name).with_context(|| format!("`{name}` is not a DNS name"))
        };
        let domains = domains.iter().map(read).collect::<Result<_>>()?;
        Ok(Self {
            lie,
            domains,
            address,
        })
    }
}

/// Answers at this port of 127.0.0.1, by UDP and TCP.
pub(crate) fn run(port: u16, server: Server) -> Result<()> {
    let here = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let udp = UdpSocket::bind(here).with_context(|| format!("listen at {here} by UDP"))?;
    let tcp = TcpListener::bind(here).with_context(|| format!("listen at {here} by TCP"))?;
    let resolvers = resolvers()?;
    let server = Arc::new((server, resolvers));
    crate::ready()?;
    let by_tcp = Arc::clone(&server);
    std::thread::Builder::new().spawn(move || {
        for stream in tcp.incoming().flatten() {
            let server = Arc::clone(&by_tcp);
            std::thread::spawn(move || serve(stream, &server.0, &server.1));
        }
    })?;
    let udp = Arc::new(udp);
    let mut buffer = vec![0; LARGEST];
    loop {
        // What cannot be received is the asker's to repeat.
        let Ok((length, asker)) = udp.recv_from(&mut buffer) else {
            continue;
        };
        let question = buffer[..length].to_vec();
        if let Some(answer) = server.0.lie(&question) {
            let _ = udp.send_to(&answer, asker);
            continue;
        }
        let (udp, server) = (Arc::clone(&udp), Arc::clone(&server));
        std::thread::spawn(move || {
            if let Some(answer) = ask_by_udp(&question, &server.1) {
                let _ = udp.send_to(&answer, asker);
            }
        });
    }
}

impl Server {
    /// Returns the answer to a question about one of the names; nothing to any other.
    fn lie(&self, question: &[u8]) -> Option<Vec<u8>> {
        let asked = Message::from_bytes(question).ok()?;
        if asked.metadata.message_type != MessageType::Query
            || asked.metadata.op_code != OpCode::Query
        {
            return None;
        }
        let query = asked.queries.first()?;
        let name = query.name();
        if !self.domains.is_empty() && !self.domains.iter().any(|domain| domain.zone_of(name)) {
            return None;
        }
        let mut answer = Message::response(asked.metadata.id, OpCode::Query);
        answer.metadata.recursion_desired = asked.metadata.recursion_desired;
        answer.metadata.recursion_available = true;
        answer.add_query(query.clone());
        match (self.lie, query.query_type(), self.address) {
            (DnsLie::Nxdomain, _, _) => answer.metadata.response_code = ResponseCode::NXDomain,
            (DnsLie::Servfail, _, _) => answer.metadata.response_code = ResponseCode::ServFail,
            (DnsLie::WrongAddress, RecordType::A, IpAddr::V4(address)) => {
                let record = Record::from_rdata(name.clone(), 0, RData::A(A(address)));
                answer.add_answer(record);
            }
            (DnsLie::WrongAddress, RecordType::AAAA, IpAddr::V6(address)) => {
                let record = Record::from_rdata(name.clone(), 0, RData::AAAA(AAAA(address)));
                answer.add_answer(record);
            }
            // There is such a name, and nothing of what was asked for.
            (DnsLie::WrongAddress, _, _) => {}
        }
        answer.to_vec().ok()
    }
}

/// Returns the name servers of the container (resolv.conf(5)): this program sees its file.
fn resolvers() -> Result<Vec<SocketAddr>> {
    let text = std::fs::read_to_string("/etc/resolv.conf").context("read /etc/resolv.conf")?;
    let servers = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"));
    let addresses = servers.filter_map(|address| address.trim().parse::<IpAddr>().ok());
    Ok(addresses
        .map(|address| SocketAddr::new(address, 53))
        .collect())
}

fn marked(to: SocketAddr, kind: Type, protocol: Protocol) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(to), kind, Some(protocol))?;
    socket.set_mark(MARK)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    Ok(socket)
}

/// Returns the first answer that one of the resolvers gives.
fn ask_by_udp(question: &[u8], resolvers: &[SocketAddr]) -> Option<Vec<u8>> {
    resolvers.iter().find_map(|&resolver| {
        let socket = marked(resolver, Type::DGRAM, Protocol::UDP).ok()?;
        socket.connect(&resolver.into()).ok()?;
        let socket = UdpSocket::from(socket);
        socket.send(question).ok()?;
        let mut buffer = vec![0; LARGEST];
        let length = socket.recv(&mut buffer).ok()?;
        buffer.truncate(length);
        Some(buffer)
    })
}

fn ask_by_tcp(question: &[u8], resolvers: &[SocketAddr]) -> Option<Vec<u8>> {
    resolvers.iter().find_map(|&resolver| {
        let socket = marked(resolver, Type::STREAM, Protocol::TCP).ok()?;
        socket.connect_timeout(&resolver.into(), PATIENCE).ok()?;
        let mut stream = TcpStream::from(socket);
        write_framed(&mut stream, question).ok()?;
        read_framed(&mut stream).ok()
    })
}

/// Answers what comes on one connection, until the other side has no more.
fn serve(mut stream: TcpStream, server: &Server, resolvers: &[SocketAddr]) {
    while let Ok(question) = read_framed(&mut stream) {
        let answer = server
            .lie(&question)
            .or_else(|| ask_by_tcp(&question, resolvers));
        let Some(answer) = answer else {
            return;
        };
        if write_framed(&mut stream, &answer).is_err() {
            return;
        }
    }
}

/// A message with its length in front (RFC 1035, 4.2.2).
fn read_framed(stream: &mut TcpStream) -> std::io::Result<Vec<u8>> {
    let mut length = [0; 2];
    stream.read_exact(&mut length)?;
    let mut message = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.read_exact(&mut message)?;
    Ok(message)
}

fn write_framed(stream: &mut TcpStream, message: &[u8]) -> std::io::Result<()> {
    let length = u16::try_from(message.len()).map_err(std::io::Error::other)?;
    stream.write_all(&[&length.to_be_bytes(), message].concat())
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::Query;

    use super::*;

    fn server(lie: DnsLie, domains: &[&str]) -> Server {
        let domains: Vec<String> = domains.iter().map(|&name| name.to_owned()).collect();
        Server::new(lie, &domains, "192.0.2.7".parse().expect("an address")).expect("names")
    }

    fn answer(server: &Server, name: &str, kind: RecordType) -> Option<Message> {
        let mut question = Message::query();
        question.add_query(Query::query(Name::from_ascii(name).expect("a name"), kind));
        let question = question.to_vec().expect("a message");
        let answer = server.lie(&question)?;
        Some(Message::from_vec(&answer).expect("a message"))
    }

    #[test]
    fn a_name_and_all_beneath_it_are_lied_about_and_no_other() {
        let server = server(DnsLie::Nxdomain, &["example.com."]);
        let lie = answer(&server, "a.Example.com.", RecordType::A).expect("a lie");
        assert_eq!(lie.metadata.response_code, ResponseCode::NXDomain);
        assert_eq!(lie.queries.len(), 1);
        assert!(answer(&server, "example.com.", RecordType::AAAA).is_some());
        assert!(answer(&server, "badexample.com.", RecordType::A).is_none());
        assert!(answer(&server, "com.", RecordType::A).is_none());
    }

    #[test]
    fn without_domains_every_name_is_meant() {
        let server = server(DnsLie::Servfail, &[]);
        let lie = answer(&server, "etcd0.", RecordType::A).expect("a lie");
        assert_eq!(lie.metadata.response_code, ResponseCode::ServFail);
    }

    #[test]
    fn a_wrong_address_is_given_to_those_who_ask_for_its_kind() {
        let server = server(DnsLie::WrongAddress, &["etcd0"]);
        let lie = answer(&server, "etcd0.", RecordType::A).expect("a lie");
        assert_eq!(lie.answers[0].data, RData::A(A([192, 0, 2, 7].into())));
        let other = answer(&server, "etcd0.", RecordType::AAAA).expect("an answer");
        assert!(other.answers.is_empty());
        assert_eq!(other.metadata.response_code, ResponseCode::NoError);
    }

    #[test]
    fn what_is_no_question_is_passed_on() {
        assert!(server(DnsLie::Nxdomain, &[]).lie(b"nonsense").is_none());
    }
}
