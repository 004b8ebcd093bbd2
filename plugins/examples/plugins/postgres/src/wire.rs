//! PostgreSQL's protocol, version 3.0, as far as one question needs it
//! (<https://www.postgresql.org/docs/15/protocol.html>): no TLS, no password, one simple query with one value as its answer.

use duress_sdk::tcp::Connection;
use duress_sdk::{Error, Result};

use crate::settings::Settings;

/// The longest message that a server may send, in bytes: answers here are a few hundred.
const MESSAGE_LIMIT: usize = 1 << 20;
/// 3.0, as the startup message has it.
const PROTOCOL: u32 = 3 << 16;

/// One message of a server: what kind it is, and what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Message {
    kind: u8,
    body: Vec<u8>,
}

/// Asks a server a question whose answer is one value in one row.
pub(crate) fn ask(container: &str, settings: &Settings, sql: &str) -> Result<String> {
    let mut connection = Connection::open(container, settings.port, settings.request_timeout())?;
    connection.send(&startup(&settings.user, &settings.database))?;
    loop {
        let message = receive(&mut connection)?;
        match message.kind {
            b'R' => check_authentication(&message.body)?,
            b'Z' => break,
            b'E' => return Err(complaint(&message.body)),
            // What it tells of its settings, its key for cancelling, notices.
            _ => {}
        }
    }
    connection.send(&query(sql))?;
    let mut answer = None;
    loop {
        let message = receive(&mut connection)?;
        match message.kind {
            b'D' => answer = Some(first_value(&message.body)?),
            b'Z' => break,
            b'E' => return Err(complaint(&message.body)),
            _ => {}
        }
    }
    // A polite end; the server would log an unexpected one.
    connection.send(b"X\0\0\0\x04")?;
    answer.ok_or_else(|| Error::Failed("the answer has no row".into()))
}

fn receive(connection: &mut Connection) -> Result<Message> {
    let head = connection.read_exact(5)?;
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    if !(4..=MESSAGE_LIMIT).contains(&length) {
        return Err(Error::Failed("it does not speak PostgreSQL's protocol".into()));
    }
    Ok(Message {
        kind: head[0],
        body: connection.read_exact(length - 4)?,
    })
}

fn startup(user: &str, database: &str) -> Vec<u8> {
    let mut body = PROTOCOL.to_be_bytes().to_vec();
    for word in ["user", user, "database", database, "application_name", "duress"] {
        body.extend(word.bytes().chain([0]));
    }
    body.push(0);
    with_length(&body)
}

fn query(sql: &str) -> Vec<u8> {
    let body: Vec<u8> = sql.bytes().chain([0]).collect();
    [b"Q".as_slice(), &with_length(&body)].concat()
}

/// Returns the length counts itself.
fn with_length(body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap_or(u32::MAX);
    [length.to_be_bytes().as_slice(), body].concat()
}

fn check_authentication(body: &[u8]) -> Result<()> {
    match body {
        [0, 0, 0, 0, ..] => Ok(()),
        _ => Err(Error::Failed(
            "it asks for a password: let the role that is asked with log in by `trust` (pg_hba.conf)".into(),
        )),
    }
}

/// Returns the first value of a row, as text.
fn first_value(body: &[u8]) -> Result<String> {
    let broken = || Error::Failed("a row is cut off".into());
    let length = body.get(2..6).ok_or_else(broken)?;
    let length = i32::from_be_bytes([length[0], length[1], length[2], length[3]]);
    let length = usize::try_from(length).map_err(|_| Error::Failed("the answer is NULL".into()))?;
    let value = body.get(6..6 + length).ok_or_else(broken)?;
    Ok(String::from_utf8_lossy(value).into_owned())
}

/// Returns what an error message says: fields, each a letter and a text.
fn complaint(body: &[u8]) -> Error {
    let field = |name: u8| {
        let mut fields = body.split(|byte| *byte == 0);
        fields
            .find(|field| field.first() == Some(&name))
            .map(|field| String::from_utf8_lossy(&field[1..]).into_owned())
            .unwrap_or_default()
    };
    Error::Unavailable(format!("{} (SQLSTATE {})", field(b'M'), field(b'C')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_as_the_protocol_has_them() {
        let startup = startup("probe", "postgres");
        assert_eq!(startup[..8], [0, 0, 0, startup.len() as u8, 0, 3, 0, 0]);
        assert!(startup.ends_with(b"application_name\0duress\0\0"));
        assert_eq!(query("SELECT 1"), b"Q\0\0\0\x0dSELECT 1\0");
    }

    #[test]
    fn a_row_gives_its_first_value() {
        assert_eq!(first_value(b"\0\x01\0\0\0\x02ok").as_deref(), Ok("ok"));
        assert!(first_value(b"\0\x01\xff\xff\xff\xff").is_err(), "NULL");
        assert!(first_value(b"\0\x01\0\0\0\x09ok").is_err(), "cut off");
        assert!(first_value(b"").is_err());
    }

    #[test]
    fn an_error_says_what_the_server_said() {
        let error = complaint(b"SFATAL\0C53300\0Msorry, too many clients already\0\0");
        assert_eq!(error, Error::Unavailable("sorry, too many clients already (SQLSTATE 53300)".into()));
    }

    #[test]
    fn only_trust_will_do() {
        assert_eq!(check_authentication(&[0, 0, 0, 0]), Ok(()));
        assert!(check_authentication(&[0, 0, 0, 10]).is_err(), "SCRAM");
        assert!(check_authentication(&[]).is_err());
    }
}
