//! `tcp`: connections to the trial's own containers. Nothing else can be reached: a container is named, never an address.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use wasmtime::component::Resource;

use super::bindings::duress::plugin::tcp::{Host, HostConnection};
use super::{Ctx, GuestError, LONGEST_OPERATION};

/// The most connections that one call may have open at once, and the most that it may try to open.
const OPEN_LIMIT: usize = 16;
const CONNECTION_LIMIT: usize = 256;
/// The most that one call may send and receive over all of its connections, in bytes.
const BYTES_LIMIT: u64 = 64 << 20;
/// The most that is received at once, in bytes.
const RECEIVE_LIMIT: usize = 64 << 10;

type Answer<T> = wasmtime::Result<Result<T, GuestError>>;

/// A connection of one call.
pub struct Connection {
    /// `None` once it has failed.
    stream: Option<Box<dyn duress_engine::Connection>>,
    /// Where its use is counted, in [`Connections::used`].
    number: usize,
}

/// All that one call has to do with connections.
#[derive(Debug, Default)]
pub(super) struct Connections {
    tried: usize,
    open: usize,
    bytes: u64,
    used: Vec<Usage>,
}

/// How a connection was used, for the audit: how much was said, and not what.
#[derive(Debug)]
pub(super) struct Usage {
    pub(super) container: String,
    pub(super) port: u16,
    pub(super) sent: u64,
    pub(super) received: u64,
    pub(super) opened: Instant,
}

impl Connections {
    /// Counts an attempt to open one.
    fn try_one(&mut self) -> Result<(), GuestError> {
        self.tried += 1;
        if self.open >= OPEN_LIMIT {
            return Err(GuestError::Denied(format!(
                "a call may have {OPEN_LIMIT} TCP connections open at once: drop one first"
            )));
        }
        if self.tried > CONNECTION_LIMIT {
            return Err(GuestError::Denied(format!(
                "a call may open {CONNECTION_LIMIT} TCP connections"
            )));
        }
        Ok(())
    }

    /// Counts bytes.
    fn carry(&mut self, bytes: usize) -> Result<(), GuestError> {
        self.bytes = self.bytes.saturating_add(bytes as u64);
        if self.bytes > BYTES_LIMIT {
            return Err(GuestError::Denied(format!(
                "a call may send and receive {} MiB by TCP",
                BYTES_LIMIT >> 20
            )));
        }
        Ok(())
    }

    /// Returns how each was used.
    pub(super) fn ended(&self) -> &[Usage] {
        &self.used
    }
}

impl Host for Ctx {
    async fn connect(
        &mut self,
        container: String,
        port: u16,
        timeout: u64,
    ) -> Answer<Resource<Connection>> {
        let arguments = json!({ "container": container, "port": port, "timeout": timeout });
        let allowed = self.connections.try_one();
        let name = container.clone();
        let operations = self.operations();
        let stream = self
            .audited("tcp.connect", arguments, |scope| async move {
                let trial = scope.trial()?;
                scope.refuse(scope.grants.missing_tcp())?;
                allowed?;
                if let Some(operations) = operations {
                    let place = operations.place(&container, port).await?;
                    trial.refuse_machine_network(&place.container)?;
                    let connecting = trial
                        .engine()?
                        .connect_at(&place.container.id, place.address);
                    let connected = within(timeout, async {
                        connecting
                            .await
                            .map_err(|error| GuestError::Unavailable(error.to_string()))
                    })
                    .await;
                    if connected.is_err() {
                        operations.book()?.doubt(&container, port);
                    }
                    return connected;
                }
                let target = trial.container(&container).await?;
                trial.refuse_machine_network(&target)?;
                let connecting = trial.engine()?.connect(&target.id, port);
                within(timeout, async {
                    connecting
                        .await
                        .map_err(|error| GuestError::Unavailable(error.to_string()))
                })
                .await
            })
            .await?;
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => return Ok(Err(error)),
        };
        let connection = Connection {
            stream: Some(stream),
            number: self.connections.used.len(),
        };
        let resource = self.table.push(connection)?;
        self.connections.open += 1;
        self.connections.used.push(Usage {
            container: name,
            port,
            sent: 0,
            received: 0,
            opened: Instant::now(),
        });
        Ok(Ok(resource))
    }
}

impl HostConnection for Ctx {
    async fn send(
        &mut self,
        connection: Resource<Connection>,
        bytes: Vec<u8>,
        timeout: u64,
    ) -> Answer<()> {
        self.count()?;
        let length = bytes.len();
        let allowed = self.connections.carry(length);
        let connection = self.table.get_mut(&connection)?;
        let usage = &mut self.connections.used[connection.number];
        let sending = async {
            allowed?;
            let stream = connection.stream.as_mut().ok_or_else(closed)?;
            let written = async {
                stream.write_all(&bytes).await?;
                stream.flush().await
            };
            within(timeout, async { written.await.map_err(broken) }).await
        };
        match sending.await {
            Ok(()) => {
                usage.sent += length as u64;
                Ok(Ok(()))
            }
            Err(error) => {
                connection.stream = None;
                self.refused("tcp.send", json!({ "bytes": length }), error)
            }
        }
    }

    async fn receive(
        &mut self,
        connection: Resource<Connection>,
        max: u32,
        timeout: u64,
    ) -> Answer<Vec<u8>> {
        self.count()?;
        let allowed = self.connections.carry(0);
        let connection = self.table.get_mut(&connection)?;
        let usage = &mut self.connections.used[connection.number];
        let receiving = async {
            allowed?;
            if max == 0 {
                return Err(GuestError::Invalid(
                    "`receive` needs a `max` of at least 1".into(),
                ));
            }
            let stream = connection.stream.as_mut().ok_or_else(closed)?;
            let mut buffer = vec![0; RECEIVE_LIMIT.min(max as usize)];
            let length = within(timeout, async {
                stream.read(&mut buffer).await.map_err(broken)
            })
            .await?;
            buffer.truncate(length);
            Ok(buffer)
        };
        match receiving.await {
            Ok(received) => {
                usage.received += received.len() as u64;
                // What was received is handed over; the next call is refused.
                let _ = self.connections.carry(received.len());
                Ok(Ok(received))
            }
            Err(error) => {
                if matches!(error, GuestError::Unavailable(_)) {
                    connection.stream = None;
                }
                self.refused("tcp.receive", json!({ "max": max }), error)
            }
        }
    }

    async fn drop(&mut self, connection: Resource<Connection>) -> wasmtime::Result<()> {
        self.table.delete(connection)?;
        self.connections.open -= 1;
        Ok(())
    }
}

impl Ctx {
    /// A failure of a connection, on record.
    fn refused<T>(
        &self,
        call: &'static str,
        arguments: serde_json::Value,
        error: GuestError,
    ) -> Answer<T> {
        let error = super::tamed(error);
        self.record_failure(call, &arguments, &error);
        Ok(Err(error))
    }
}

fn closed() -> GuestError {
    GuestError::Unavailable("the connection is closed after an earlier error".into())
}

fn broken(error: std::io::Error) -> GuestError {
    GuestError::Unavailable(format!("the connection broke: {error}"))
}

/// Waits for something, for at most so long.
async fn within<T>(
    timeout: u64,
    waited: impl Future<Output = Result<T, GuestError>>,
) -> Result<T, GuestError> {
    let limit = Duration::from_millis(timeout).min(LONGEST_OPERATION);
    tokio::time::timeout(limit, waited)
        .await
        .unwrap_or(Err(GuestError::Timeout(limit.as_millis() as u64)))
}

#[cfg(test)]
#[path = "tcp_tests.rs"]
mod tests;
