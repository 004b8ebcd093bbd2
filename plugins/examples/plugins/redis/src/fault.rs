//! The fault `replica_detach`: a replica leaves its primary and takes writes itself, as after a failover that went wrong.

use std::time::Duration;

use duress_sdk::{Action, Change, Container, Fault, NoParameters, Probe, Program};

/// The services whose containers are replicas, and the one that they follow, as the compose file names them.
const REPLICAS: &str = "replica*";
const PRIMARY: &str = "redis";
/// Where it listens.
const PORT: &str = "6379";
/// Time limit for one command.
const COMMAND_LIMIT: Duration = Duration::from_secs(5);

/// Returns every fault.
pub(crate) fn all() -> Vec<Fault> {
    let detach = Fault::for_each(
        "replica_detach",
        "Have a replica leave its primary and take writes itself; cleanup has it follow again.",
        |_: &NoParameters, target, _| Ok(detach(target).into()),
    );
    vec![detach.on(&[REPLICAS])]
}

/// A replica that is restarted follows its primary by itself: its command line says so.
fn detach(target: &Container) -> Change {
    let shown = (redis_cli(&["info", "replication"]), vec!["role:master".into()]);
    Change::new(target, format!("{} leaves its primary", target.name))
        .apply(Action::Run(redis_cli(&["replicaof", "no", "one"])))
        .revert(Action::Run(redis_cli(&["replicaof", PRIMARY, PORT])))
        .shown_by(Probe::Output(shown))
}

fn redis_cli(words: &[&str]) -> Program {
    Program::in_container(&[&["redis-cli"], words].concat(), COMMAND_LIMIT)
}

#[cfg(test)]
mod tests {
    use duress_sdk::{ContainerHealth, ContainerState};

    use super::*;

    #[test]
    fn the_way_back_leads_to_the_primary() {
        let change = detach(&Container {
            name: "replica1".into(),
            service: "replica1".into(),
            state: ContainerState::Running,
            health: ContainerHealth::None,
            addresses: Vec::new(),
            targetable: true,
        });
        let words = |action: &Action| match action {
            Action::Run(program) => program.command.join(" "),
            other => panic!("{other:?}"),
        };
        assert_eq!(words(&change.apply[0]), "redis-cli replicaof no one");
        assert_eq!(words(&change.revert[0]), "redis-cli replicaof redis 6379");
    }
}
