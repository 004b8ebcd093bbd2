//! Containers that duress did not make: found, and what is made beside them labelled.

use std::collections::{BTreeMap, HashMap};
use std::sync::PoisonError;

use bollard::models::ContainerSummary;

use super::Docker;
use super::listing::{COMPOSE_PROJECT, own_name};
use duress_engine::{ContainerId, EngineResult, LABEL_PROJECT, Project, Selection};

/// For each container that a run attaches to, the labels of the run.
pub(super) type Adopted = HashMap<ContainerId, HashMap<String, String>>;

impl Docker {
    /// See [`duress_engine::Stacks::adopt`].
    pub(super) async fn adopt_selected(
        &self,
        project: &Project,
        labels: &BTreeMap<String, String>,
    ) -> EngineResult<()> {
        let Some(selection) = project.selection() else {
            return Ok(());
        };
        let labels: HashMap<_, _> = labels.clone().into_iter().collect();
        let selected = self.selected(&selection).await?;
        let ids = selected.into_iter().filter_map(|summary| summary.id);
        let mut adopted = self.adopted.lock().unwrap_or_else(PoisonError::into_inner);
        adopted.extend(ids.map(|id| (ContainerId(id), labels.clone())));
        Ok(())
    }

    /// Returns the labels for what is made beside a container, where it belongs to a system that duress attached to.
    pub(super) fn adopted_labels(&self, id: &ContainerId) -> Option<HashMap<String, String>> {
        let adopted = self.adopted.lock().unwrap_or_else(PoisonError::into_inner);
        adopted.get(id).cloned()
    }

    /// Returns the containers that somebody means, without those that duress made.
    pub(super) async fn selected(
        &self,
        selection: &Selection,
    ) -> EngineResult<Vec<ContainerSummary>> {
        let mut found = match selection {
            Selection::Project(name) => {
                self.summaries(&format!("{COMPOSE_PROJECT}={name}")).await?
            }
            Selection::Labels(labels) => {
                let filters = HashMap::from([("label".to_owned(), labels.clone())]);
                self.filtered(filters).await?
            }
            Selection::Containers(names) => {
                // The engine's own filter finds whatever has a name within its name.
                let mut all = self.filtered(HashMap::new()).await?;
                all.retain(|summary| own_name(summary).is_some_and(|name| names.contains(&name)));
                all
            }
        };
        found.retain(|summary| {
            let labels = summary.labels.as_ref();
            labels.is_none_or(|labels| !labels.contains_key(LABEL_PROJECT))
        });
        Ok(found)
    }
}
