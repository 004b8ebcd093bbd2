//! The blast radius: which containers a trial's fault may take. The host picks, from the trial's seed, so that it can be repeated.

use super::{Failed, Run};
use duress_engine::{Container, Health, State};
use duress_model::{Error, FaultType, Outcome, PlannedFault, Services};

impl Run<'_> {
    /// Running containers that the subject, the campaign and the fault all allow, by name.
    pub(super) async fn candidates(
        &self,
        fault: &FaultType,
        planned: &PlannedFault,
    ) -> Result<Vec<String>, Failed> {
        let Some(engine) = &self.context.engine else {
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

    /// How many of the candidates a fault may hurt: a share of those that run now, or the campaign's number.
    pub(super) fn count(
        &self,
        candidates: &[String],
        planned: &PlannedFault,
    ) -> Result<u32, Failed> {
        // Without an engine there are no containers to choose from, and none is hurt.
        if candidates.is_empty() {
            return Ok(0);
        }
        let there = candidates.len();
        let Some(percent) = planned.target_percent else {
            let count = planned.target_count;
            // Fewer would be another experiment.
            if there < count as usize {
                return Err(Failed::new(
                    Outcome::Failed,
                    Error::failed(format!(
                        "`target_count` is {count}, and {there} running containers may be hurt: {}",
                        candidates.join(", ")
                    ))
                    .hint("lower `target_count`, or widen `targets` in the campaign and in subject.yaml"),
                ));
            }
            return Ok(count);
        };
        let count = share_of(there, percent);
        if count == 0 {
            return Err(Failed::new(
                Outcome::Failed,
                Error::failed(format!(
                    "{percent} % of {there} running containers ({}) is less than one, and never more are hurt than asked",
                    candidates.join(", ")
                ))
                .hint(format!("one of {there} is {} %", smallest_share(there))),
            ));
        }
        self.observer.note(format!(
            "{percent} % of {there} running containers: {count} (rounded down)"
        ));
        Ok(count)
    }

    /// So many of the candidates, by the trial's seed, in their order.
    pub(super) fn pick(&self, mut candidates: Vec<String>, count: u32) -> Vec<String> {
        let mut random = self
            .scope
            .random
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        while candidates.len() > count as usize {
            let unlucky = random.below(candidates.len());
            candidates.remove(unlucky);
        }
        candidates
    }

    /// Refuses a fault that would leave fewer healthy containers than the campaign wants. Whichever is hurt may be a healthy one.
    pub(super) async fn check_left_healthy(
        &self,
        candidates: &[String],
        count: u32,
        planned: &PlannedFault,
    ) -> Result<(), Failed> {
        let Some(engine) = self
            .context
            .engine
            .as_ref()
            .filter(|_| planned.keep_healthy > 0)
        else {
            return Ok(());
        };
        let containers = self
            .unless_cancelled(engine.containers(&self.scope.project))
            .await?
            .map_err(|error| Failed::new(Outcome::Environment, Error::from(error)))?;
        let healthy: Vec<_> = containers
            .iter()
            .filter(|one| candidates.contains(&one.name) && is_healthy(one))
            .map(|one| one.name.as_str())
            .collect();
        let left = healthy.len().saturating_sub(count as usize);
        if left >= planned.keep_healthy as usize {
            return Ok(());
        }
        Err(Failed::new(
            Outcome::Environment,
            Error::failed(format!(
                "`keep_healthy` is {}: `{}` would hurt {count} of {} healthy containers ({}) and leave {left}",
                planned.keep_healthy,
                planned.name,
                healthy.len(),
                shown_names(&healthy)
            ))
            .hint("hurt fewer, or wait until more are healthy"),
        ))
    }
}

/// Running, and not told otherwise by its health check.
fn is_healthy(container: &Container) -> bool {
    let is_well = matches!(container.health, Health::None | Health::Healthy);
    container.state == State::Running && is_well
}

/// Returns a share of a number of containers, rounded down.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "containers of a stack are far fewer than 2^31, and a share is from 0 to 100"
)]
fn share_of(there: usize, percent: f64) -> u32 {
    // 29 % of 100 is 28.999999999999996.
    (there as f64 * percent / 100.0 + 1e-9).floor() as u32
}

/// Returns the least share of a number of containers that is one of them, in whole percent.
fn smallest_share(there: usize) -> usize {
    100_usize.div_ceil(there.max(1))
}

fn shown_names(names: &[&str]) -> String {
    match names {
        [] => "none".to_owned(),
        names => names.join(", "),
    }
}

fn shown(services: &[String], without: &str) -> String {
    if services.is_empty() {
        without.to_owned()
    } else {
        services.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_never_more_than_was_asked_for() {
        for (there, percent, count) in [
            (10, 30.0, 3),
            (10, 39.9, 3),
            (3, 33.0, 0),
            (3, 34.0, 1),
            (100, 29.0, 29),
            (7, 100.0, 7),
            (1, 99.0, 0),
        ] {
            assert_eq!(share_of(there, percent), count, "{percent} % of {there}");
        }
        for there in 1..60 {
            #[expect(clippy::cast_precision_loss, reason = "small numbers")]
            let least = smallest_share(there) as f64;
            assert_eq!(share_of(there, least), 1, "{least} % of {there}");
        }
    }
}
