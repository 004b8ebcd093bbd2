//! Ways to break PostgreSQL that only it has. What changes a server is a program in its container, so that the host can revert it
//! by itself.

use std::time::Duration;

use duress_sdk::deployment::{OfflineProgram, OfflinePrograms, Replacement};
use duress_sdk::faults::node_kill;
use duress_sdk::programs::LastingProgram;
use duress_sdk::schemars::{self, JsonSchema};
use duress_sdk::{Action, Change, Container, Error, Fault, NoParameters, Parameters, Place, Probe, Program, Result, Scene, Step};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::settings::{REPLICAS, SERVERS, Settings};
use crate::{access, server, wire};

/// Time limit for a statement, in milliseconds.
pub(crate) const STATEMENT: u64 = 5_000;
/// Time limit for a promotion, and for a new clone, in milliseconds.
const ROLE_CHANGE: u64 = 60_000;
/// Time limit for a program that works on the files of a server that is stopped.
const OFFLINE: Duration = Duration::from_secs(10);
/// Time limit for a server to start: after a crash it first repeats what it has logged.
const START: Duration = Duration::from_secs(30);
/// Where the servers' files lie.
const CLUSTER: &str = "/data/cluster";

pub(crate) fn all() -> Vec<Fault> {
    vec![
        replication_pause(),
        connection_exhaustion(),
        primary_kill(),
        replica_promote(),
        settings_change(),
        table_loss(),
        access::hba_lockout(),
        access::read_only(),
        access::idle_transaction(),
    ]
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

/// Which setting of a server is another.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SettingsChange {
    /// The setting, as `SHOW` names it.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_.]{0,62}$"))]
    name: String,
    /// Its value, as `SHOW` prints it.
    #[schemars(regex(pattern = r"^[A-Za-z0-9_.+-]{1,100}$"))]
    value: String,
}

impl Default for SettingsChange {
    fn default() -> Self {
        Self {
            name: "shared_buffers".into(),
            value: "1MB".into(),
        }
    }
}

impl Parameters for SettingsChange {}

/// A server runs with another setting, given when it starts, as after a deployment of the wrong configuration. A replica does not start
/// with less than its primary's `max_connections`: such a setting is for the primary.
fn settings_change() -> Fault {
    Fault::for_each(
        "settings_change",
        "Have a server run with another setting, given when it starts; cleanup starts it as it was.",
        |change: &SettingsChange, target, _| Ok(Step::new(with_setting(change, target))),
    )
    .on(SERVERS)
}

/// Which table loses its file.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableLoss {
    /// The table, in the database `postgres`. It must be there when the fault is injected.
    #[serde(default = "default_table")]
    #[schemars(regex(pattern = r"^[a-z_][a-z0-9_]{0,62}$"))]
    table: String,
}

fn default_table() -> String {
    "orders".into()
}

impl Parameters for TableLoss {}

/// The file of a table is gone, as after a mistake in the file system. It is moved away while the server is stopped: one that runs
/// keeps it open.
fn table_loss() -> Fault {
    Fault::for_each(
        "table_loss",
        "Move the file of a table away while the server is stopped, and start it again; cleanup moves it back.",
        |loss: &TableLoss, target, _| Ok(Step::new(lose(&loss.table, &file_of(&loss.table, &target.name)?, &target.name))),
    )
    .on(&["primary"])
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
        check: None,
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

/// The start script hands `SETTINGS` to the server.
fn with_setting(change: &SettingsChange, server: &Container) -> Replacement {
    let SettingsChange { name, value } = change;
    Replacement::new(server, format!("{} runs with {name} = {value}", server.name))
        .environment("SETTINGS", format!("-c {name}={value}"))
        .shown_by(
            Probe::Output((
                psql(&format!("SELECT 'is now ' || current_setting('{name}')"), STATEMENT),
                vec![format!("is now {value}\n")],
            )),
            START,
        )
}

/// Where a table lies, within the cluster's folder.
fn file_of(table: &str, server: &str) -> Result<String> {
    let settings = Settings::read()?;
    wire::ask(server, &settings, &format!("SELECT pg_relation_filepath('{table}')"))
}

/// Where nothing was moved, or it was moved back, there is nothing to move: `mv` exits 1, and the check sees the file.
fn lose(table: &str, file: &str, server: &str) -> OfflinePrograms {
    let file = format!("{CLUSTER}/{file}");
    let aside = format!("{file}.lost");
    let state =
        format!("SELECT CASE WHEN (pg_stat_file(pg_relation_filepath('{table}'), true)).size IS NULL THEN 'is lost' ELSE 'is there' END");
    OfflinePrograms {
        container: server.into(),
        summary: format!("the file of the table {table} of {server} is lost"),
        run: vec![OfflineProgram::new(&["mv", &file, &aside], OFFLINE)],
        run_on_revert: vec![OfflineProgram::new(&["mv", &aside, &file], OFFLINE).tolerating(1)],
        in_force: Some(Probe::Output((psql(&state, STATEMENT), vec!["is lost".into()]))),
        check: None,
        wait: Some(START),
    }
}

/// One statement as the superuser, over the container's own socket.
pub(crate) fn psql(statement: &str, timeout: u64) -> Program {
    program(&["psql", "--username=postgres", "--no-psqlrc", "-Atc", statement], timeout)
}

pub(crate) fn program(command: &[&str], timeout: u64) -> Program {
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
        assert!(
            matches!(&change.apply[..], [Action::Run(program)] if program.command.last().is_some_and(|sql| sql.contains("pg_promote")))
        );
    }
}
