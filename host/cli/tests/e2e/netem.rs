//! The faults of netem, by ping, on a kernel that has it. `cargo xtask test --netem` brings one along.

use serde_json::{Value, json};

use crate::docker::Container;
use crate::harness::Harness;

/// Returns whether this machine's kernel has it.
pub fn kernel_has_netem() -> bool {
    let tried = [
        "--net", "tc", "qdisc", "add", "dev", "lo", "root", "netem", "delay", "1ms",
    ];
    std::process::Command::new("unshare")
        .args(tried)
        .output()
        .is_ok_and(|output| output.status.success())
}

/// What ping says of some echoes: how many came back, how many twice, and the mean round trip in milliseconds.
#[derive(Debug)]
struct Echoes {
    received: u32,
    duplicates: u32,
    mean: f64,
    deviation: f64,
}

fn ping(from: &Container, to: &Container, count: u32) -> Echoes {
    let count = count.to_string();
    let (_, text) = from.run(&[
        "ping",
        "-q",
        "-c",
        &count,
        "-i",
        "0.05",
        "-W",
        "2",
        &to.address(),
    ]);
    let number_before = |word: &str| {
        let end = text.find(word)?;
        text[..end]
            .trim_end_matches([' ', '+'])
            .rsplit([' ', '+'])
            .next()?
            .parse()
            .ok()
    };
    // rtt min/avg/max/mdev = 0.1/0.2/0.3/0.04 ms, pipe 3
    let times = text
        .lines()
        .last()
        .and_then(|line| line.split(" = ").nth(1)?.split(" ms").next());
    let times: Vec<f64> = times
        .unwrap_or("0/0/0/0")
        .split('/')
        .filter_map(|time| time.parse().ok())
        .collect();
    Echoes {
        received: number_before(" received").unwrap_or(0),
        duplicates: number_before(" duplicates").unwrap_or(0),
        mean: times[1],
        deviation: times[3],
    }
}

/// A fault on the link from `etcd0`: while it holds; before and after, nothing is amiss.
async fn during(harness: &Harness, fault: &str, parameters: Value, count: u32) -> Echoes {
    let (target, other) = (harness.container("etcd0"), harness.container("etcd1"));
    let well = |when: &str| {
        let echoes = ping(&target, &other, 20);
        let (received, duplicates) = (echoes.received, echoes.duplicates);
        assert_eq!(
            (received, duplicates),
            (20, 0),
            "{when} {fault}: {echoes:?}"
        );
        assert!(echoes.mean < 30.0, "{when} {fault}: {echoes:?}");
    };
    well("before");
    let metadata = harness.inject(fault, parameters, &["etcd0"]).await.unwrap();
    let echoes = ping(&target, &other, count);
    harness.cleanup(&metadata).await;
    well("after");
    assert_eq!(harness.unsettled().await, 0);
    echoes
}

/// On one stack, because where there is such a kernel only in an emulator, bringing one up takes a minute.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs a kernel with sch_netem: `cargo xtask test --netem`"]
async fn each_fault_of_netem_does_what_it_says() {
    let harness = Harness::with_plugin("etcd", "faults", &["etcd0"]).await;

    let slow = during(
        &harness,
        "latency",
        json!({ "min_ms": 60, "max_ms": 140 }),
        40,
    )
    .await;
    assert!(
        (80.0..130.0).contains(&slow.mean),
        "the mean is 100 ms: {slow:?}"
    );
    assert!(slow.deviation > 10.0, "it jitters: {slow:?}");

    // Of 100 packets 30 are lost, give or take: 12 to 52 leaves out less than one case in ten thousand.
    let lossy = during(&harness, "packet_loss", json!({ "percent": 30 }), 100).await;
    assert!((48..=88).contains(&lossy.received), "{lossy:?}");

    let parameters = json!({ "enter_percent": 20, "leave_percent": 20, "loss_percent": 100 });
    let bursts = during(&harness, "burst_loss", parameters, 100).await;
    assert!((10..=90).contains(&bursts.received), "{bursts:?}");

    let damaged = during(&harness, "corruption", json!({ "percent": 50 }), 60).await;
    assert!(
        damaged.received < 55,
        "checksums see the damage: {damaged:?}"
    );

    let doubled = during(&harness, "duplication", json!({ "percent": 50 }), 60).await;
    assert!(doubled.duplicates > 10, "{doubled:?}");

    // Half of them wait, half do not.
    let parameters = json!({ "percent": 50, "correlation_percent": 0, "delay_ms": 200 });
    let overtaken = during(&harness, "reordering", parameters, 40).await;
    assert!(
        overtaken.deviation > 40.0 && overtaken.mean < 180.0,
        "{overtaken:?}"
    );

    // One link is slow, and no other.
    let parameters = json!({ "min_ms": 100, "max_ms": 100, "to": ["etcd1"] });
    let metadata = harness
        .inject("latency", parameters, &["etcd0"])
        .await
        .unwrap();
    let (target, near, far) = (
        harness.container("etcd0"),
        harness.container("etcd2"),
        harness.container("etcd1"),
    );
    let (untouched, delayed) = (ping(&target, &near, 10), ping(&target, &far, 10));
    assert!(
        untouched.mean < 30.0 && delayed.mean > 95.0,
        "{untouched:?} {delayed:?}"
    );
    harness.cleanup(&metadata).await;
}
