//! Each fault on a real etcd cluster: what it does is measured before it, while it holds, and after it.

use serde_json::{Value, json};

use crate::docker::Container;
use crate::harness::Harness;
use crate::netem::kernel_has_netem;

const ALL: [&str; 3] = ["etcd0", "etcd1", "etcd2"];

/// Writes a key through a member, as a client would. Whether the cluster took it.
fn put(member: &Container, value: &str) -> bool {
    let (stored, _) = member.run(&["etcdctl", "--command-timeout=3s", "put", "key", value]);
    stored
}

/// Reads the key through a member, agreed upon by a majority.
fn get(member: &Container) -> Option<String> {
    let (read, text) = member.run(&[
        "etcdctl",
        "--command-timeout=3s",
        "get",
        "key",
        "--print-value-only",
    ]);
    read.then_some(text)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_member_is_dead_until_cleanup_and_keeps_its_data() {
    let harness = Harness::new("etcd", &ALL).await;
    let (victim, other) = (harness.container("etcd1"), harness.container("etcd0"));
    assert!(put(&victim, "before"));

    let metadata = harness
        .inject("node_kill", json!({}), &["etcd1"])
        .await
        .unwrap();
    assert_eq!(
        victim.inspect("{{.State.Status}} {{.State.ExitCode}}"),
        "exited 137"
    );
    assert_eq!(metadata["chaos_type"], "node_kill");
    assert_eq!(metadata["target_container"], "etcd1");
    assert_eq!(metadata["signal"], "SIGKILL");
    assert!(!harness.is_healthy().await);
    assert!(put(&other, "during"), "two of three still agree");

    harness.cleanup(&metadata).await;
    assert_eq!(victim.inspect("{{.State.Status}}"), "running");
    harness.wait_until_healthy().await;
    assert_eq!(get(&victim).as_deref(), Some("during"), "it has caught up");
    assert_eq!(harness.unsettled().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_is_the_one_that_leader_kill_kills() {
    let harness = Harness::new("etcd", &ALL).await;
    let (_, status) = harness.container("etcd0").run(&[
        "etcdctl",
        "--endpoints=http://etcd0:2379,http://etcd1:2379,http://etcd2:2379",
        "endpoint",
        "status",
    ]);
    let leads = |line: &&str| line.split(", ").nth(4) == Some("true");
    let leader = status
        .lines()
        .find(leads)
        .and_then(|line| line.get(7..12))
        .expect("a leader")
        .to_owned();

    let metadata = harness
        .inject("leader_kill", json!({}), &ALL)
        .await
        .unwrap();
    assert_eq!(metadata["target_container"], leader.as_str());
    assert_eq!(
        harness.container(&leader).inspect("{{.State.Status}}"),
        "exited"
    );
    harness.cleanup(&metadata).await;
    harness.wait_until_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_paused_member_accepts_and_says_nothing() {
    let harness = Harness::new("etcd", &ALL).await;
    let (victim, other) = (harness.container("etcd2"), harness.container("etcd0"));
    let asks = || {
        let url = format!("http://{}:2379", victim.address());
        other
            .run(&[
                "etcdctl",
                "--dial-timeout=2s",
                "--command-timeout=2s",
                "--endpoints",
                &url,
                "endpoint",
                "health",
            ])
            .0
    };
    assert!(asks());

    let metadata = harness
        .inject("process_pause", json!({}), &["etcd2"])
        .await
        .unwrap();
    assert_eq!(victim.inspect("{{.State.Paused}}"), "true");
    assert!(
        other.connects(&victim, 2379),
        "its kernel still accepts connections"
    );
    assert!(!asks(), "and nobody answers");

    harness.cleanup(&metadata).await;
    assert_eq!(victim.inspect("{{.State.Paused}}"), "false");
    harness.wait_until_healthy().await;
    assert!(asks());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_cuts_one_member_off_in_both_directions() {
    let harness = Harness::new("etcd", &ALL).await;
    let [lonely, one, two] = ALL.map(|name| harness.container(name));
    let before = lonely.rules();
    assert!(lonely.connects(&one, 2380) && one.connects(&lonely, 2380));

    let metadata = harness
        .inject(
            "network_partition",
            json!({ "direction": "both" }),
            &["etcd0"],
        )
        .await
        .unwrap();
    assert_eq!(metadata["isolated_container"], "etcd0");
    let mut ips: Vec<String> = serde_json::from_value(metadata["target_ips"].clone()).unwrap();
    let mut peers = vec![one.address(), two.address()];
    ips.sort();
    peers.sort();
    assert_eq!(ips, peers);
    assert!(!lonely.connects(&one, 2380), "out");
    assert!(!two.connects(&lonely, 2380), "in");
    assert!(one.connects(&two, 2380), "the others are untouched");
    assert!(!put(&lonely, "alone"), "a minority agrees on nothing");
    assert!(put(&one, "together"));

    harness.cleanup(&metadata).await;
    assert_eq!(lonely.rules(), before, "no rule is left");
    assert!(lonely.connects(&one, 2380) && one.connects(&lonely, 2380));
    harness.wait_until_healthy().await;
    assert_eq!(get(&lonely).as_deref(), Some("together"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_in_one_direction_loses_packets_that_way_alone() {
    let harness = Harness::new("etcd", &ALL).await;
    let (target, other) = (harness.container("etcd0"), harness.container("etcd1"));
    let reaches = |from: &Container, to: &Container| {
        from.run(&["ping", "-c", "2", "-W", "1", &to.address()]).0
    };
    // What arrives at the other, by the kernel's count of packets to a port that nobody listens at.
    let arrived = || -> u64 {
        let (_, text) = other.run(&["awk", "/^Udp: [0-9]/ { print $3 }", "/proc/net/snmp"]);
        text.parse().unwrap()
    };
    let send = || {
        let command = format!("echo x > /dev/udp/{}/9999", other.address());
        assert!(target.run(&["bash", "-c", &command]).0);
    };
    assert!(reaches(&target, &other));
    let metadata = harness
        .inject(
            "network_partition",
            json!({ "direction": "in" }),
            &["etcd0"],
        )
        .await
        .unwrap();
    let rules = target.rules();
    let ours = rules.iter().filter(|rule| rule.contains("duress:"));
    assert!(
        ours.clone().all(|rule| rule.starts_with("-A INPUT ")),
        "{rules:?}"
    );
    assert_eq!(ours.count(), 2, "one for each peer");
    assert!(!reaches(&other, &target), "what comes in is lost");
    let before = arrived();
    send();
    crate::wait::until_true("what goes out arrives", || arrived() > before);
    harness.cleanup(&metadata).await;
    assert!(reaches(&other, &target));
}

#[tokio::test(flavor = "multi_thread")]
async fn disk_pressure_takes_its_share_and_gives_it_back() {
    let harness = Harness::new("etcd", &ALL).await;
    let victim = harness.container("etcd1");
    let (before, machine_before) = (victim.free("/data"), free_on_machine());

    let metadata = harness
        .inject(
            "disk_pressure",
            json!({ "fill_percent": 80, "path": "/data" }),
            &["etcd1"],
        )
        .await
        .unwrap();
    assert_eq!(metadata["fill_percent"], 80);
    let file = metadata["fill_file"].as_str().unwrap().to_owned();
    let filled = metadata["fill_bytes"].as_u64().unwrap();
    let during = victim.free("/data");
    // etcd writes too, a little.
    assert!(during < before / 4, "{before} were free, {during} are");
    assert!(
        filled > before / 2 && filled < before,
        "{filled} of {before}"
    );
    assert!(victim.run(&["test", "-f", &file]).0);
    let (_, refused) = victim.run(&["etcdctl", "put", "key", "no room"]);
    assert!(refused.contains("database space exceeded"), "{refused}");
    assert!(!harness.is_healthy().await);
    assert!(
        free_on_machine() + (64 << 20) > machine_before,
        "the machine's own disk is not what is filled"
    );

    harness.cleanup(&metadata).await;
    assert!(!victim.run(&["test", "-e", &file]).0);
    assert!(victim.free("/data") > before / 10 * 9);
    assert!(put(&victim, "after"), "the alarm is disarmed");
    harness.wait_until_healthy().await;
}

/// Bytes that are free on the machine's root file system.
fn free_on_machine() -> u64 {
    let output = std::process::Command::new("df")
        .args(["--output=avail", "-B1", "/"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().last().unwrap().trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_machines_own_disk_is_never_filled() {
    let harness = Harness::new("etcd", &ALL).await;
    let refused = harness
        .inject(
            "disk_pressure",
            json!({ "fill_percent": 1, "path": "/tmp" }),
            &["etcd1"],
        )
        .await;
    let error = refused
        .expect_err("/tmp is on the root file system")
        .to_string();
    assert!(error.contains("root file system"), "{error}");
    assert_eq!(harness.unsettled().await, 0);
}

/// Returns the mean round trip in milliseconds, by ping.
fn round_trip(from: &Container, to: &Container) -> f64 {
    let times = from.pings(to, 20);
    assert_eq!(times.len(), 20);
    times.iter().sum::<f64>() / 20.0
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_delays_what_a_member_sends_by_what_the_kernel_has() {
    let harness = Harness::new("etcd", &ALL).await;
    let (victim, other) = (harness.container("etcd0"), harness.container("etcd1"));
    let before = round_trip(&victim, &other);
    let parameters = json!({ "min_ms": 80, "max_ms": 120, "interface": "eth0" });
    let metadata = harness.break_it("latency", parameters, &["etcd0"]).await;
    assert_eq!(metadata["interface"], "eth0");
    let mechanism = if kernel_has_netem() {
        "netem"
    } else {
        "packet_queue"
    };
    assert_eq!(metadata["mechanism"], mechanism);
    let during = round_trip(&victim, &other);
    assert!(
        during > before + 70.0 && during < before + 140.0,
        "{before} ms became {during} ms"
    );
    harness.cleanup(&metadata).await;
    let after = round_trip(&victim, &other);
    assert!(after < before + 20.0, "{before} ms became {after} ms");
    assert_eq!(harness.unsettled().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn cleanup_of_a_container_that_was_killed_restarted_or_removed_is_no_error() {
    let harness = Harness::new("etcd", &ALL).await;
    let partition = json!({ "direction": "both" });

    let victim = harness.container("etcd0");
    let metadata = harness
        .inject("network_partition", partition.clone(), &["etcd0"])
        .await
        .unwrap();
    crate::docker::docker(&["kill", &victim.0]);
    harness.cleanup(&metadata).await;

    let victim = harness.container("etcd1");
    let metadata = harness
        .inject("network_partition", partition.clone(), &["etcd1"])
        .await
        .unwrap();
    crate::docker::docker(&["restart", "-t", "0", &victim.0]);
    harness.cleanup(&metadata).await;

    let victim = harness.container("etcd2");
    let metadata: Value = harness
        .inject("network_partition", partition, &["etcd2"])
        .await
        .unwrap();
    crate::docker::docker(&["rm", "-f", &victim.0]);
    harness.cleanup(&metadata).await;
    harness.cleanup(&metadata).await;
    assert_eq!(harness.unsettled().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_outside_the_blast_radius_is_touched() {
    let harness = Harness::new("etcd", &["etcd0"]).await;
    let refused = harness.inject("process_pause", json!({}), &["etcd1"]).await;
    let error = refused.expect_err("etcd1 is outside").to_string();
    assert!(error.contains("blast radius"), "{error}");
    assert_eq!(
        harness.container("etcd1").inspect("{{.State.Status}}"),
        "running"
    );
    assert_eq!(harness.unsettled().await, 0);
}
