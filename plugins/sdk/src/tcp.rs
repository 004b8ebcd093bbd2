//! TCP connections to the trial's containers, for protocols that are not HTTP.

use std::time::Duration;

use crate::bindings::duress::plugin::{host, tcp};
use crate::wait::milliseconds;
use crate::{Error, Result};

/// The most that is received at once, in bytes.
const CHUNK: u32 = 64 << 10;

/// A connection to one port of a container, with one time limit for all that happens on it. It is closed when it is dropped.
///
/// It is for asking about a state. What changes a system belongs in a [`crate::Change`], which the host can revert.
#[derive(Debug)]
pub struct Connection {
    connection: tcp::Connection,
    /// As [`host::now`] has it.
    deadline: u64,
    /// What has arrived and was not read yet.
    buffer: Vec<u8>,
}

impl Connection {
    /// Connects to a port of a running container. The manifest must ask for `tcp: [stack]`.
    pub fn open(container: &str, port: u16, timeout: Duration) -> Result<Self> {
        let timeout = milliseconds(timeout);
        Ok(Self {
            connection: tcp::connect(container, port, timeout)?,
            deadline: host::now().saturating_add(timeout),
            buffer: Vec::new(),
        })
    }

    /// Sends all of the bytes.
    pub fn send(&self, bytes: &[u8]) -> Result<()> {
        self.connection.send(bytes, self.left())
    }

    /// Waits for exactly so many bytes.
    pub fn read_exact(&mut self, length: usize) -> Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.receive()?;
        }
        let rest = self.buffer.split_off(length);
        Ok(std::mem::replace(&mut self.buffer, rest))
    }

    /// Waits for a line, and returns it without its line break.
    pub fn read_line(&mut self) -> Result<String> {
        let end = loop {
            match self.buffer.iter().position(|byte| *byte == b'\n') {
                Some(end) => break end,
                None => self.receive()?,
            }
        };
        let line = self.read_exact(end + 1)?;
        Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
    }

    fn receive(&mut self) -> Result<()> {
        let received = self.connection.receive(CHUNK, self.left())?;
        if received.is_empty() {
            return Err(Error::Unavailable("the connection was closed".into()));
        }
        self.buffer.extend(received);
        Ok(())
    }

    fn left(&self) -> u64 {
        self.deadline.saturating_sub(host::now())
    }
}
