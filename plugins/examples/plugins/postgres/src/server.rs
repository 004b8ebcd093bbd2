//! Each server's own status, or why it did not respond.

use duress_sdk::bindings::duress::plugin::containers::State;
use duress_sdk::{Container, Error, Result, containers};
use serde::{Deserialize, Serialize};

use crate::settings::{SERVERS, Settings};
use crate::wire;

/// One answer, so that all of it is of one moment.
const QUESTION: &str = "SELECT json_build_object(\
    'is_primary', NOT pg_is_in_recovery(), \
    'streams', CASE WHEN pg_is_in_recovery() \
        THEN (SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming') \
        ELSE (SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming') END, \
    'is_replay_paused', CASE WHEN pg_is_in_recovery() THEN pg_get_wal_replay_pause_state() <> 'not paused' ELSE false END, \
    'position', coalesce((CASE WHEN pg_is_in_recovery() \
        THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END) - '0/0', 0), \
    'connections', (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'), \
    'max_connections', current_setting('max_connections')::int)";

/// One server.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Server {
    /// Its container.
    pub(crate) name: String,
    /// Its status, or why it did not respond.
    pub(crate) said: Result<Status, String>,
}

/// What one server says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// It takes writes.
    pub(crate) is_primary: bool,
    /// As the primary: how many replicas stream from it. As a replica: whether it streams, 1 or 0.
    pub(crate) streams: u64,
    /// As a replica: it does not apply what it receives.
    pub(crate) is_replay_paused: bool,
    /// How much of the write-ahead log it has written or applied, in bytes.
    pub(crate) position: u64,
    /// How many clients are connected, the one that asks included.
    pub(crate) connections: u64,
    /// How many may be.
    pub(crate) max_connections: u64,
}

/// Asks every server of the stack.
pub(crate) fn ask_all(settings: &Settings) -> Result<Vec<Server>> {
    let stack = containers::list()?;
    let servers = containers::of_services(&stack, SERVERS);
    servers.map(|container| look(container, settings)).collect()
}

fn look(container: &Container, settings: &Settings) -> Result<Server> {
    let said = match container.state {
        State::Running | State::Paused => ask(&container.name, settings),
        _ => Err(Error::Unavailable(end_of(&container.name)?)),
    };
    let said = match said {
        // A refused permission does not describe the server.
        Err(error) if error.is_final() => return Err(error),
        said => said.map_err(|error| error.text()),
    };
    Ok(Server {
        name: container.name.clone(),
        said,
    })
}

/// Asks one server.
pub(crate) fn ask(container: &str, settings: &Settings) -> Result<Status> {
    let answer = wire::ask(container, settings, QUESTION)?;
    serde_json::from_str(&answer).map_err(|error| Error::Failed(format!("an answer of another form: {error}")))
}

/// Returns how a container that does not run came to its end.
fn end_of(container: &str) -> Result<String> {
    let details = containers::details(container)?;
    let code = details.exit_code.map_or("none".to_owned(), |code| code.to_string());
    let mut text = format!("it does not run (exit code {code})");
    if details.oom_killed {
        text.push_str(", for want of memory");
    }
    if let Some(line) = containers::logs(container, None, 1)?.pop() {
        text = format!("{text}; its last line: {}", line.text);
    }
    Ok(text)
}
