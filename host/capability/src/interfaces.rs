//! Which interface of a container carries what, as `ip` tells it (ip-address(8), ip-route(8)).
//!
//! Netlink would give the same without a text, but only where this process can enter the container's network namespace: the toolbox and the
//! container's own tools answer by their output alone. So all drivers ask one program, whose answer is read with what the kernel and older
//! versions add to it.

use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use duress_engine::{Container, Engine, EngineError, EngineResult, Program};

/// It takes milliseconds.
const LIMIT: Duration = Duration::from_secs(10);

/// An interface, or an empty object: `ip` prints one for each interface that its filter leaves out, e.g. one that is down.
#[derive(Deserialize)]
struct Interface {
    #[serde(default)]
    ifname: String,
    #[serde(default)]
    flags: Vec<String>,
    #[serde(default)]
    addr_info: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Route {
    dev: String,
}

/// Returns those that are up and have an address, without that to itself.
pub(super) async fn all(engine: &dyn Engine, container: &Container) -> EngineResult<Vec<String>> {
    let found: Vec<Interface> = ask(engine, container, &["address", "show", "up"]).await?;
    Ok(outward(found))
}

fn outward(found: Vec<Interface>) -> Vec<String> {
    let own = |interface: &Interface| interface.flags.iter().any(|flag| flag == "LOOPBACK");
    let outside = found.into_iter().filter(|interface| {
        !interface.ifname.is_empty() && !own(interface) && !interface.addr_info.is_empty()
    });
    outside.map(|interface| interface.ifname).collect()
}

/// Returns the one by which it sends to an address.
pub(super) async fn to(
    engine: &dyn Engine,
    container: &Container,
    address: IpAddr,
) -> EngineResult<String> {
    let address = address.to_string();
    let routes: Vec<Route> = ask(engine, container, &["route", "get", &address]).await?;
    let route = routes.into_iter().next();
    route
        .map(|route| route.dev)
        .ok_or_else(|| EngineError::Failed(format!("{} has no route to {address}", container.name)))
}

async fn ask<T: DeserializeOwned>(
    engine: &dyn Engine,
    container: &Container,
    words: &[&str],
) -> EngineResult<T> {
    let command: Vec<String> = ["ip", "-json"]
        .iter()
        .chain(words)
        .map(|&word| word.to_owned())
        .collect();
    let what = format!(
        "`{}` in the network of {}",
        command.join(" "),
        container.name
    );
    let program = Program {
        command,
        timeout: LIMIT,
    };
    let output = engine.run_in_network(&container.id, &program).await?;
    if output.exit_code != 0 {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(EngineError::Failed(format!("{what}: {}", said.trim())));
    }
    serde_json::from_slice(&output.stdout)
        .map_err(|error| EngineError::Failed(format!("{what}: its answer cannot be read: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interfaces_that_are_down_are_passed_over() {
        // What `ip -json address show up` prints where the kernel gives each network a tunl0 and a sit0.
        let said = r#"[
            {"ifname":"lo","flags":["LOOPBACK","UP"],"addr_info":[{"local":"127.0.0.1"}]},
            {},
            {"addr_info":[{}]},
            {"ifname":"eth0","flags":["BROADCAST","UP"],"addr_info":[{"local":"172.18.0.2"}]},
            {"ifname":"eth1","flags":["BROADCAST","UP"],"addr_info":[]}
        ]"#;
        let found = serde_json::from_str(said).expect("JSON");
        assert_eq!(outward(found), ["eth0"]);
        // Where nothing is up, an old one prints a list of nothing but that.
        for nothing in ["[]", "[{},{}]"] {
            let found = serde_json::from_str(nothing).expect("JSON");
            assert_eq!(outward(found), [""; 0]);
        }
    }
}
