//! What a server says of replication: `INFO replication` (<https://redis.io/docs/latest/commands/info/>).

use std::time::Duration;

use duress_sdk::{Error, containers};

/// Time limit for one answer of one server.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Server {
    /// Its container.
    pub(crate) name: String,
    /// Its status, or why it did not respond.
    pub(crate) said: Result<Replication, String>,
}

/// What one server says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Replication {
    /// It takes writes.
    pub(crate) is_primary: bool,
    /// As a replica: it hears from its primary.
    pub(crate) link_is_up: bool,
    /// As a primary: how many replicas hear from it.
    pub(crate) replicas: u64,
    /// How much of the stream of writes it has, in bytes.
    pub(crate) offset: u64,
}

/// Asks every server of the stack.
pub(crate) fn ask_all() -> Result<Vec<Server>, Error> {
    let containers = containers::list()?;
    let ask = |name: String| Server {
        said: ask(&name),
        name,
    };
    Ok(containers.into_iter().map(|one| ask(one.name)).collect())
}

fn ask(container: &str) -> Result<Replication, String> {
    let command = ["redis-cli", "info", "replication"];
    let output = containers::exec(container, &command, ANSWER_LIMIT).map_err(|error| error.text())?;
    if output.exit_code != 0 {
        return Err(output.stderr.trim().to_owned());
    }
    read(&output.stdout).ok_or_else(|| format!("it says `{}`", output.stdout.trim()))
}

/// Lines of `name:value`.
fn read(answer: &str) -> Option<Replication> {
    let field = |name: &str| {
        let lines = answer.lines().filter_map(|line| line.split_once(':'));
        lines.into_iter().find(|(key, _)| *key == name).map(|(_, value)| value.trim())
    };
    let number = |name: &str| field(name).and_then(|value| value.parse().ok()).unwrap_or(0);
    let is_primary = match field("role")? {
        "master" => true,
        "slave" => false,
        _ => return None,
    };
    Some(Replication {
        is_primary,
        link_is_up: field("master_link_status") == Some("up"),
        replicas: number("connected_slaves"),
        offset: number("master_repl_offset"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_say_is_read() {
        let primary = "# Replication\r\nrole:master\r\nconnected_slaves:2\r\nmaster_repl_offset:84\r\n";
        let expected = Replication {
            is_primary: true,
            link_is_up: false,
            replicas: 2,
            offset: 84,
        };
        assert_eq!(read(primary), Some(expected));
        let replica = "role:slave\r\nmaster_host:redis\r\nmaster_link_status:up\r\nmaster_repl_offset:70\r\n";
        assert!(read(replica).is_some_and(|said| !said.is_primary && said.link_is_up && said.offset == 70));
        assert_eq!(read("LOADING Redis is loading the dataset in memory"), None);
    }
}
