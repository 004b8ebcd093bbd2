//! The configuration of a container that is made from another's. What is not overridden is what the other has.

use std::collections::HashMap;

use bollard::models::{
    ContainerConfig, ContainerCreateBody, ContainerInspectResponse, EndpointSettings, HostConfig,
    ImageConfig, NetworkConnectRequest, NetworkingConfig,
};

use super::arrange::name_of;
use super::listing::COMPOSE_NUMBER;
use duress_engine::{
    ContainerCopy, ContainerId, EngineError, EngineResult, LABEL_ARRANGEMENT, Overrides,
};

/// How many characters of a container's ID are its host name and an alias of it, unless others are set.
const SHORT_ID: usize = 12;

/// What a container is made from.
pub(super) struct Copied {
    /// The name at the engine.
    pub(super) name: String,
    /// What is created.
    pub(super) body: ContainerCreateBody,
    /// What it is connected to beside its first network.
    pub(super) more_networks: Vec<(String, Connection)>,
}

/// A connection to a network, before the container that has it is made.
pub(super) struct Connection(EndpointSettings);

impl Connection {
    pub(super) fn of(self, container: &ContainerId) -> NetworkConnectRequest {
        NetworkConnectRequest {
            container: container.0.clone(),
            endpoint_config: Some(self.0),
        }
    }
}

impl Copied {
    /// Returns the configuration of a copy. `image` is the original's own image, where the copy has another.
    pub(super) fn new(
        original: &ContainerInspectResponse,
        copy: &ContainerCopy,
        image: Option<&ImageConfig>,
        token: &str,
    ) -> EngineResult<Self> {
        let mut config = original.config.clone().unwrap_or_default();
        let mut host = original.host_config.clone().unwrap_or_default();
        let mut name = name_of(original);
        let labels = config.labels.get_or_insert_default();
        if let Some(number) = copy.number {
            name = numbered(&name, labels, number)?;
            labels.insert(COMPOSE_NUMBER.to_owned(), number.to_string());
        } else {
            keep_volumes(original, &mut host);
        }
        labels.insert(LABEL_ARRANGEMENT.to_owned(), token.to_owned());
        drop_own_name(original, &mut config);
        if let Some(image) = image {
            drop_defaults(&mut config, image);
        }
        override_with(&mut config, &copy.overrides);
        let (first, more_networks) = networks(original, &mut config, &mut host);
        Ok(Self {
            name,
            body: body(config, host, first),
            more_networks,
        })
    }

    /// Returns the configuration of a container in which one program runs on another's volumes.
    pub(super) fn for_program(
        original: &ContainerInspectResponse,
        command: Vec<String>,
        labels: HashMap<String, String>,
    ) -> Self {
        let own = original.config.clone().unwrap_or_default();
        let mut host = original.host_config.clone().unwrap_or_default();
        keep_volumes(original, &mut host);
        host.network_mode = Some("none".to_owned());
        host.port_bindings = None;
        host.publish_all_ports = None;
        host.links = None;
        host.extra_hosts = None;
        host.restart_policy = None;
        // Those of another container, or of the machine.
        host.pid_mode = None;
        host.ipc_mode = None;
        host.uts_mode = None;
        let config = ContainerConfig {
            user: own.user,
            env: own.env,
            working_dir: own.working_dir,
            image: original.image.clone(),
            entrypoint: Some(command),
            cmd: Some(Vec::new()),
            healthcheck: Some(bollard::models::HealthConfig {
                test: Some(vec!["NONE".to_owned()]),
                ..Default::default()
            }),
            labels: Some(labels),
            ..ContainerConfig::default()
        };
        Self {
            name: String::new(),
            body: body(config, host, None),
            more_networks: Vec::new(),
        }
    }
}

/// Returns whether a container has what it was made to have.
pub(super) fn has(found: &ContainerInspectResponse, overrides: &Overrides) -> bool {
    let Some(config) = &found.config else {
        return false;
    };
    let variables = config.env.as_deref().unwrap_or_default();
    let variable = |name: &str| {
        let mut pairs = variables.iter().filter_map(|pair| pair.split_once('='));
        pairs.find(|(own, _)| *own == name).map(|(_, value)| value)
    };
    let command = overrides.command.as_ref();
    command.is_none_or(|command| config.cmd.as_ref() == Some(command))
        && (overrides.image.as_ref()).is_none_or(|image| config.image.as_ref() == Some(image))
        && (overrides.environment.iter()).all(|(name, value)| variable(name) == value.as_deref())
}

/// Returns the name that the compose tool would give to another container of the same service.
fn numbered(name: &str, labels: &HashMap<String, String>, number: u32) -> EngineResult<String> {
    let own = labels.get(COMPOSE_NUMBER).map_or("1", String::as_str);
    match name.strip_suffix(own) {
        Some(beginning) if beginning.ends_with(['-', '_']) => Ok(format!("{beginning}{number}")),
        _ => Err(EngineError::Failed(format!(
            "{name} has a name of its own (`container_name`), so its service can have no second container; \
             remove it from the compose file"
        ))),
    }
}

/// Names volumes that have no name in the configuration, so that the copy has the same.
fn keep_volumes(original: &ContainerInspectResponse, host: &mut HostConfig) {
    let mounts = host.mounts.as_deref().unwrap_or_default();
    let mut named: Vec<String> = mounts
        .iter()
        .filter(|mount| {
            mount
                .source
                .as_ref()
                .is_some_and(|source| !source.is_empty())
        })
        .filter_map(|mount| mount.target.clone())
        .collect();
    let binds = host.binds.get_or_insert_default();
    named.extend(
        binds
            .iter()
            .filter_map(|bind| bind.split(':').nth(1).map(str::to_owned)),
    );
    let mut kept = Vec::new();
    for mount in original.mounts.iter().flatten() {
        if let (Some("volume"), Some(name), Some(at)) =
            (mount.typ.as_deref(), &mount.name, &mount.destination)
            && !named
                .iter()
                .any(|one| one.trim_end_matches('/') == at.trim_end_matches('/'))
        {
            let mode = if mount.rw == Some(false) { ":ro" } else { "" };
            binds.push(format!("{name}:{at}{mode}"));
            kept.push(at.clone());
        }
    }
    // The engine takes one mount for each place.
    if let Some(mounts) = &mut host.mounts {
        mounts.retain(|mount| !mount.target.as_ref().is_some_and(|at| kept.contains(at)));
    }
}

/// Removes a host name that nobody has set: the container's own ID.
fn drop_own_name(original: &ContainerInspectResponse, config: &mut ContainerConfig) {
    let own = short_id(original);
    if own.is_some() && config.hostname.as_deref() == own {
        config.hostname = None;
    }
}

fn short_id(original: &ContainerInspectResponse) -> Option<&str> {
    original.id.as_deref().and_then(|id| id.get(..SHORT_ID))
}

/// Leaves out what the container only has from its image, so that another image brings its own. The user stays: it is part of what
/// the container may do.
fn drop_defaults(config: &mut ContainerConfig, image: &ImageConfig) {
    let inherited = image.env.as_deref().unwrap_or_default();
    if let Some(own) = &mut config.env {
        own.retain(|pair| !inherited.contains(pair));
    }
    drop_if_same(&mut config.cmd, &image.cmd);
    drop_if_same(&mut config.entrypoint, &image.entrypoint);
    drop_if_same(&mut config.working_dir, &image.working_dir);
    drop_if_same(&mut config.healthcheck, &image.healthcheck);
    drop_if_same(&mut config.stop_signal, &image.stop_signal);
    drop_if_same(&mut config.exposed_ports, &image.exposed_ports);
    drop_if_same(&mut config.volumes, &image.volumes);
}

fn drop_if_same<T: PartialEq>(own: &mut Option<T>, inherited: &Option<T>) {
    if own == inherited {
        *own = None;
    }
}

fn override_with(config: &mut ContainerConfig, overrides: &Overrides) {
    if let Some(image) = &overrides.image {
        config.image = Some(image.clone());
    }
    if let Some(command) = &overrides.command {
        config.cmd = Some(command.clone());
    }
    let variables = config.env.get_or_insert_default();
    for (name, value) in &overrides.environment {
        variables.retain(|pair| pair.split('=').next() != Some(name));
        // Without `=` the engine also leaves out what the image says.
        variables.push(match value {
            Some(value) => format!("{name}={value}"),
            None => name.clone(),
        });
    }
}

/// Returns the network that a container is created in, and those that it is connected to afterwards.
fn networks(
    original: &ContainerInspectResponse,
    config: &mut ContainerConfig,
    host: &mut HostConfig,
) -> (Option<NetworkingConfig>, Vec<(String, Connection)>) {
    let mode = host.network_mode.clone().unwrap_or_default();
    if mode.starts_with("container:") {
        // These are the other container's, and the engine refuses them here.
        config.hostname = None;
        config.domainname = None;
        config.exposed_ports = None;
        host.port_bindings = None;
        host.publish_all_ports = None;
    }
    if mode.starts_with("container:") || mode == "host" || mode == "none" {
        return (None, Vec::new());
    }
    let own = original.network_settings.as_ref();
    let own = own.and_then(|settings| settings.networks.clone());
    let id = short_id(original);
    let mut all: Vec<_> = own.into_iter().flatten().collect();
    all.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut first = None;
    let mut more = Vec::new();
    for (network, found) in all {
        let asked = asked_for(found, id);
        if network == mode {
            first = Some(NetworkingConfig {
                endpoints_config: Some(HashMap::from([(network, asked)])),
            });
        } else {
            more.push((network, Connection(asked)));
        }
    }
    (first, more)
}

/// Returns what was asked for of a connection, without what the engine has chosen.
fn asked_for(found: EndpointSettings, id: Option<&str>) -> EndpointSettings {
    let aliases = found.aliases.map(|aliases| {
        let asked = aliases
            .into_iter()
            .filter(|alias| Some(alias.as_str()) != id);
        asked.collect::<Vec<_>>()
    });
    EndpointSettings {
        ipam_config: found.ipam_config,
        links: found.links,
        aliases: aliases.filter(|aliases| !aliases.is_empty()),
        driver_opts: found.driver_opts,
        ..EndpointSettings::default()
    }
}

fn body(
    config: ContainerConfig,
    host: HostConfig,
    networking: Option<NetworkingConfig>,
) -> ContainerCreateBody {
    ContainerCreateBody {
        hostname: config.hostname,
        domainname: config.domainname,
        user: config.user,
        exposed_ports: config.exposed_ports,
        tty: config.tty,
        open_stdin: config.open_stdin,
        stdin_once: config.stdin_once,
        env: config.env,
        cmd: config.cmd,
        healthcheck: config.healthcheck,
        image: config.image,
        volumes: config.volumes,
        working_dir: config.working_dir,
        entrypoint: config.entrypoint,
        network_disabled: config.network_disabled,
        labels: config.labels,
        stop_signal: config.stop_signal,
        stop_timeout: config.stop_timeout,
        shell: config.shell,
        host_config: Some(host),
        networking_config: networking,
        ..ContainerCreateBody::default()
    }
}
