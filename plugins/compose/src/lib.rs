//! The subject of which only its compose file is known: it is up when the containers say so, by their state and by the health checks
//! that the compose file or their images give them. It brings no faults of its own; the general ones apply to it.

use std::time::Duration;

use duress_sdk::{
    Container, ContainerHealth, ContainerState, Error, Fault, HealthReport, Metric, Result, State,
    Subject, containers, settings, stack, wait_until,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// Pause between two looks at a stack that comes up.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The settings, as `subject.yaml` gives them.
#[derive(Debug, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Settings {
    /// Time limit for the engine to start the stack, or to remove it.
    stack_seconds: u64,
    /// Time limit for every container to be healthy once the stack has started.
    healthy_seconds: u64,
    /// Services that end by themselves, each a name or a beginning with `*` behind it: a migration, say.
    one_shot: Vec<String>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            stack_seconds: 120,
            healthy_seconds: 120,
            one_shot: Vec::new(),
        }
    }
}

/// The subject.
pub struct Compose;

impl Subject for Compose {
    fn reset() -> Result<()> {
        let settings: Settings = settings()?;
        let limit = settings.stack_seconds.saturating_mul(1_000);
        stack::down(limit)?;
        stack::up(limit)?;
        let limit = Duration::from_secs(settings.healthy_seconds);
        wait_until(
            "waited for healthy containers",
            limit,
            POLL_INTERVAL,
            || {
                let report = judge(&containers::list()?, &settings.one_shot);
                match report.healthy {
                    true => Ok(()),
                    false => Err(Error::Unavailable(report.detail)),
                }
            },
        )
    }

    fn health() -> Result<HealthReport> {
        let settings: Settings = settings()?;
        Ok(judge(&containers::list()?, &settings.one_shot))
    }

    fn capture_state() -> Result<State> {
        let settings: Settings = settings()?;
        Ok(state(&containers::list()?, &settings.one_shot))
    }

    fn faults() -> Vec<Fault> {
        Vec::new()
    }
}

/// Returns whether a container does what it should, or what it does instead.
fn trouble(container: &Container, one_shot: &[String]) -> Option<String> {
    let may_end = containers::is_meant(&container.service, one_shot);
    let is = |what: &str| Some(format!("{} {what}", container.name));
    match (container.state, container.health) {
        (ContainerState::Exited, _) if may_end => None,
        (ContainerState::Running, ContainerHealth::None | ContainerHealth::Healthy) => None,
        (ContainerState::Running, ContainerHealth::Starting) => {
            is("runs, and its health check has not passed yet")
        }
        (ContainerState::Running, ContainerHealth::Unhealthy) => {
            is("runs, and its health check fails")
        }
        (ContainerState::Created, _) => is("has not started yet"),
        (ContainerState::Paused, _) => is("is paused"),
        (ContainerState::Restarting, _) => is("is restarting"),
        (ContainerState::Exited, _) => is("has exited"),
        (ContainerState::Dead, _) => is("is dead"),
    }
}

fn judge(containers: &[Container], one_shot: &[String]) -> HealthReport {
    let troubles: Vec<_> = containers
        .iter()
        .filter_map(|container| trouble(container, one_shot))
        .collect();
    let number = containers.len();
    HealthReport {
        healthy: number > 0 && troubles.is_empty(),
        detail: match troubles.is_empty() {
            true => format!("{number} of {number} containers are well"),
            false => troubles.join("; "),
        },
    }
}

fn state(containers: &[Container], one_shot: &[String]) -> State {
    let described = containers.iter().map(|container| {
        let word = |debug: String| debug.to_lowercase();
        json!({
            "name": container.name,
            "state": word(format!("{:?}", container.state)),
            "health": word(format!("{:?}", container.health)),
        })
    });
    let document = json!({ "containers": described.collect::<Value>() });
    let count = |fit: &dyn Fn(&Container) -> bool| {
        let number = containers.iter().filter(|container| fit(container)).count();
        u32::try_from(number).unwrap_or(u32::MAX)
    };
    let metric = |name: &str, value: u32| Metric {
        name: name.into(),
        value: f64::from(value),
        unit: "1".into(),
    };
    State {
        document: document.to_string(),
        metrics: vec![
            metric(
                "containers_running",
                count(&|one| one.state == ContainerState::Running),
            ),
            metric(
                "containers_well",
                count(&|one| trouble(one, one_shot).is_none()),
            ),
        ],
    }
}

duress_sdk::export_subject!(Compose);

#[cfg(test)]
mod tests {
    use super::*;

    fn container(name: &str, state: ContainerState, health: ContainerHealth) -> Container {
        Container {
            name: name.into(),
            service: name.into(),
            state,
            health,
            addresses: Vec::new(),
            targetable: true,
        }
    }

    #[test]
    fn a_stack_is_healthy_while_every_container_runs_and_no_check_fails() {
        let checked = |health| [container("web", ContainerState::Running, health)];
        assert!(judge(&checked(ContainerHealth::None), &[]).healthy);
        assert!(judge(&checked(ContainerHealth::Healthy), &[]).healthy);
        for health in [ContainerHealth::Starting, ContainerHealth::Unhealthy] {
            assert!(!judge(&checked(health), &[]).healthy);
        }
        for state in [
            ContainerState::Created,
            ContainerState::Paused,
            ContainerState::Restarting,
            ContainerState::Exited,
            ContainerState::Dead,
        ] {
            let report = judge(&[container("web", state, ContainerHealth::None)], &[]);
            assert!(!report.healthy, "{}", report.detail);
            assert!(report.detail.starts_with("web "), "{}", report.detail);
        }
        assert!(!judge(&[], &[]).healthy, "nothing is not healthy");
    }

    #[test]
    fn a_one_shot_service_may_have_ended_and_no_other() {
        let containers = [
            container("web", ContainerState::Running, ContainerHealth::None),
            container("migrate", ContainerState::Exited, ContainerHealth::None),
        ];
        assert!(judge(&containers, &["migr*".into()]).healthy);
        let report = judge(&containers, &[]);
        assert_eq!(report.detail, "migrate has exited");
        let state = state(&containers, &["migrate".into()]);
        let values: Vec<_> = state.metrics.iter().map(|metric| metric.value).collect();
        assert_eq!(values, [1.0, 2.0]);
    }
}
