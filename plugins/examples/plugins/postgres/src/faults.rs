//! Ways to break PostgreSQL that only it has. What changes a server is a program in its container, so that the host can revert it
//! by itself.

use duress_sdk::faults::node_kill;
use duress_sdk::programs::LastingProgram;
use duress_sdk::{Action, Change, Error, Fault, NoParameters, Place, Probe, Program, Result, Scene, Step};

use serde_json::{Map, Value};

use crate::server;
use crate::settings::{REPLICAS, SERVERS, Settings};

/// Time limit for a statement, in milliseconds.
const STATEMENT: u64 = 5_000;
/// Time limit for a promotion, and for a new clone, in milliseconds.
const ROLE_CHANGE: u64 = 60_000;

pub(crate) fn all() -> Vec<Fault> {
    vec![replication_pause(), connection_exhaustion(), primary_kill(), replica_promote()]
}

/// A replica receives what the primary writes, and does not apply it.
fn replication_pause() -> Fault {
    Fault::for_each(
        "replication_pause",
        "Have a replica stop applying what its primary writes; cleanup has it go on.",
        |_: &NoParameters, target, _| Ok(step(pause(&target.name))),
    )
    .on(REPLICAS)
}

/// A server has no connection left for its clients, as when an application leaks them.
fn connection_exhaustion() -> Fault {
    Fault::for_each(
        "connection_exhaustion",
        "Hold a server's connections until none is left for its clients; cleanup closes them.",
        |_: &NoParameters, target, _| {
            Ok(Step {
                facts: facts(&target.name),
                changes: vec![exhaust(&target.name).into()],
            })
        },
    )
    .on(SERVERS)
}

/// Returns the server that takes writes dies, whichever it is.
fn primary_kill() -> Fault {
    Fault::new(
        "primary_kill",
        "Kill the server that takes writes with SIGKILL; cleanup starts it again.",
        |_: NoParameters, scene| Ok(vec![node_kill::kill(&primary(scene)?)]),
    )
    .on(SERVERS)
    .choosing()
}

/// A replica takes writes itself while the primary goes on: two servers that both believe to be the primary.
fn replica_promote() -> Fault {
    Fault::for_each(
        "replica_promote",
        "Promote a replica while its primary goes on (split brain); cleanup makes it a replica again, cloned from the primary anew.",
        |_: &NoParameters, target, _| Ok(step(promote(&target.name))),
    )
    .on(REPLICAS)
}

fn primary(scene: &Scene) -> Result<String> {
    let settings = Settings::read()?;
    let is_primary = |name: &String| server::ask(name, &settings).is_ok_and(|status| status.is_primary);
    let mut names = scene.targets.iter().map(|target| target.name.clone());
    names
        .find(is_primary)
        .ok_or_else(|| Error::Unavailable("none of the targets says that it takes writes".into()))
}

fn facts(target: &str) -> Map<String, Value> {
    [("target_container".to_owned(), target.into())].into_iter().collect()
}

fn step(change: Change) -> Step {
    Step {
        facts: facts(&change.container),
        changes: vec![change.into()],
    }
}

/// A replica that was promoted or restarted meanwhile has nothing to resume.
fn pause(replica: &str) -> Change {
    let resume = "DO $$ BEGIN IF pg_is_in_recovery() THEN PERFORM pg_wal_replay_resume(); END IF; END $$";
    let state = "SELECT CASE WHEN NOT pg_is_in_recovery() THEN 'no replica' \
                 WHEN pg_get_wal_replay_pause_state() = 'paused' THEN 'stands still' ELSE 'goes on' END";
    Change {
        container: replica.into(),
        summary: format!("{replica} does not apply what its primary writes"),
        apply: vec![Action::Run(psql("SELECT pg_wal_replay_pause()", STATEMENT))],
        revert: vec![Action::Run(psql(resume, STATEMENT))],
        in_force: Some(Probe::Output((psql(state, STATEMENT), vec!["stands still".into()]))),
    }
}

/// One session that opens more and more connections (dblink), and takes every one that becomes free. The server ends it, and with it
/// all of them, as soon as it sees that its client is gone. What is reserved for the superuser is left, so that the host can look.
fn exhaust(server: &str) -> LastingProgram {
    let notice_the_end = "SET client_connection_check_interval = '500ms'";
    let hold = "DO $$ DECLARE held int := 0; BEGIN LOOP \
                BEGIN PERFORM dblink_connect('held' || held, 'dbname=postgres user=probe'); held := held + 1; \
                EXCEPTION WHEN OTHERS THEN PERFORM pg_sleep(0.1); END; END LOOP; END $$";
    // The session that asks has one of the reserved ones.
    let left = "SELECT CASE WHEN count(*) > current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int \
                THEN 'none is free' ELSE 'some are free' END FROM pg_stat_activity WHERE backend_type = 'client backend'";
    let command = ["psql", "--username=postgres", "--no-psqlrc", "-c", notice_the_end, "-c", hold];
    LastingProgram {
        container: server.into(),
        summary: format!("{server} has no connection left for its clients"),
        command: command.map(str::to_owned).into(),
        in_force: Some(Probe::Output((psql(left, STATEMENT), vec!["none is free".into()]))),
    }
}

/// It is reverted by the container's own `rejoin`: a server that was promoted can follow again only from a new clone.
fn promote(replica: &str) -> Change {
    let promote = format!("SELECT pg_promote(true, {})", ROLE_CHANGE / 1000);
    let role = "SELECT CASE WHEN pg_is_in_recovery() THEN 'follows' ELSE 'takes writes' END";
    Change {
        container: replica.into(),
        summary: format!("{replica} takes writes itself"),
        apply: vec![Action::Run(psql(&promote, ROLE_CHANGE))],
        revert: vec![Action::Run(program(&["rejoin"], ROLE_CHANGE))],
        in_force: Some(Probe::Output((psql(role, STATEMENT), vec!["takes writes".into()]))),
    }
}

/// One statement as the superuser, over the container's own socket.
fn psql(statement: &str, timeout: u64) -> Program {
    program(&["psql", "--username=postgres", "--no-psqlrc", "-Atc", statement], timeout)
}

fn program(command: &[&str], timeout: u64) -> Program {
    Program {
        place: Place::Container,
        command: command.iter().map(|&word| word.to_owned()).collect(),
        timeout,
        tolerated: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_back_of_a_promotion_is_to_follow_again() {
        let change = promote("replica");
        assert_eq!(change.revert, [Action::Run(program(&["rejoin"], ROLE_CHANGE))]);
        assert!(matches!(&change.apply[..], [Action::Run(program)] if program.command.last().is_some_and(|sql| sql.contains("pg_promote"))));
    }
}
