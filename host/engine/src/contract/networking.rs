//! Connections and packets to and from a container.

use std::net::SocketAddr;

use async_trait::async_trait;

use crate::{Connection, ContainerId, EngineResult, Transport};

/// Connections and packets to and from a container.
///
/// Whatever changes something may be repeated: what is so already is not an error.
#[async_trait]
pub trait Networking: Send + Sync {
    /// Returns the address at which this host reaches a container's TCP port.
    async fn endpoint(&self, container: &ContainerId, port: u16) -> EngineResult<SocketAddr>;
    /// Connects to a TCP port of a running container, and to nothing else. The caller limits the time.
    async fn connect(
        &self,
        container: &ContainerId,
        port: u16,
    ) -> EngineResult<Box<dyn Connection>>;
    /// As [`Networking::connect`], to an address that [`Networking::endpoint`] returned a moment ago: where connections are many, the
    /// engine is not asked for each of them. The address may be another container's by now.
    async fn connect_at(
        &self,
        container: &ContainerId,
        address: SocketAddr,
    ) -> EngineResult<Box<dyn Connection>> {
        self.connect(container, address.port()).await
    }
    /// Sends one packet to each of these places from a container's network, TCP (the first packet of a connection) or UDP. Whether
    /// that is possible here; whether a packet arrives is not known.
    async fn send_packets(
        &self,
        _container: &ContainerId,
        _places: &[(SocketAddr, Transport)],
    ) -> EngineResult<bool> {
        Ok(false)
    }
}
