//! Where this machine reaches a container's port.

use std::net::{IpAddr, SocketAddr};

use duress_engine::{ContainerId, EngineError, EngineResult, State};

use super::{Docker, listing, short};

impl Docker {
    pub(super) async fn address_of(
        &self,
        container: &ContainerId,
        port: u16,
    ) -> EngineResult<SocketAddr> {
        let found = self.inspect(container).await?;
        let name = || listing::name_of(&found).unwrap_or_else(|| short(container).to_owned());
        let state = listing::state_of(&found);
        if !matches!(state, State::Running | State::Paused) {
            return Err(EngineError::NotRunning {
                container: name(),
                state,
            });
        }
        let networks = found.network_settings.as_ref();
        if self.info.local {
            let own = networks.and_then(|settings| settings.networks.as_ref());
            let address = own
                .into_iter()
                .flat_map(|networks| networks.values())
                .find_map(|network| {
                    network
                        .ip_address
                        .as_deref()
                        .and_then(|address| address.parse::<IpAddr>().ok())
                });
            return match address {
                Some(address) => Ok(SocketAddr::new(address, port)),
                None => Err(EngineError::Failed(format!(
                    "container {} has no address",
                    name()
                ))),
            };
        }
        let ports = networks.and_then(|settings| settings.ports.as_ref());
        let published = ports
            .and_then(|ports| {
                ports
                    .get(&format!("{port}/tcp"))?
                    .as_ref()?
                    .first()?
                    .host_port
                    .as_ref()
            })
            .and_then(|port| port.parse().ok());
        match published {
            Some(published) => Ok(SocketAddr::new(self.host, published)),
            None => Err(EngineError::Failed(format!(
                "port {port} of container {} is not published, and the engine is not on this machine: add \"127.0.0.1::{port}\" to its `ports` in the compose file",
                name()
            ))),
        }
    }
}
