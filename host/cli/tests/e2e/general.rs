//! The faults for any subject, on etcd's containers, measured from outside.

use serde_json::json;

use crate::docker::Container;
use crate::harness::Harness;

/// Returns how long a large ping takes there and back, in milliseconds, as ping itself measures it.
fn large_ping(from: &Container, to: &Container) -> f64 {
    let (answered, text) = from.run(&[
        "ping",
        "-c",
        "3",
        "-i",
        "0.2",
        "-s",
        "16000",
        "-W",
        "10",
        &to.address(),
    ]);
    assert!(answered, "{text}");
    text.lines()
        .last()
        .unwrap()
        .split('/')
        .nth(4)
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn bandwidth_slows_one_link_and_no_other() {
    let harness = Harness::with_plugin("etcd", "faults", &["etcd0"]).await;
    let [limited, one, two] = ["etcd0", "etcd1", "etcd2"].map(|name| harness.container(name));
    let before = large_ping(&limited, &one);
    assert!(before < 100.0, "{before} ms");
    // 16 kB at 256 kbit/s take half a second, beyond what the bucket holds.
    let parameters =
        json!({ "rate_kbit": 256, "burst_kb": 4, "latency_ms": 5000, "to": ["etcd1"] });
    let metadata = harness
        .inject("bandwidth", parameters, &["etcd0"])
        .await
        .unwrap();
    assert_eq!(metadata["target_ips"], json!([one.address()]));
    let (slow, untouched) = (large_ping(&limited, &one), large_ping(&limited, &two));
    assert!(slow > 300.0, "{slow} ms");
    assert!(untouched < 100.0, "{untouched} ms");
    harness.cleanup(&metadata).await;
    let after = large_ping(&limited, &one);
    assert!(after < 100.0, "{after} ms");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_foreign_discipline_survives_and_impairments_beside_it_add_up() {
    let harness = Harness::with_plugin("etcd", "faults", &["etcd0"]).await;
    let pid = harness.container("etcd0").inspect("{{.State.Pid}}");
    let tc = |words: &[&str]| {
        let arguments = [&["--target", &pid, "--net", "tc"], words].concat();
        let output = std::process::Command::new("nsenter")
            .args(arguments)
            .output()
            .unwrap();
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    tc(&[
        "qdisc", "add", "dev", "eth0", "root", "handle", "77:", "tbf", "rate", "1gbit", "burst",
        "128kb", "latency", "50ms",
    ]);
    let before = tc(&["qdisc", "show", "dev", "eth0"]);
    let refused = harness
        .inject("bandwidth", json!({ "rate_kbit": 256 }), &["etcd0"])
        .await;
    let why = refused.expect_err("another's discipline").to_string();
    assert!(
        why.contains("already has a queueing discipline (tbf 77:)"),
        "{why}"
    );
    // A packet queue needs no discipline, and two of them add up.
    let [target, peer] = ["etcd0", "etcd1"].map(|name| harness.container(name));
    let mean = || {
        let times = peer.pings(&target, 5);
        times.iter().sum::<f64>() / times.len() as f64
    };
    let delay = |ms| harness.inject("latency", json!({ "delay_ms": ms }), &["etcd0"]);
    let first = delay(100).await.unwrap();
    let second = delay(80).await.unwrap();
    assert_eq!(first["mechanism"], "packet_queue");
    let both = mean();
    assert!((180.0..280.0).contains(&both), "{both} ms");
    harness.cleanup(&first).await;
    let alone = mean();
    assert!((80.0..170.0).contains(&alone), "{alone} ms");
    harness.cleanup(&second).await;
    assert!(mean() < 60.0);
    let nowhere = harness
        .inject("latency", json!({ "interface": "eth9" }), &["etcd0"])
        .await;
    let why = nowhere.expect_err("no such interface").to_string();
    assert!(
        why.contains("etcd0 has no network interface `eth9` that is up; it has: eth0"),
        "{why}"
    );
    assert_eq!(tc(&["qdisc", "show", "dev", "eth0"]), before);
    assert_eq!(harness.unsettled().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_to_one_service_leaves_the_others() {
    let harness = Harness::with_plugin("etcd", "faults", &["etcd0"]).await;
    let [target, one, two] = ["etcd0", "etcd1", "etcd2"].map(|name| harness.container(name));
    let metadata = harness
        .inject("network_partition", json!({ "to": ["etcd1"] }), &["etcd0"])
        .await
        .unwrap();
    assert!(!target.connects(&one, 2380) && !one.connects(&target, 2380));
    assert!(target.connects(&two, 2380) && two.connects(&target, 2380));
    harness.cleanup(&metadata).await;
    assert!(target.connects(&one, 2380));
    let unknown = harness
        .inject("network_partition", json!({ "to": ["pd0"] }), &["etcd0"])
        .await;
    assert!(
        unknown
            .expect_err("no such service")
            .to_string()
            .contains("`pd0`")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn container_stop_ends_it_in_good_order() {
    let harness = Harness::with_plugin("etcd", "faults", &["etcd0"]).await;
    let target = harness.container("etcd0");
    let metadata = harness
        .inject("container_stop", json!({ "grace_seconds": 10 }), &["etcd0"])
        .await
        .unwrap();
    let state = target.inspect("{{.State.Status}} {{.State.ExitCode}}");
    assert!(
        state.starts_with("exited") && state != "exited 137",
        "{state}: it was asked, not killed"
    );
    harness.cleanup(&metadata).await;
    harness.wait_until_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_are_enforced_by_the_kernel_and_lifted_again() {
    let harness = Harness::with_plugin("etcd", "faults", &["etcd0"]).await;
    let target = harness.container("etcd0");
    let limits = || {
        target.inspect("{{.HostConfig.CpuQuota}} {{.HostConfig.Memory}} {{.HostConfig.PidsLimit}}")
    };
    // A program that keeps what it reads, and that the kernel ends before any other (proc_pid_oom_score_adj(5)).
    let takes = |bytes: &str| {
        let command = format!(
            "echo 1000 > /proc/self/oom_score_adj; head -c {bytes} /dev/zero | tail | wc -c"
        );
        target.run(&["bash", "-c", &command])
    };
    let throttled = || -> u64 {
        let stat = target.cgroup("cpu/cpu.stat", "cpu.stat");
        stat.lines()
            .find_map(|line| line.strip_prefix("nr_throttled "))
            .unwrap()
            .parse()
            .unwrap()
    };
    assert_eq!(takes("50M").1, (50 << 20).to_string());

    let cpu = harness
        .inject("cpu_limit", json!({ "cpus": 0.1 }), &["etcd0"])
        .await
        .unwrap();
    let before = throttled();
    target.run(&["timeout", "2", "bash", "-c", "while :; do :; done"]);
    assert!(throttled() > before, "the kernel has held it back");
    harness.cleanup(&cpu).await;
    let before = throttled();
    target.run(&["timeout", "2", "bash", "-c", "while :; do :; done"]);
    assert_eq!(throttled(), before, "and does so no more");

    let pids = harness
        .inject("pids_limit", json!({ "pids": 64 }), &["etcd0"])
        .await
        .unwrap();
    // However the program that is refused words it: what the kernel counts is what happened (pids.events of cgroups).
    let refused = || target.cgroup("pids/pids.events", "pids.events");
    // etcd itself would end if it were refused a thread.
    let forks = || {
        target.signal("STOP");
        let output = target.run(&["bash", "-c", "for i in $(seq 80); do sleep 1 & done; wait"]);
        target.signal("CONT");
        output.1
    };
    let before = refused();
    let words = forks();
    assert_ne!(refused(), before, "no process can be added: {words}");
    harness.cleanup(&pids).await;
    let before = refused();
    assert_eq!(forks(), "");
    assert_eq!(refused(), before);

    // More than etcd takes: its two logs of 64 MB lie in memory, and are its own.
    let memory = harness
        .inject("memory_limit", json!({ "memory_mb": 320 }), &["etcd0"])
        .await
        .unwrap();
    assert_ne!(
        takes("800M").1,
        (800 << 20).to_string(),
        "what needs more is killed"
    );
    harness.cleanup(&memory).await;
    assert_eq!(takes("50M").1, (50 << 20).to_string());
    assert!(limits().starts_with("-1 "), "{}", limits());
}
