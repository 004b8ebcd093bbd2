//! What tells whether somebody else touched a stack, or the engine itself.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::EventsOptions;
use futures::StreamExt as _;
use futures::future::join_all;
use tokio::time::Instant;

use super::Docker;
use super::listing::{named, network_prefix, state_of};
use duress_engine::{
    Attachment, ContainerId, Daemon as _, EngineError, EngineResult, Project, Snapshot, State,
};

/// A stream of events that ends sooner than this has never worked.
const STREAM_MINIMUM: Duration = Duration::from_secs(1);

impl Docker {
    /// A snapshot of each container of a stack, by name.
    pub(super) async fn look_at(&self, project: &Project) -> EngineResult<Vec<Snapshot>> {
        let summaries = self.in_place(project).await?;
        let each = summaries.into_iter().filter_map(|summary| {
            let name = named(project, &summary)?.name;
            let id = ContainerId(summary.id?);
            Some(async move {
                match self.inspect(&id).await {
                    Ok(found) => Ok(Some(snapshot(project, id, name, found))),
                    // It was removed between the two questions.
                    Err(EngineError::Gone(_)) => Ok(None),
                    Err(error) => Err(error),
                }
            })
        });
        let found: EngineResult<Vec<_>> = join_all(each).await.into_iter().collect();
        let mut found: Vec<_> = found?.into_iter().flatten().collect();
        found.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(found)
    }

    /// Waits until the engine ends. It is heard by a stream that only the engine's own end closes: it carries the engine's few words
    /// about itself.
    pub(super) async fn until_end(&self) {
        let began = Instant::now();
        let filters = HashMap::from([("type".to_owned(), vec!["daemon".to_owned()])]);
        let options = EventsOptions {
            filters: Some(filters),
            ..EventsOptions::default()
        };
        let mut events = self.api.events(Some(options));
        while let Some(Ok(_)) = events.next().await {}
        if began.elapsed() < STREAM_MINIMUM && self.ping().await.is_ok() {
            // This engine offers no such stream.
            std::future::pending::<()>().await;
        }
    }
}

fn snapshot(
    project: &Project,
    id: ContainerId,
    name: String,
    found: ContainerInspectResponse,
) -> Snapshot {
    let state = state_of(&found);
    let runs = matches!(state, State::Running | State::Paused);
    let prefix = network_prefix(project);
    let networks = found.network_settings.and_then(|own| own.networks);
    let mut attachments = BTreeMap::new();
    for (network, endpoint) in networks.into_iter().flatten().filter(|_| runs) {
        let network = network.strip_prefix(&prefix).unwrap_or(&network).to_owned();
        let attachment = Attachment {
            endpoint: endpoint.endpoint_id.unwrap_or_default(),
            address: endpoint.ip_address.unwrap_or_default(),
        };
        attachments.insert(network, attachment);
    }
    let life = found.state.unwrap_or_default();
    Snapshot {
        id,
        name,
        state,
        exit_code: life.exit_code.filter(|_| !runs),
        out_of_memory: life.oom_killed.unwrap_or_default(),
        started: life.started_at.unwrap_or_default(),
        restarts: found.restart_count.unwrap_or_default(),
        attachments,
    }
}
