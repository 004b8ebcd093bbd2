//! Every fault is reverted whatever befalls its container meanwhile, and may be injected again at once.

use serde_json::{Value, json};

use crate::docker::{Container, docker};
use crate::harness::Harness;
use duress_engine::NetDriver;

/// Returns every fault that one container alone can have, with parameters.
fn faults() -> Vec<(&'static str, Value)> {
    vec![
        ("node_kill", json!({})),
        ("process_pause", json!({})),
        ("container_stop", json!({ "grace_seconds": 0 })),
        ("container_restart", json!({ "grace_seconds": 0 })),
        ("network_partition", json!({})),
        ("tcp_reset", json!({})),
        ("dns_failure", json!({})),
        ("latency", json!({ "delay_ms": 10 })),
        ("packet_loss", json!({ "percent": 10 })),
        ("bandwidth", json!({ "rate_kbit": 1000 })),
        ("disk_pressure", json!({ "fill_percent": 50 })),
        ("disk_stress", json!({ "file_mb": 1 })),
        ("cpu_stress", json!({ "percent": 5, "workers": 1 })),
        ("memory_pressure", json!({ "memory_mb": 8 })),
        ("cpu_limit", json!({ "cpus": 0.5 })),
        ("memory_limit", json!({ "memory_mb": 128 })),
        ("pids_limit", json!({ "pids": 64 })),
    ]
}

/// Asserts that the container is as it was when its stack came up.
fn is_whole(target: &Container) -> bool {
    let state = target.inspect("{{.State.Status}} {{.HostConfig.Memory}}");
    let rules = target.rules();
    let processes = docker(&["top", &target.0]);
    state == format!("running {}", 256 << 20)
        && !rules.iter().any(|rule| rule.contains("duress"))
        && !processes.contains("--id")
}

async fn whatever_befalls(fate: &str, befall: impl Fn(&Container), restore: impl Fn(&Container)) {
    let harness = Harness::with_plugin("bare", "faults", &["bare"]).await;
    let target = harness.container("bare");
    for (fault, parameters) in faults() {
        let metadata = harness.break_it(fault, parameters, &["bare"]).await;
        befall(&target);
        harness.cleanup(&metadata).await;
        harness.cleanup(&metadata).await;
        assert_eq!(harness.unsettled().await, 0, "{fault}, {fate}");
        restore(&target);
        assert!(is_whole(&target), "{fault}, {fate}");
    }
}

async fn twice_in_a_row(driver: NetDriver) {
    let harness = Harness::with_driver("bare", "faults", &["bare"], Some(driver)).await;
    let target = harness.container("bare");
    for (fault, parameters) in faults() {
        for _ in 0..2 {
            let metadata = harness.break_it(fault, parameters.clone(), &["bare"]).await;
            harness.cleanup(&metadata).await;
        }
        assert_eq!(harness.unsettled().await, 0, "{fault}");
        assert!(is_whole(&target), "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_befalls_it_by_the_namespace() {
    twice_in_a_row(NetDriver::Namespace).await;
}

/// As for a user who is not root: nothing but the engine is used.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_befalls_it_by_the_toolbox() {
    twice_in_a_row(NetDriver::Toolbox).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_killed() {
    whatever_befalls(
        "killed",
        // One that is not running cannot be killed.
        |target| drop(crate::docker::attempt(&["kill", &target.0])),
        |target| drop(docker(&["start", &target.0])),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_restarted() {
    whatever_befalls(
        "restarted",
        |target| drop(docker(&["restart", "--time", "0", &target.0])),
        |_| {},
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_paused() {
    whatever_befalls(
        "paused",
        // One that is not running, or is paused already, cannot be paused.
        |target| drop(crate::docker::attempt(&["pause", &target.0])),
        |target| drop(crate::docker::attempt(&["unpause", &target.0])),
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_removed() {
    let harness = Harness::with_plugin("bare", "faults", &["bare"]).await;
    let mut injected = Vec::new();
    // All at once: what is removed is removed for all.
    for (fault, parameters) in faults() {
        let stays_up = !matches!(
            fault,
            "node_kill" | "process_pause" | "container_stop" | "container_restart"
        );
        if stays_up {
            injected.push(harness.break_it(fault, parameters, &["bare"]).await);
        }
    }
    docker(&["rm", "--force", &harness.container("bare").0]);
    for metadata in injected.iter().rev() {
        harness.cleanup(metadata).await;
    }
    assert_eq!(harness.unsettled().await, 0);
}
