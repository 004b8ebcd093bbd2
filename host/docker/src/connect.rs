//! TCP connections to containers, and to nothing else.

use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpStream;

use super::{Docker, short};
use duress_engine::{Connection, ContainerId, EngineError, EngineResult, Networking as _, is_near};

impl Docker {
    /// Connects to a port of a container.
    ///
    /// A container's address may become another's while the connection is made. So the address is looked up once more
    /// afterwards: as long as the container has it, nobody else does, and the connection leads to that container.
    pub(super) async fn connect_to(
        &self,
        id: &ContainerId,
        port: u16,
    ) -> EngineResult<Box<dyn Connection>> {
        let address = self.endpoint(id, port).await?;
        let what = || format!("connect to port {port} of container {}", short(id));
        if self.info.local && is_of_this_machine(address.ip()) {
            return Err(EngineError::Failed(format!(
                "{}: its address {} is one of this machine's own",
                what(),
                address.ip()
            )));
        }
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| EngineError::Failed(format!("{}: {error}", what())))?;
        if self.endpoint(id, port).await? != address {
            return Err(EngineError::Failed(format!(
                "{}: it got another address meanwhile",
                what()
            )));
        }
        // What plugins send are questions that wait for an answer.
        let _ = stream.set_nodelay(true);
        Ok(Box::new(stream))
    }

    /// Connects to an address that a container had a moment ago. Where connections are many, asking for the address takes longer
    /// than the connection itself.
    pub(super) async fn connect_once(
        &self,
        id: &ContainerId,
        address: SocketAddr,
    ) -> EngineResult<Box<dyn Connection>> {
        let failed = |why: &dyn std::fmt::Display| {
            let port = address.port();
            EngineError::Failed(format!(
                "connect to port {port} of container {}: {why}",
                short(id)
            ))
        };
        if self.info.local && is_of_this_machine(address.ip()) {
            let why = format!("its address {} is one of this machine's own", address.ip());
            return Err(failed(&why));
        }
        let stream = TcpStream::connect(address)
            .await
            .map_err(|error| failed(&error))?;
        let _ = stream.set_nodelay(true);
        // A closed connection keeps its port for a minute (TIME-WAIT), and a machine has some 28 000 of them for one address: at 500
        // connections a second they would run out. A reset keeps none.
        let _ = stream.set_zero_linger();
        Ok(Box::new(stream))
    }
}

/// Whether an address leads to this machine itself, to its link, or to many machines. Nobody but this machine can listen on one of
/// its own addresses.
fn is_of_this_machine(ip: IpAddr) -> bool {
    is_near(ip) || std::net::UdpSocket::bind(SocketAddr::new(ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_this_machine_are_known() {
        for ip in [
            "127.0.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "::1",
            "::ffff:127.0.0.1",
            "224.0.0.1",
        ] {
            assert!(is_of_this_machine(ip.parse().expect("an address")), "{ip}");
        }
        // TEST-NET-1 (RFC 5737) belongs to no machine.
        assert!(!is_of_this_machine(
            "192.0.2.1".parse().expect("an address")
        ));
        // Whatever address this machine has towards others, it is known as its own.
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").expect("a socket");
        if socket.connect("192.0.2.1:9").is_ok() {
            let own = socket.local_addr().expect("an address").ip();
            assert!(is_of_this_machine(own), "{own}");
        }
    }
}
