//! `container_recreate`: a container runs with another command, environment or image, as after a deployment that went wrong.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts;
use crate::deployment::Replacement;
use crate::{Container, Fault, Parameters, Problem, Step};

/// What is different. At least one of these is needed.
#[derive(Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct ContainerRecreate {
    /// Variables of the environment; `null` removes one.
    #[schemars(length(max = 100))]
    pub environment: BTreeMap<String, Option<String>>,
    /// Another command, as `command` in a compose file: a list of arguments.
    #[schemars(length(min = 1, max = 100))]
    pub command: Option<Vec<String>>,
    /// Another image, which must be on the engine's machine: none is pulled.
    #[schemars(length(min = 1, max = 255))]
    pub image: Option<String>,
}

impl Parameters for ContainerRecreate {
    fn problems(&self) -> Vec<Problem> {
        if !self.environment.is_empty() || self.command.is_some() || self.image.is_some() {
            return Vec::new();
        }
        vec![Problem {
            pointer: String::new(),
            message: "changes nothing: give it `environment`, `command` or `image`".into(),
        }]
    }
}

/// Returns the fault.
pub fn fault() -> Fault {
    Fault::for_each(
        "container_recreate",
        "Replace a container by one with another command, environment or image; cleanup brings the first one back.",
        |wanted: &ContainerRecreate, target, _| Ok(replace(wanted, target)),
    )
}

fn replace(wanted: &ContainerRecreate, target: &Container) -> Step {
    let mut replacement = Replacement::new(target, format!("{} is made otherwise", target.name));
    replacement.command.clone_from(&wanted.command);
    replacement.image.clone_from(&wanted.image);
    replacement.environment = wanted.environment.clone().into_iter().collect();
    let facts = facts! { "target_container": target.name, "image": wanted.image, "command": wanted.command };
    Step {
        facts,
        changes: vec![replacement.into()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_that_changes_nothing_is_refused() {
        assert_eq!(ContainerRecreate::default().problems().len(), 1);
        let unset = ContainerRecreate {
            environment: [("A".to_owned(), None)].into(),
            ..ContainerRecreate::default()
        };
        assert!(unset.problems().is_empty());
    }
}
