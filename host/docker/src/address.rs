//! Where the engine listens, and whether that is this machine.

use std::net::IpAddr;
use std::path::PathBuf;

use bollard::models::SystemInfo;
use serde::Deserialize;

/// Where Docker listens when nobody says otherwise.
const USUAL: &str = "unix:///var/run/docker.sock";

/// As `docker` itself finds it: `DOCKER_HOST`, else the current context, else the usual socket.
pub(super) fn find() -> String {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    set("DOCKER_HOST")
        .or_else(context)
        .unwrap_or_else(|| USUAL.to_owned())
}

#[derive(Deserialize)]
struct Configuration {
    #[serde(rename = "currentContext")]
    current: Option<String>,
}

#[derive(Deserialize)]
struct Context {
    #[serde(rename = "Name")]
    name: String,
    #[serde(rename = "Endpoints")]
    endpoints: Endpoints,
}

#[derive(Deserialize)]
struct Endpoints {
    docker: Endpoint,
}

#[derive(Deserialize)]
struct Endpoint {
    #[serde(rename = "Host")]
    host: String,
}

/// Returns the current context's address, from the files of the command `docker context`.
fn context() -> Option<String> {
    let folder = std::env::var_os("DOCKER_CONFIG")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".docker")))?;
    let current = std::env::var("DOCKER_CONTEXT").ok().or_else(|| {
        let text = std::fs::read(folder.join("config.json")).ok()?;
        serde_json::from_slice::<Configuration>(&text).ok()?.current
    })?;
    let metadata = std::fs::read_dir(folder.join("contexts/meta")).ok()?;
    metadata.flatten().find_map(|entry| {
        let text = std::fs::read(entry.path().join("meta.json")).ok()?;
        let context: Context = serde_json::from_slice(&text).ok()?;
        (context.name == current).then_some(context.endpoints.docker.host)
    })
}

/// Whether the engine's processes and networks are this machine's own: not behind TCP, not in a virtual machine (its name differs),
/// not in a user's network namespace.
pub(super) fn is_local(address: &str, info: &SystemInfo) -> bool {
    let name = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let rootless = info
        .security_options
        .iter()
        .flatten()
        .any(|option| option.contains("name=rootless"));
    address.starts_with("unix://") && info.name.as_deref() == Some(name.as_str()) && !rootless
}

/// Returns the machine at which an engine behind TCP publishes ports.
pub(super) async fn host_of(address: &str) -> Option<IpAddr> {
    let authority = address
        .strip_prefix("tcp://")
        .or_else(|| address.strip_prefix("http://"))?;
    let authority = authority.split('/').next()?;
    tokio::net::lookup_host(authority)
        .await
        .ok()?
        .next()
        .map(|address| address.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_behind_tcp_or_of_another_name_is_not_local() {
        let name = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        let here = SystemInfo {
            name: Some(name),
            ..SystemInfo::default()
        };
        assert!(is_local(USUAL, &here));
        assert!(!is_local("tcp://127.0.0.1:2375", &here));
        let elsewhere = SystemInfo {
            name: Some("docker-desktop".into()),
            ..SystemInfo::default()
        };
        assert!(!is_local(USUAL, &elsewhere));
        let rootless = SystemInfo {
            security_options: Some(vec!["name=rootless".into()]),
            ..here
        };
        assert!(!is_local(USUAL, &rootless));
    }
}
