//! Connections and packets.

use std::net::SocketAddr;

use async_trait::async_trait;
use duress_engine::{Connection, ContainerId, EngineResult, NetDriver, Networking, Transport};

use super::{Docker, namespace};

#[async_trait]
impl Networking for Docker {
    async fn endpoint(&self, container: &ContainerId, port: u16) -> EngineResult<SocketAddr> {
        self.address_of(container, port).await
    }

    async fn connect(
        &self,
        container: &ContainerId,
        port: u16,
    ) -> EngineResult<Box<dyn Connection>> {
        self.connect_to(container, port).await
    }

    async fn connect_at(
        &self,
        container: &ContainerId,
        address: SocketAddr,
    ) -> EngineResult<Box<dyn Connection>> {
        self.connect_once(container, address).await
    }

    async fn send_packets(
        &self,
        container: &ContainerId,
        places: &[(SocketAddr, Transport)],
    ) -> EngineResult<bool> {
        if self.info.net_driver != NetDriver::Namespace {
            return Ok(false);
        }
        namespace::send_packets(&self.process(container).await?, places.to_vec()).await?;
        Ok(true)
    }
}
