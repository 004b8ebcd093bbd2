//! Limits of containers: what a container had is written down with the change, and several limits on one container compose.
//!
//! The tightest of the limits in force holds. Taking one back leaves the others; taking the last one back restores what was there
//! before the first, exactly. The component's own `revert` numbers are ignored.

use super::JournalError;
use super::act::Executor;
use super::change::{Action, Change};
use duress_engine::{ContainerId, EngineError, Limits, LimitsRecord};
use duress_store::ChangeRow;

impl Change {
    /// Returns the limits that it sets, of all its actions.
    pub(super) fn limits(&self) -> Option<Limits> {
        let limits = self.apply.iter().filter_map(|action| match action {
            Action::Limit(limits) => Some(*limits),
            _ => None,
        });
        limits.reduce(Limits::tightest)
    }

    /// Returns what its container had before, once that is written down.
    pub(super) fn limits_before(&self) -> Option<(&LimitsRecord, &Limits)> {
        self.revert.iter().find_map(|action| match action {
            Action::RestoreLimits { before, still } => Some((before, still)),
            _ => None,
        })
    }
}

/// Changes of limits on the same container that may be in force beside one.
fn others(container: &ContainerId, id: &str, rows: &[ChangeRow]) -> Vec<(Limits, Change)> {
    rows.iter()
        .filter(|row| row.id != id)
        .filter_map(|row| {
            let change: Change = serde_json::from_value(row.change.clone()).ok()?;
            (change.container == *container).then_some((change.limits()?, change))
        })
        .collect()
}

/// Puts what the container has into the `revert` of a change of limits. `rows` are the changes that may be in force.
pub(super) async fn write_down(
    executor: &Executor,
    change: &mut Change,
    rows: &[ChangeRow],
) -> Result<(), JournalError> {
    let Some(wanted) = change.limits() else {
        return Ok(());
    };
    let refused = |why: String| JournalError::Refused(format!("{}: {why}", change.summary));
    let now = executor
        .engine
        .limits_record(&change.container)
        .await
        .map_err(|error| match error {
            EngineError::Gone(_) => refused(format!("{} is gone", change.container_name)),
            other => refused(other.to_string()),
        })?;
    // What another change has limited was different before it.
    let before = others(&change.container, "", rows)
        .iter()
        .filter_map(|(kinds, other)| Some((kinds, other.limits_before()?.0)))
        .fold(now, |now, (kinds, earlier)| {
            now.with_earlier(earlier, kinds)
        });
    if let Some(why) = wanted.raised_over(&before.limits()) {
        return Err(refused(format!(
            "a limit must leave {} less than it has: {why}",
            change.container_name
        )));
    }
    for action in &mut change.revert {
        if matches!(action, Action::Limit(_)) {
            *action = Action::RestoreLimits {
                before,
                still: Limits::default(),
            };
        }
    }
    Ok(())
}

/// A change as it is made and reverted beside others: the tightest limit holds, and what others limit stays limited.
pub(super) fn composed(mut change: Change, id: &str, rows: &[ChangeRow]) -> Change {
    let Some(wanted) = change.limits() else {
        return change;
    };
    let others = others(&change.container, id, rows)
        .into_iter()
        .map(|(limits, _)| limits.of_kinds(&wanted))
        .reduce(Limits::tightest);
    let Some(others) = others else {
        return change;
    };
    for action in &mut change.apply {
        if let Action::Limit(limits) = action {
            *limits = limits.tightest(others.of_kinds(limits));
        }
    }
    for action in &mut change.revert {
        if let Action::RestoreLimits { still, .. } = action {
            *still = others;
        }
    }
    change
}

#[cfg(test)]
mod tests {
    use super::*;
    use duress_engine::Project;

    fn limit(cpus: f64) -> Change {
        let limits = Limits {
            cpus: Some(cpus),
            ..Limits::default()
        };
        Change {
            project: Project("duress-test".into()),
            container: ContainerId("c".into()),
            container_name: "c".into(),
            summary: "a test".into(),
            apply: vec![Action::Limit(limits)],
            revert: vec![Action::RestoreLimits {
                before: LimitsRecord::default(),
                still: Limits::default(),
            }],
            in_force: None,
            effect_wait_ms: None,
            http_hosts: Vec::new(),
        }
    }

    fn row(id: &str, change: &Change) -> ChangeRow {
        ChangeRow {
            id: id.into(),
            trial_id: "t".into(),
            host_id: "h".into(),
            container_name: "c".into(),
            summary: "a test".into(),
            change: serde_json::to_value(change).expect("JSON"),
            status: duress_store::ChangeStatus::InForce,
            error: None,
            created_at: 0,
            settled_at: None,
        }
    }

    #[test]
    fn taking_one_limit_back_leaves_the_other() {
        let (first, second) = (limit(0.5), limit(0.25));
        let rows = [row("1", &first), row("2", &second)];
        let still = |change: Change| change.limits_before().map(|(_, still)| still.cpus);
        let cpus = |change: &Change| change.limits().and_then(|limits| limits.cpus);
        assert_eq!(still(composed(first.clone(), "1", &rows)), Some(Some(0.25)));
        assert_eq!(still(composed(second.clone(), "2", &rows)), Some(Some(0.5)));
        // The last one restores what was there.
        assert_eq!(still(composed(second.clone(), "2", &rows[1..])), Some(None));
        // The tighter one holds while both are in force.
        assert_eq!(cpus(&composed(first, "1", &rows)), Some(0.25));
        assert_eq!(cpus(&composed(second, "2", &rows)), Some(0.25));
    }

    #[test]
    fn limits_of_another_kind_are_not_mixed_in() {
        let mut pids = limit(0.0);
        pids.apply = vec![Action::Limit(Limits {
            pids: Some(5),
            ..Limits::default()
        })];
        let rows = [row("1", &pids)];
        let composed = composed(limit(0.5), "2", &rows);
        assert_eq!(
            composed.limits_before().map(|(_, still)| *still),
            Some(Limits::default())
        );
        assert_eq!(composed.limits().and_then(|limits| limits.pids), None);
    }
}
