//! The subject TiKV, on the stand-in: health and state by PD's HTTP API, seen from outside too.

use serde_json::{Value, json};

use crate::docker::Container;
use crate::http;
use crate::program::Program;
use crate::wait::{until, until_true};

/// Returns what PD says of its stores, asked from within one of its containers' networks.
fn stores(driver: &Container) -> Option<Vec<(String, String)>> {
    let url = format!("http://{}:2379/pd/api/v1/stores", driver.address());
    let answer = http::get(url)?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let stores = answer["stores"].as_array()?;
    Some(
        stores
            .iter()
            .map(|store| {
                (
                    text(&store["store"]["address"]),
                    text(&store["store"]["state_name"]),
                )
            })
            .collect(),
    )
}

fn project(program: &Program) -> String {
    let filter = format!("label=io.duress.database={}", program.database().display());
    let template = "{{.Label \"com.docker.compose.project\"}}";
    let projects = crate::docker::docker(&["ps", "-a", "--filter", &filter, "--format", template]);
    projects.lines().next().expect("a stack runs").to_owned()
}

/// Runs a fault on one store, and sees by PD that this store is cut off and comes back.
fn disconnected_by(fault: &str) {
    let program = Program::new();
    let running = program.start(&[
        "run",
        "--subject",
        "tikv",
        "--chaos",
        fault,
        "--duration",
        "8",
        "--target",
        "tikv1",
    ]);
    running.wait_for_change();
    let driver = Container::of(&project(&program), "pd0");
    let state = |address: &str| {
        stores(&driver)?
            .into_iter()
            .find(|(name, _)| name == address)
            .map(|(_, state)| state)
    };
    until_true("PD hears no more from tikv1", || {
        state("tikv1:20160").as_deref() == Some("Disconnected")
    });
    assert_eq!(state("tikv0:20160").as_deref(), Some("Up"));
    let (status, events) = running.end();
    assert_eq!(status.code(), Some(0), "{events:?}");
    let shown = program.json(&["show", &format!("trial-tikv-{fault}-1"), "--log"]);
    let trial = &shown["trial"];
    assert_eq!(trial["targets"], json!(["tikv1"]));
    for state in ["state_before", "state_after"] {
        let document = &trial[state]["document"];
        assert_eq!(document["store_count"], 3, "{document}");
        assert!(document["region_count"].as_u64().unwrap() > 0);
        for store in document["stores"].as_array().unwrap() {
            assert_eq!(store["health"], "Up");
            assert!(store["capacity_bytes"].as_u64() >= store["available_bytes"].as_u64());
        }
    }
    assert_eq!(program.left(), [""; 0]);
}

#[test]
fn a_killed_store_is_disconnected() {
    disconnected_by("node_kill");
}

#[test]
fn a_paused_store_is_disconnected() {
    disconnected_by("process_pause");
}

#[test]
fn a_store_that_is_cut_off_is_disconnected() {
    disconnected_by("network_partition");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_says_so_and_pd_outlives_its_leader() {
    let harness = crate::harness::Harness::new("tikv", &["tikv0", "pd0", "pd1", "pd2"]).await;
    let available = async || -> u64 {
        let limit = std::time::Duration::from_secs(30);
        let state = harness
            .subject
            .plugin
            .component
            .capture_state(&harness.scope, limit)
            .await
            .unwrap();
        let stores = state.document["stores"].as_array().unwrap().clone();
        let tikv0 = stores
            .into_iter()
            .find(|store| store["address"] == "tikv0:20160")
            .unwrap();
        tikv0["available_bytes"].as_u64().unwrap()
    };
    let before = available().await;
    let metadata = harness
        .inject(
            "disk_pressure",
            json!({ "fill_percent": 90, "path": "/data" }),
            &["tikv0"],
        )
        .await
        .unwrap();
    let limit = tokio::time::Instant::now() + std::time::Duration::from_secs(60);
    while available().await > before / 2 {
        assert!(
            tokio::time::Instant::now() < limit,
            "PD never heard of the full disk"
        );
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    }
    harness.cleanup(&metadata).await;

    let leader = |driver: &str| {
        let url = format!(
            "http://{}:2379/pd/api/v1/leader",
            harness.container(driver).address()
        );
        let answer = http::get(url)?;
        answer["name"].as_str().map(str::to_owned)
    };
    let first = until("a leader", || leader("pd0"));
    crate::docker::docker(&["kill", &harness.container(&first).0]);
    let other = if first == "pd0" { "pd1" } else { "pd0" };
    let second = until("another leader", || {
        leader(other).filter(|name| *name != first)
    });
    assert_ne!(first, second);
    let known = until("the new leader's stores", || {
        stores(&harness.container(other))
    });
    assert_eq!(known.len(), 3);
}

/// Returns how many regions each store leads, as PD says.
fn leaders(driver: &Container) -> Option<std::collections::BTreeMap<String, u64>> {
    let url = format!("http://{}:2379/pd/api/v1/stats/region", driver.address());
    serde_json::from_value(http::get(url)?["store_leader_count"].clone()).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn leaders_are_concentrated_and_spread_again() {
    let harness = crate::harness::Harness::new("tikv", &["tikv0", "tikv1", "tikv2"]).await;
    let driver = harness.container("pd0");
    let spread =
        || leaders(&driver).is_some_and(|leaders| leaders.values().all(|count| *count > 0));
    until_true("every store leads some regions", spread);
    let metadata = harness
        .inject("leader_concentration", json!({}), &["tikv1"])
        .await
        .unwrap();
    let store = metadata["store_id"].to_string();
    until_true("one store leads them all", || {
        leaders(&driver).is_some_and(|leaders| {
            leaders
                .iter()
                .all(|(id, count)| (*id == store) == (*count > 0))
        })
    });
    harness.cleanup(&metadata).await;
    until_true("every store leads some regions again", spread);
    assert_eq!(harness.unsettled().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_driver_that_leads_is_killed_and_another_takes_over() {
    let harness = crate::harness::Harness::new("tikv", &["pd0", "pd1", "pd2"]).await;
    let metadata = harness
        .inject("pd_leader_kill", json!({}), &["pd0", "pd1", "pd2"])
        .await
        .unwrap();
    let killed = metadata["target_container"].as_str().unwrap().to_owned();
    assert_eq!(
        harness.container(&killed).inspect("{{.State.Status}}"),
        "exited"
    );
    let other = if killed == "pd0" { "pd1" } else { "pd0" };
    let url = format!(
        "http://{}:2379/pd/api/v1/leader",
        harness.container(other).address()
    );
    let next = until("another leader", || {
        Some(http::get(url.clone())?["name"].as_str()?.to_owned())
    });
    assert_ne!(next, killed);
    harness.cleanup(&metadata).await;
    harness.wait_until_healthy().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_asymmetric_partition_cuts_one_link_alone() {
    let harness = crate::harness::Harness::new("tikv", &["tikv0"]).await;
    let target = harness.container("tikv0");
    let metadata = harness
        .inject("asymmetric_partition", json!({}), &["tikv0"])
        .await
        .unwrap();
    let peer = metadata["peer"].as_str().unwrap().to_owned();
    for name in ["pd0", "pd1", "pd2", "tikv1", "tikv2"] {
        let port = if name.starts_with("pd") { 2379 } else { 20160 };
        let reached = target.connects(&harness.container(name), port);
        assert_eq!(reached, name != peer, "{name}, with {peer} cut off");
    }
    harness.cleanup(&metadata).await;
    let port = if peer.starts_with("pd") { 2379 } else { 20160 };
    assert!(target.connects(&harness.container(&peer), port));
}
