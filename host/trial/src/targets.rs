//! The blast radius: which containers a trial's fault may take. The host picks, from the trial's seed, so that it can be repeated.

use super::{Failed, Run};
use duress_engine::State;
use duress_model::{Error, FaultType, Outcome, PlannedFault, Services};

impl Run<'_> {
    /// Running containers that the subject, the campaign and the fault all allow, by name.
    pub(super) async fn candidates(
        &self,
        fault: &FaultType,
        planned: &PlannedFault,
    ) -> Result<Vec<String>, Failed> {
        let Some(engine) = &self.host.engine else {
            return Ok(Vec::new());
        };
        let allowed = self.allowed(fault, planned);
        let containers = self
            .unless_cancelled(engine.containers(&self.scope.project))
            .await?
            .map_err(|error| Failed::new(Outcome::Environment, Error::from(error)))?;
        let names: Vec<_> = containers
            .into_iter()
            .filter(|container| container.state == State::Running)
            .filter(|container| {
                allowed
                    .iter()
                    .all(|services| services.contains(&container.service))
            })
            .map(|container| container.name)
            .collect();
        if names.is_empty() {
            return Err(Failed::new(
                Outcome::Failed,
                Error::failed(format!(
                    "no running container of this stack may be hurt by `{}`: the subject allows {}, the fault takes {}",
                    fault.name,
                    shown(&self.trial.subject.manifest.targets, "none"),
                    shown(&fault.services, "any"),
                ))
                .hint("`targets` in subject.yaml and in the campaign say which services may be touched"),
            ));
        }
        Ok(names)
    }

    fn allowed(&self, fault: &FaultType, planned: &PlannedFault) -> Vec<Services> {
        let mut allowed = vec![Services::new(self.trial.subject.manifest.targets.clone())];
        let narrowed = [&planned.targets, &fault.services];
        allowed.extend(
            narrowed
                .into_iter()
                .filter(|list| !list.is_empty())
                .cloned()
                .map(Services::new),
        );
        allowed
    }

    /// As many of the candidates as the campaign says, in their order. Fewer would be another experiment.
    pub(super) fn pick(
        &self,
        mut candidates: Vec<String>,
        count: u32,
    ) -> Result<Vec<String>, Failed> {
        // Without an engine there are no containers to choose from, and none is hurt.
        if !candidates.is_empty() && candidates.len() < count as usize {
            return Err(Failed::new(
                Outcome::Failed,
                Error::failed(format!(
                    "`target_count` is {count}, and {} running containers may be hurt: {}",
                    candidates.len(),
                    candidates.join(", ")
                ))
                .hint(
                    "lower `target_count`, or widen `targets` in the campaign and in subject.yaml",
                ),
            ));
        }
        let mut random = self
            .scope
            .random
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        while candidates.len() > count as usize {
            let unlucky = random.below(candidates.len());
            candidates.remove(unlucky);
        }
        Ok(candidates)
    }
}

fn shown(services: &[String], without: &str) -> String {
    if services.is_empty() {
        without.to_owned()
    } else {
        services.join(", ")
    }
}
