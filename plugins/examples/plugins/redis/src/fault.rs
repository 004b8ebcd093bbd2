//! The fault `replica_detach`: a replica leaves its primary and takes writes itself, as after a failover that went wrong.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::duress::plugin::changes::{self, Action, Change, Place, Probe, Program};
use crate::duress::plugin::types::Error;
use crate::exports::duress::plugin::chaos::{Choice, FaultType, Guest, Problem, Request};

const DETACH: &str = "replica_detach";
/// The services whose containers are replicas, and the one that they follow, as the compose file names them.
const REPLICAS: &str = "replica*";
const PRIMARY: &str = "redis";
/// Where it listens.
const PORT: &str = "6379";
/// For one command, in milliseconds.
const LIMIT: u64 = 5_000;

/// What `inject` leaves for `cleanup`, which may run in another process.
#[derive(Debug, Serialize, Deserialize)]
struct Metadata {
    chaos_type: String,
    target_containers: Vec<String>,
    /// The host's ids of the changes that were made.
    changes: Vec<String>,
}

impl Guest for crate::Plugin {
    fn fault_types() -> Vec<FaultType> {
        vec![FaultType {
            name: DETACH.into(),
            summary: "Have a replica leave its primary and take writes itself; cleanup has it follow again.".into(),
            parameters: json!({ "type": "object", "properties": {}, "additionalProperties": false }).to_string(),
            requires: Vec::new(),
            services: vec![REPLICAS.into()],
            choice: Choice::ByHost,
        }]
    }

    fn check_parameters(_fault: String, _parameters: String) -> Vec<Problem> {
        Vec::new()
    }

    fn inject(request: Request) -> Result<String, Error> {
        if request.fault != DETACH {
            return Err(Error::Invalid(format!("there is no fault `{}`", request.fault)));
        }
        let mut metadata = Metadata {
            chaos_type: request.fault,
            target_containers: request.targets,
            changes: Vec::new(),
        };
        for target in &metadata.target_containers {
            metadata.changes.push(changes::apply(&detach(target))?);
        }
        serde_json::to_string(&metadata).map_err(|error| Error::Failed(format!("the metadata: {error}")))
    }

    fn cleanup(metadata: String) -> Result<(), Error> {
        let metadata: Metadata =
            serde_json::from_str(&metadata).map_err(|error| Error::Invalid(format!("the metadata: {error}")))?;
        for id in metadata.changes.iter().rev() {
            changes::revert(id)?;
        }
        Ok(())
    }
}

/// The way there and the way back. A replica that is restarted follows its primary by itself: its command line says so.
fn detach(target: &str) -> Change {
    Change {
        container: target.to_owned(),
        summary: format!("{target} leaves its primary"),
        apply: vec![Action::Run(redis_cli(&["replicaof", "no", "one"]))],
        revert: vec![Action::Run(redis_cli(&["replicaof", PRIMARY, PORT]))],
        in_force: Some(Probe::Output((redis_cli(&["info", "replication"]), vec!["role:master".into()]))),
    }
}

fn redis_cli(words: &[&str]) -> Program {
    let words = ["redis-cli"].iter().chain(words);
    Program {
        place: Place::Container,
        command: words.map(|&word| word.to_owned()).collect(),
        timeout: LIMIT,
        tolerated: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_leads_to_the_primary() {
        let change = detach("replica1");
        let words = |action: &Action| match action {
            Action::Run(program) => program.command.join(" "),
            other => panic!("{other:?}"),
        };
        assert_eq!(words(&change.apply[0]), "redis-cli replicaof no one");
        assert_eq!(words(&change.revert[0]), "redis-cli replicaof redis 6379");
    }
}
