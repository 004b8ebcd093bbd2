//! `scale`: a service has more containers than it should, or fewer.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts;
use crate::deployment::Scaling;
use crate::{Container, Error, Fault, Parameters, Result, Scene, Step, host};

/// To how many.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Scale {
    /// How many containers the service has while the fault is in force.
    #[schemars(range(max = 20))]
    pub replicas: u32,
    /// The service; if absent, one of those that may be changed, from the trial's seed.
    pub service: Option<String>,
}

impl Parameters for Scale {}

/// Returns the fault.
pub fn fault() -> Fault {
    Fault::new(
        "scale",
        "Give a service another number of containers; cleanup gives it those that it had. `target_count` must cover all that are stopped.",
        |scale: Scale, scene| Ok(vec![plan(&scale, scene)?]),
    )
    .choosing()
}

fn plan(scale: &Scale, scene: &Scene) -> Result<Step> {
    let service = match &scale.service {
        Some(service) => named(service, &scene.targets)?,
        None => one_of(&scene.targets, host::random())?,
    };
    let replicas = scale.replicas;
    let change = Scaling::new(
        service,
        replicas,
        format!("{service} has {replicas} containers"),
    );
    Ok(Step {
        facts: facts! { "service": service, "replicas": replicas },
        changes: vec![change.into()],
    })
}

fn services(targets: &[Container]) -> Vec<&str> {
    let mut services: Vec<&str> = targets.iter().map(|one| one.service.as_str()).collect();
    services.sort_unstable();
    services.dedup();
    services
}

fn named<'a>(service: &'a str, targets: &[Container]) -> Result<&'a str> {
    let services = services(targets);
    match services.contains(&service) {
        true => Ok(service),
        false => Err(Error::Invalid(format!(
            "the service `{}` may not be changed, or does not run; those that may: {}",
            service.escape_debug(),
            services.join(", ")
        ))),
    }
}

fn one_of(targets: &[Container], random: u64) -> Result<&str> {
    let services = services(targets);
    let count = services.len().max(1) as u64;
    let chosen = services.get((random % count) as usize);
    chosen
        .copied()
        .ok_or_else(|| Error::Invalid("no service to scale".into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::faults::container;

    #[test]
    fn a_service_is_named_or_drawn() {
        let targets = [
            container("one", &[]),
            container("two", &[]),
            container("two", &[]),
        ];
        assert_eq!(named("two", &targets).ok(), Some("two"));
        assert!(named("three", &targets).is_err());
        let drawn: Vec<_> = (0..3).map(|random| one_of(&targets, random).ok()).collect();
        assert_eq!(drawn, [Some("one"), Some("two"), Some("one")]);
        assert!(one_of(&[], 7).is_err());
    }
}
