//! Changes that replace containers, beside other changes of the same containers.
//!
//! What was changed in a container is gone, or hidden, once the container is set aside. So a container in which something is changed is
//! not set aside; and what was changed in a container that a change has made is reverted before that change.

use super::JournalError;
use super::change::{Action, Change};
use duress_engine::Arrangement;
use duress_store::ChangeRow;

/// Draws the token of an arrangement. Never from a trial's seed: two trials on one engine must not share one.
pub fn draw_token() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

impl Change {
    /// Returns the arrangements that it makes.
    pub(super) fn arrangements(&self) -> impl Iterator<Item = &Arrangement> {
        self.apply.iter().filter_map(|action| match action {
            Action::Rearrange(arrangement) => Some(arrangement),
            _ => None,
        })
    }

    /// Returns whether it stops its container to run programs on the volumes.
    pub(super) fn is_offline(&self) -> bool {
        let is_offline = |action: &Action| matches!(action, Action::RunOffline { .. });
        self.apply.iter().any(is_offline)
    }

    /// Returns whether it stops containers in which nothing else may be changed then.
    fn stops(&self, other: &Self) -> bool {
        if self.is_offline() && self.container == other.container {
            return true;
        }
        self.arrangements().any(|own| {
            let scaled = other.arrangements().any(|one| one.scales == own.scales);
            own.aside.contains(&other.container) || own.scales.is_some() && scaled
        })
    }
}

/// Refuses a change that would stop a container in which another change may be in force.
pub(super) fn refuse_conflict<'a>(
    change: &Change,
    rows: &[ChangeRow],
    writing: impl Iterator<Item = &'a Change>,
) -> Result<(), JournalError> {
    let rows = rows.iter().filter_map(read);
    match rows
        .chain(writing.cloned())
        .find(|other| change.stops(other))
    {
        None => Ok(()),
        Some(other) => Err(JournalError::Refused(format!(
            "{}: refused, because another change is in force there: {}; revert that first",
            change.summary, other.summary
        ))),
    }
}

/// Returns changes that were made after this one in containers that it has made, newest first. `rows` are in the order in which they were made.
pub(super) fn later_in_copies(row: &ChangeRow, rows: &[ChangeRow]) -> Vec<ChangeRow> {
    let Some(change) = read(row) else {
        return Vec::new();
    };
    let names: Vec<&str> = change
        .arrangements()
        .flat_map(|one| one.copies.iter().map(|copy| copy.name.as_str()))
        .collect();
    let later = rows.iter().rev().take_while(|other| other.id != row.id);
    later
        .filter(|other| names.contains(&other.container_name.as_str()))
        .cloned()
        .collect()
}

fn read(row: &ChangeRow) -> Option<Change> {
    serde_json::from_value(row.change.clone()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use duress_engine::{ContainerCopy, ContainerId, Overrides, Project};

    fn change(id: &str, apply: Action, revert: Action) -> Change {
        Change {
            project: Project("duress-test".into()),
            container: ContainerId(id.into()),
            container_name: "one".into(),
            summary: format!("change {id}"),
            apply: vec![apply],
            revert: vec![revert],
            in_force: None,
            effect_wait_ms: None,
            http_hosts: Vec::new(),
        }
    }

    fn replace(id: &str) -> Change {
        let copy = ContainerCopy {
            of: ContainerId(id.into()),
            name: "one".into(),
            number: None,
            overrides: Overrides::default(),
        };
        let arrangement = Arrangement {
            token: "t".into(),
            scales: None,
            aside: vec![ContainerId(id.into())],
            copies: vec![copy],
        };
        change(id, Action::Rearrange(arrangement), Action::PutBack)
    }

    fn scale(service: &str) -> Change {
        let arrangement = Arrangement {
            token: "t".into(),
            scales: Some(service.into()),
            aside: Vec::new(),
            copies: Vec::new(),
        };
        change("template", Action::Rearrange(arrangement), Action::PutBack)
    }

    fn row(id: &str, change: &Change) -> ChangeRow {
        ChangeRow {
            id: id.into(),
            trial_id: "t".into(),
            host_id: "h".into(),
            container_name: change.container_name.clone(),
            summary: change.summary.clone(),
            change: serde_json::to_value(change).expect("JSON"),
            status: duress_store::ChangeStatus::InForce,
            error: None,
            created_at: 0,
            settled_at: None,
        }
    }

    #[test]
    fn a_container_in_which_something_is_changed_is_not_set_aside() {
        let pause = change("a", Action::Pause, Action::Unpause);
        let refused = |change: &Change, other: &Change| {
            refuse_conflict(change, &[row("1", other)], std::iter::empty()).is_err()
                && refuse_conflict(change, &[], std::iter::once(other)).is_err()
        };
        assert!(refused(&replace("a"), &pause));
        assert!(!refused(&replace("b"), &pause));
        assert!(refused(&scale("worker"), &scale("worker")));
        assert!(!refused(&scale("worker"), &scale("other")));
        let offline = Action::RunOffline {
            command: vec!["mv".into()],
            timeout_ms: 1,
            tolerated: Vec::new(),
        };
        assert!(refused(
            &change("a", offline.clone(), Action::Start),
            &pause
        ));
        assert!(!refused(&change("b", offline, Action::Start), &pause));
    }

    #[test]
    fn what_was_changed_in_a_copy_is_reverted_before_it() {
        let replaced = row("2", &replace("a"));
        let rows = [
            row("1", &change("b", Action::Pause, Action::Unpause)),
            replaced.clone(),
            row("3", &change("copy", Action::Pause, Action::Unpause)),
            row("4", &change("copy", Action::Pause, Action::Unpause)),
        ];
        let later = later_in_copies(&replaced, &rows);
        let ids: Vec<&str> = later.iter().map(|row| row.id.as_str()).collect();
        assert_eq!(ids, ["4", "3"]);
    }
}
