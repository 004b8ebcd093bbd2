//! Which containers there are, by the labels of compose and of duress.

use std::collections::HashMap;

use bollard::models::{
    ContainerInspectResponse, ContainerStateStatusEnum, ContainerSummary, ContainerSummaryStateEnum,
};
use bollard::query_parameters::{ListContainersOptions, ListNetworksOptions, ListVolumesOptions};

use super::calls::{PATIENCE, reason};
use super::{Docker, arrange};
use duress_engine::{
    Container, ContainerId, Details, EngineError, EngineResult, Health, LABEL_DATABASE,
    LABEL_DATABASE_ID, LABEL_HOST, LABEL_MACHINE, LABEL_PROJECT, LABEL_TRIAL, Leftover, Network,
    Project, Selection, State,
};

/// Labels that both compose tools put on what they make.
pub(super) const COMPOSE_PROJECT: &str = "com.docker.compose.project";
pub(super) const COMPOSE_SERVICE: &str = "com.docker.compose.service";
pub(super) const COMPOSE_NUMBER: &str = "com.docker.compose.container-number";

type Labels = HashMap<String, String>;

impl Docker {
    /// A stack's containers, by name.
    pub(super) async fn list(&self, project: &Project) -> EngineResult<Vec<Container>> {
        let summaries = self.in_place(project).await?;
        let mut containers: Vec<_> = summaries
            .into_iter()
            .filter_map(|summary| container(project, summary))
            .collect();
        share_addresses(&mut containers);
        containers.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(containers)
    }

    /// Everything that carries duress's label.
    pub(super) async fn labelled(&self) -> EngineResult<Vec<Leftover>> {
        let mut found = Vec::new();
        for summary in self.summaries(LABEL_PROJECT).await? {
            let name = summary
                .names
                .and_then(|names| names.into_iter().next())
                .or(summary.id);
            let name = name.unwrap_or_default().trim_start_matches('/').to_owned();
            found.push(leftover("container", name, summary.labels));
        }
        for (name, labels) in self.networks(LABEL_PROJECT).await? {
            found.push(leftover("network", name, Some(labels)));
        }
        for (name, labels) in self.volumes(LABEL_PROJECT).await? {
            found.push(leftover("volume", name, Some(labels)));
        }
        Ok(found)
    }

    /// What is part of a stack now: without what is set aside, or not yet in its place.
    pub(super) async fn in_place(&self, project: &Project) -> EngineResult<Vec<ContainerSummary>> {
        let all = match project.selection() {
            Some(selection) => self.selected(&selection).await?,
            None => {
                self.summaries(&format!("{COMPOSE_PROJECT}={project}"))
                    .await?
            }
        };
        let is_in_place = |summary: &ContainerSummary| {
            let mut names = summary.names.iter().flatten();
            names.all(|name| arrange::is_in_place(name))
        };
        Ok(all.into_iter().filter(is_in_place).collect())
    }

    pub(super) async fn summaries(&self, label: &str) -> EngineResult<Vec<ContainerSummary>> {
        self.filtered(filters(label)).await
    }

    pub(super) async fn filtered(
        &self,
        filters: HashMap<String, Vec<String>>,
    ) -> EngineResult<Vec<ContainerSummary>> {
        let options = ListContainersOptions {
            all: true,
            filters: Some(filters),
            ..ListContainersOptions::default()
        };
        within("list containers", self.api.list_containers(Some(options))).await
    }

    pub(super) async fn networks(&self, label: &str) -> EngineResult<Vec<(String, Labels)>> {
        let options = ListNetworksOptions {
            filters: Some(filters(label)),
        };
        let found = within("list networks", self.api.list_networks(Some(options))).await?;
        let named = |network: bollard::models::Network| {
            Some((network.name?, network.labels.unwrap_or_default()))
        };
        Ok(found.into_iter().filter_map(named).collect())
    }

    pub(super) async fn volumes(&self, label: &str) -> EngineResult<Vec<(String, Labels)>> {
        let options = ListVolumesOptions {
            filters: Some(filters(label)),
        };
        let found = within("list volumes", self.api.list_volumes(Some(options))).await?;
        let volumes = found.volumes.unwrap_or_default();
        Ok(volumes
            .into_iter()
            .map(|volume| (volume.name, volume.labels))
            .collect())
    }
}

/// Waits for a call that is about no single container.
pub(super) async fn within<T>(
    what: &str,
    asked: impl Future<Output = Result<T, bollard::errors::Error>>,
) -> EngineResult<T> {
    let answer = tokio::time::timeout(PATIENCE, asked)
        .await
        .map_err(|_| EngineError::Timeout {
            what: what.to_owned(),
            after: PATIENCE,
        })?;
    answer.map_err(|error| EngineError::Failed(format!("{what}: {}", reason(&error))))
}

fn filters(label: &str) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), vec![label.to_owned()])])
}

fn leftover(kind: &'static str, name: String, labels: Option<Labels>) -> Leftover {
    let labels = labels.unwrap_or_default();
    let label = |key: &str| labels.get(key).cloned().unwrap_or_default();
    Leftover {
        kind,
        name,
        project: Project(label(LABEL_PROJECT)),
        trial: label(LABEL_TRIAL),
        database: label(LABEL_DATABASE),
        database_id: label(LABEL_DATABASE_ID),
        host: label(LABEL_HOST),
        machine: label(LABEL_MACHINE),
    }
}

fn container(project: &Project, summary: ContainerSummary) -> Option<Container> {
    let Named { name, service } = named(project, &summary)?;
    let networks = summary
        .network_settings
        .and_then(|settings| settings.networks);
    let prefix = network_prefix(project);
    let mut addresses: Vec<_> = networks
        .into_iter()
        .flatten()
        .flat_map(|(name, endpoint)| {
            let name = name.strip_prefix(&prefix).unwrap_or(&name).to_owned();
            [endpoint.ip_address, endpoint.global_ipv6_address]
                .into_iter()
                .filter_map(|address| address?.parse().ok())
                .map(move |address| (name.clone(), address))
        })
        .collect();
    addresses.sort();
    Some(Container {
        id: ContainerId(summary.id?),
        name,
        service,
        state: match summary.state {
            Some(ContainerSummaryStateEnum::RUNNING) => State::Running,
            Some(ContainerSummaryStateEnum::PAUSED) => State::Paused,
            Some(ContainerSummaryStateEnum::RESTARTING) => State::Restarting,
            Some(ContainerSummaryStateEnum::EXITED) => State::Exited,
            Some(ContainerSummaryStateEnum::DEAD) => State::Dead,
            _ => State::Created,
        },
        network: match summary.host_config.and_then(|config| config.network_mode) {
            Some(mode) if mode == "host" => Network::Machine,
            Some(mode) => match mode.strip_prefix("container:") {
                Some(id) => Network::Of(ContainerId(id.to_owned())),
                None => Network::Own,
            },
            None => Network::Own,
        },
        health: health(summary.status.as_deref().unwrap_or_default()),
        addresses,
    })
}

/// How plugins know a container.
pub(super) struct Named {
    pub(super) name: String,
    pub(super) service: String,
}

/// Returns how plugins know a container of a project: by its service, or, where containers of several projects may be together, by its own
/// name.
pub(super) fn named(project: &Project, summary: &ContainerSummary) -> Option<Named> {
    if let Some(Selection::Labels(_) | Selection::Containers(_)) = project.selection() {
        let name = own_name(summary)?;
        let service = name.clone();
        return Some(Named { name, service });
    }
    let labels = summary.labels.as_ref()?;
    Some(Named {
        name: plugin_name(labels)?,
        service: labels.get(COMPOSE_SERVICE)?.clone(),
    })
}

/// Returns the name that the engine knows a container by.
pub(super) fn own_name(summary: &ContainerSummary) -> Option<String> {
    let name = summary.names.as_ref()?.first()?;
    Some(name.trim_start_matches('/').to_owned())
}

/// Returns what the compose tool puts before the names of a project's networks.
pub(super) fn network_prefix(project: &Project) -> String {
    match project.selection() {
        Some(Selection::Project(name)) => format!("{name}_"),
        _ => format!("{project}_"),
    }
}

/// Returns what plugins call a container of a stack.
pub(super) fn plugin_name(labels: &Labels) -> Option<String> {
    let service = labels.get(COMPOSE_SERVICE)?;
    let number = labels.get(COMPOSE_NUMBER).map_or("1", String::as_str);
    Some(match number {
        "1" => service.clone(),
        number => format!("{service}-{number}"),
    })
}

/// Gives containers in another's network that one's addresses, by which they are reached: the engine lists none for them.
fn share_addresses(containers: &mut [Container]) {
    let of_owners: HashMap<_, _> = containers
        .iter()
        .map(|container| (container.id.clone(), container.addresses.clone()))
        .collect();
    for container in containers {
        if let Network::Of(owner) = &container.network
            && container.state == State::Running
            && let Some(addresses) = of_owners.get(owner)
        {
            container.addresses.clone_from(addresses);
        }
    }
}

/// Returns the listing tells a container's health only in its status line, e.g. `Up 3 seconds (health: starting)`.
fn health(status: &str) -> Health {
    if status.contains("(healthy)") {
        Health::Healthy
    } else if status.contains("(unhealthy)") {
        Health::Unhealthy
    } else if status.contains("(health: starting)") {
        Health::Starting
    } else {
        Health::None
    }
}

/// Returns the state of a container that was inspected.
pub(super) fn state_of(container: &ContainerInspectResponse) -> State {
    match container.state.as_ref().and_then(|state| state.status) {
        Some(ContainerStateStatusEnum::RUNNING) => State::Running,
        Some(ContainerStateStatusEnum::PAUSED) => State::Paused,
        Some(ContainerStateStatusEnum::RESTARTING) => State::Restarting,
        Some(ContainerStateStatusEnum::EXITED | ContainerStateStatusEnum::REMOVING) => {
            State::Exited
        }
        Some(ContainerStateStatusEnum::DEAD) => State::Dead,
        _ => State::Created,
    }
}

/// Returns how a container that was inspected came to what it is.
pub(super) fn details_of(container: ContainerInspectResponse) -> Details {
    let runs = matches!(state_of(&container), State::Running | State::Paused);
    let state = container.state.unwrap_or_default();
    // The engine says the year 1 for never.
    let time = |text: Option<String>| {
        let at: jiff::Timestamp = text?.parse().ok()?;
        u64::try_from(at.as_millisecond()).ok().filter(|at| *at > 0)
    };
    let started_ms = time(state.started_at);
    Details {
        image: container
            .config
            .and_then(|config| config.image)
            .unwrap_or_default(),
        started_ms,
        finished_ms: time(state.finished_at),
        exit_code: state
            .exit_code
            .filter(|_| !runs && started_ms.is_some())
            .and_then(|code| i32::try_from(code).ok()),
        oom_killed: state.oom_killed.unwrap_or(false),
        restart_count: container
            .restart_count
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(0),
    }
}

/// Returns the name of a container that was inspected.
pub(super) fn name_of(container: &ContainerInspectResponse) -> Option<String> {
    let labels = container.config.as_ref()?.labels.as_ref()?;
    let own = || Some(container.name.as_ref()?.trim_start_matches('/').to_owned());
    labels.get(COMPOSE_SERVICE).cloned().or_else(own)
}
