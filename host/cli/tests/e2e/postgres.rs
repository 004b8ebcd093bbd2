//! The example for PostgreSQL: built from its source, judged over PostgreSQL's own protocol, and each of its faults measured by
//! `psql`, not by duress.

use serde_json::json;

use crate::docker::{Container, docker};
use crate::harness::Harness;
use crate::languages::Examples;
use crate::wait::until_true;

fn psql(server: &Container, sql: &str) -> (bool, String) {
    server.run(&["psql", "--username=postgres", "-Atqc", sql])
}

fn says(server: &Container, sql: &str) -> String {
    let (succeeded, text) = psql(server, sql);
    assert!(succeeded, "{sql}: {text}");
    text
}

/// Returns how many processes of a container name the function that opens the connections.
fn holders(server: &Container) -> usize {
    let processes = docker(&["top", &server.0, "-eo", "pid,args"]);
    let lines = processes.lines();
    lines
        .filter(|line| line.contains("psql") && line.contains("dblink_connect"))
        .count()
}

/// One stack for all of it: the test takes seconds, a stack takes some of them.
#[tokio::test(flavor = "multi_thread")]
async fn postgresql_is_judged_over_its_protocol_and_each_fault_does_what_it_says() {
    let examples = Examples::new();
    examples.make("postgres");
    let roots = vec![examples.root.clone()];
    let radius = ["primary", "replica"];
    let harness = Harness::in_roots(roots, "postgres", "postgres", &radius, None).await;
    let [primary, replica] = radius.map(|name| harness.container(name));
    let rows = |server: &Container| says(server, "SELECT count(*) FROM written");
    says(&primary, "CREATE TABLE written (n int)");
    until_true("the table", || psql(&replica, "TABLE written").0);

    // It receives what is written, and does not apply it.
    let metadata = harness
        .break_it("replication_pause", json!({}), &["replica"])
        .await;
    says(&primary, "INSERT INTO written VALUES (1)");
    let position = says(&primary, "SELECT pg_current_wal_lsn()");
    let received = format!("SELECT pg_last_wal_receive_lsn() >= '{position}'");
    until_true("the write arrives", || says(&replica, &received) == "t");
    assert_eq!((rows(&primary), rows(&replica)), ("1".into(), "0".into()));
    let complaint = harness.complaint().await;
    assert!(complaint.contains("replica does not apply"), "{complaint}");
    harness.cleanup(&metadata).await;
    until_true("the write is applied", || rows(&replica) == "1");
    harness.wait_until_healthy().await;

    // No client gets a connection, over the socket or the network. The program that holds them is ended with all that it holds.
    let metadata = harness
        .break_it("connection_exhaustion", json!({}), &["primary"])
        .await;
    let as_client = ["psql", "--username=probe", "-Atc", "SELECT 1", "postgres"];
    let (answered, text) = primary.run(&as_client);
    assert!(!answered && text.contains("connection slots"), "{text}");
    let complaint = harness.complaint().await;
    assert!(complaint.contains("SQLSTATE 53300"), "{complaint}");
    assert!(holders(&primary) > 0);
    harness.cleanup(&metadata).await;
    assert_eq!(holders(&primary), 0, "it was ended");
    assert_eq!(primary.run(&as_client), (true, "1".into()));
    harness.wait_until_healthy().await;
    // And so it is by another process that has nothing but the database.
    let metadata = harness
        .break_it("connection_exhaustion", json!({}), &["primary"])
        .await;
    assert!(holders(&primary) > 0 && !primary.run(&as_client).0);
    harness.recover().await;
    assert_eq!(holders(&primary), 0, "it was found and ended");
    // This one need not do it again, and knows then.
    harness.cleanup(&metadata).await;
    harness.wait_until_healthy().await;

    another_setting_holds_until_it_is_reverted(&harness).await;
    a_lost_file_comes_back(&harness).await;

    // The fault finds the server that takes writes; how that ended is in its details and its log.
    let metadata = harness.break_it("primary_kill", json!({}), &radius).await;
    assert_eq!(primary.inspect("{{.State.Status}}"), "exited");
    assert_eq!(replica.inspect("{{.State.Status}}"), "running");
    let complaint = harness.complaint().await;
    for words in [
        "primary: it does not run (exit code 137)",
        "its last line: ",
    ] {
        assert!(complaint.contains(words), "{complaint}");
    }
    harness.cleanup(&metadata).await;
    harness.wait_until_healthy().await;
    assert_eq!(rows(&primary), "1", "what was written is still there");

    // Two servers take writes; afterwards what the replica took itself is gone.
    let insert = "INSERT INTO written VALUES (2)";
    assert!(!psql(&replica, insert).0, "a replica takes no writes");
    let metadata = harness
        .break_it("replica_promote", json!({}), &["replica"])
        .await;
    says(&replica, insert);
    assert_eq!((rows(&primary), rows(&replica)), ("1".into(), "2".into()));
    let complaint = harness.complaint().await;
    assert!(complaint.contains("2 servers take writes"), "{complaint}");
    harness.cleanup(&metadata).await;
    harness.wait_until_healthy().await;
    assert_eq!(rows(&replica), "1");
    assert!(!psql(&replica, insert).0, "it is a replica again");

    a_file_is_replaced(&harness, &primary).await;
    values_are_compared(&harness, &primary).await;
    assert_eq!(harness.unsettled().await, 0);
}

/// The digest, mode and owner of the file that says who is let in, as the container sees it.
fn hba(server: &Container) -> String {
    let script = "sha256sum < /data/cluster/pg_hba.conf; stat -c '%a %U %G' /data/cluster/pg_hba.conf; ls -A /data/cluster";
    let (succeeded, text) = server.run(&["sh", "-c", script]);
    assert!(succeeded, "{text}");
    text
}

/// New clients are refused by TCP, those that are connected go on, and the file is restored byte for byte.
async fn a_file_is_replaced(harness: &Harness, primary: &Container) {
    let by_tcp = [
        "psql",
        "--host=127.0.0.1",
        "--username=probe",
        "-Atc",
        "SELECT 1",
        "postgres",
    ];
    assert_eq!(primary.run(&by_tcp), (true, "1".into()));
    let before = hba(primary);
    for recovers in [false, true] {
        let metadata = harness
            .break_it("hba_lockout", json!({}), &["primary"])
            .await;
        let (let_in, text) = primary.run(&by_tcp);
        assert!(!let_in && text.contains("no pg_hba.conf entry"), "{text}");
        let complaint = harness.complaint().await;
        assert!(complaint.contains("SQLSTATE 28000"), "{complaint}");
        assert_eq!(
            says(primary, "SELECT count(*) FROM pg_stat_replication"),
            "1"
        );
        let replaced = hba(primary);
        assert_ne!(replaced.lines().next(), before.lines().next());
        assert_eq!(replaced.lines().nth(1), before.lines().nth(1));
        match recovers {
            false => harness.cleanup(&metadata).await,
            // Another process that has nothing but the database.
            true => harness.recover().await,
        }
        assert_eq!(hba(primary), before);
        until_true("clients are let in", || primary.run(&by_tcp).0);
        harness.wait_until_healthy().await;
    }
}

/// What is compared was read before the change: a text, and a number.
async fn values_are_compared(harness: &Harness, primary: &Container) {
    let insert = "INSERT INTO written VALUES (9)";
    let metadata = harness.break_it("read_only", json!({}), &["primary"]).await;
    let (written, text) = psql(primary, insert);
    assert!(!written && text.contains("read-only transaction"), "{text}");
    harness.cleanup(&metadata).await;
    until_true("writes are taken", || psql(primary, insert).0);

    let held = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'left_open'";
    assert_eq!(says(primary, held), "0");
    let metadata = harness
        .break_it("idle_transaction", json!({}), &["primary"])
        .await;
    assert_eq!(says(primary, held), "1");
    harness.cleanup(&metadata).await;
    until_true("the transaction is ended", || says(primary, held) == "0");
}

/// The server that the engine of duress shows, whichever container it is now.
async fn primary_now(harness: &Harness) -> Container {
    let all = harness.engine.containers(&harness.project).await.unwrap();
    let primary = all.into_iter().find(|one| one.name == "primary");
    Container(primary.unwrap().id.0)
}

/// The server is another container, which lacks nothing but what was changed.
async fn another_setting_holds_until_it_is_reverted(harness: &Harness) {
    let original = primary_now(harness).await;
    let shown = |server: &Container| says(server, "SHOW max_connections");
    assert_eq!(shown(&original), "20");
    let parameters = json!({ "name": "max_connections", "value": "12" });
    for is_crash in [false, true] {
        let metadata = harness
            .break_it("settings_change", parameters.clone(), &["primary"])
            .await;
        let replaced = primary_now(harness).await;
        assert_eq!(shown(&replaced), "12");
        assert_eq!(says(&replaced, "SELECT count(*) FROM written"), "1");
        assert_eq!(original.inspect("{{.State.Status}}"), "exited");
        match is_crash {
            false => harness.cleanup(&metadata).await,
            true => harness.recover().await,
        }
        assert_eq!(primary_now(harness).await, original, "the very same");
        until_true("it answers", || psql(&original, "SELECT 1").0);
        assert_eq!(shown(&original), "20");
        harness.cleanup(&metadata).await;
        harness.wait_until_healthy().await;
    }
}

/// A file that is moved while the server is stopped, and moved back.
async fn a_lost_file_comes_back(harness: &Harness) {
    let primary = primary_now(harness).await;
    let count = "SELECT count(*) FROM written";
    let parameters = json!({ "table": "written" });
    for is_crash in [false, true] {
        assert_eq!(says(&primary, count), "1");
        let started = primary.inspect("{{.State.StartedAt}}");
        let metadata = harness
            .break_it("table_loss", parameters.clone(), &["primary"])
            .await;
        let (answered, text) = psql(&primary, count);
        assert!(!answered && text.contains("could not open file"), "{text}");
        assert!(
            psql(&primary, "SELECT count(*) FROM pg_class").0,
            "the rest is there"
        );
        assert_ne!(primary.inspect("{{.State.StartedAt}}"), started);
        match is_crash {
            false => harness.cleanup(&metadata).await,
            true => harness.recover().await,
        }
        until_true("it answers", || psql(&primary, count).0);
        assert_eq!(says(&primary, count), "1");
        harness.cleanup(&metadata).await;
        harness.wait_until_healthy().await;
    }
    // A table that is not there stops nothing.
    let started = primary.inspect("{{.State.StartedAt}}");
    let unknown = json!({ "table": "no_such_table" });
    let refused = harness.inject("table_loss", unknown, &["primary"]).await;
    assert!(refused.is_err());
    assert_eq!(primary.inspect("{{.State.StartedAt}}"), started);
}
