//! Faults of what clients may do: a file that is replaced, and values that are compared with those before the change.

use duress_sdk::programs::LastingProgram;
use duress_sdk::{
    Action, Change, Check, CheckedChange, Condition, Fault, FileReplacement, NoParameters, Value as Watched,
};

use crate::faults::{STATEMENT, program, psql};
use crate::settings::SERVERS;

/// A server refuses every client from the network, as after a wrong line in `pg_hba.conf`.
pub(crate) fn hba_lockout() -> Fault {
    Fault::for_each(
        "hba_lockout",
        "Replace pg_hba.conf, so that a server refuses every new client connection by TCP; cleanup restores the file.",
        |_: &NoParameters, target, _| Ok(lock_out(&target.name).into()),
    )
    .on(SERVERS)
}

/// A primary takes no writes, as after a setting was changed by mistake.
pub(crate) fn read_only() -> Fault {
    Fault::for_each(
        "read_only",
        "Make new transactions of a server read-only; cleanup resets the setting.",
        |_: &NoParameters, target, _| Ok(forbid_writes(&target.name).into()),
    )
    .on(SERVERS)
}

/// A transaction stays open, as when an application forgets to end it: nothing is vacuumed meanwhile.
pub(crate) fn idle_transaction() -> Fault {
    Fault::for_each(
        "idle_transaction",
        "Leave a transaction open that holds a snapshot; cleanup ends it.",
        |_: &NoParameters, target, _| Ok(leave_open(&target.name).into()),
    )
    .on(SERVERS)
}

/// The superuser keeps the container's own socket, by which the host has the file read again; replication goes on.
const LOCKED: &str = "local all postgres trust\nhost replication replicator samenet trust\n";
/// Where the subject's compose file puts the cluster.
const HBA: &str = "/data/cluster/pg_hba.conf";

fn lock_out(server: &str) -> FileReplacement {
    // A client of the network: it exits 0 once it was let in.
    let client = ["psql", "--host=127.0.0.1", "--username=probe", "--no-psqlrc", "-Atc", "SELECT 1", "postgres"];
    let is_let_in = Watched::ExitCode(program(&client, STATEMENT));
    FileReplacement::new(server, format!("{server} refuses clients from the network"), HBA, LOCKED)
        .notify(Action::Run(psql("SELECT pg_reload_conf()", STATEMENT)))
        .compared_by(Check::new(is_let_in, Condition::Differs))
}

/// The setting is what it was before, whatever that is, once the line that the change has added is gone.
fn forbid_writes(server: &str) -> CheckedChange {
    let set = |statement: &str| {
        let reload = "SELECT pg_reload_conf()";
        Action::Run(program(&["psql", "--username=postgres", "--no-psqlrc", "-Atc", statement, "-c", reload], STATEMENT))
    };
    let setting = Watched::Output(psql("SHOW default_transaction_read_only", STATEMENT));
    let change = Change {
        container: server.into(),
        summary: format!("{server} takes no writes"),
        apply: vec![set("ALTER SYSTEM SET default_transaction_read_only = on")],
        revert: vec![set("ALTER SYSTEM RESET default_transaction_read_only")],
        in_force: None,
    };
    change.compared_by(Check::new(setting, Condition::Differs))
}

/// The session sleeps within its transaction, and ends as soon as the server sees that its client is gone.
fn leave_open(server: &str) -> LastingProgram {
    let open = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'left_open' AND backend_xmin IS NOT NULL";
    let hold = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT pg_sleep(86400)";
    let command = [
        "psql",
        "--no-psqlrc",
        "-c",
        "SET client_connection_check_interval = '500ms'",
        "-c",
        hold,
        "user=postgres application_name=left_open",
    ];
    LastingProgram {
        container: server.into(),
        summary: format!("a transaction stays open in {server}"),
        command: command.map(str::to_owned).into(),
        in_force: None,
        check: Some(Check::new(Watched::Output(psql(open, STATEMENT)), Condition::RisesBy(1.0))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_locks_clients_out_is_read_again_both_ways() {
        let replacement = lock_out("primary");
        assert!(matches!(&replacement.notify[..], [Action::Run(_)]));
        assert!(replacement.check.is_some());
    }
}
