//! The journal on real containers: changes that go wrong, and ways back that do.

use std::sync::Arc;

use crate::harness::Harness;
use duress_engine::ContainerId;
use duress_http::Client;
use duress_journal::change::{Action, Change, Place, PlacedProgram, Probe};
use duress_journal::{Executor, JournalError, Listener, TrialJournal};

fn program(words: &[&str]) -> PlacedProgram {
    PlacedProgram {
        place: Place::Container,
        command: words.iter().map(|&word| word.to_owned()).collect(),
        timeout_ms: 5_000,
        tolerated: Vec::new(),
    }
}

/// A change of a file in `etcd0`, seen by `test -e`.
fn change(harness: &Harness, apply: &[&str], revert: &[&str]) -> Change {
    Change {
        project: harness.project.clone(),
        container: ContainerId(harness.container("etcd0").inspect("{{.Id}}")),
        container_name: "etcd0".into(),
        summary: "make /tmp/mark".into(),
        apply: vec![Action::Run(program(apply))],
        revert: vec![Action::Run(program(revert))],
        in_force: Some(Probe::Run(program(&["test", "-e", "/tmp/mark"]))),
        http_hosts: Vec::new(),
        effect_wait_ms: None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_takes_everything_back_without_the_plugin_and_then_makes_no_more() {
    let harness = Harness::new("etcd", &["etcd0", "etcd1"]).await;
    let partition = serde_json::json!({ "direction": "both" });
    harness
        .inject("network_partition", partition, &["etcd0"])
        .await
        .unwrap();
    harness
        .inject("process_pause", serde_json::json!({}), &["etcd1"])
        .await
        .unwrap();
    let report = harness.journal.roll_back().await.unwrap();
    assert_eq!((report.reverted.len(), report.stuck.len()), (2, 0));
    assert_eq!(report.reverted[0], "pause etcd1", "newest first");
    assert!(
        harness
            .container("etcd0")
            .rules()
            .iter()
            .all(|rule| !rule.contains("duress"))
    );
    assert_eq!(
        harness.container("etcd1").inspect("{{.State.Paused}}"),
        "false"
    );

    let late = harness
        .journal
        .apply(change(
            &harness,
            &["touch", "/tmp/mark"],
            &["rm", "/tmp/mark"],
        ))
        .await;
    assert!(matches!(late, Err(JournalError::Refused(_))), "{late:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_without_effect_is_told_apart_and_taken_back() {
    let harness = Harness::new("etcd", &["etcd0"]).await;
    let idle = harness
        .journal
        .apply(change(&harness, &["true"], &["rm", "-f", "/tmp/mark"]))
        .await;
    assert!(matches!(idle, Err(JournalError::NotInForce(_))), "{idle:?}");
    assert!(harness.journal.effect_was_missing());
    assert_eq!(harness.unsettled().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_that_breaks_off_is_taken_back() {
    let harness = Harness::new("etcd", &["etcd0"]).await;
    let mut broken = change(
        &harness,
        &["touch", "/tmp/mark"],
        &["rm", "-f", "/tmp/mark"],
    );
    broken.apply.push(Action::Run(program(&["false"])));
    let answer = harness.journal.apply(broken).await;
    assert!(
        matches!(answer, Err(JournalError::NotMade(_))),
        "{answer:?}"
    );
    assert!(
        !harness
            .container("etcd0")
            .run(&["test", "-e", "/tmp/mark"])
            .0
    );
    assert_eq!(harness.unsettled().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fault_that_stays_in_force_is_reported_until_it_is_gone() {
    let harness = Harness::new("etcd", &["etcd0"]).await;
    // A way back that says it worked, and did nothing.
    let lying = change(&harness, &["touch", "/tmp/mark"], &["true"]);
    harness.journal.apply(lying).await.unwrap();
    let report = harness.journal.roll_back().await.unwrap();
    assert_eq!(report.stuck.len(), 1);
    assert!(report.stuck[0].1.contains("still so"), "{:?}", report.stuck);
    assert_eq!(harness.unsettled().await, 1, "it stays in the journal");

    assert!(harness.container("etcd0").run(&["rm", "/tmp/mark"]).0);
    let report = harness.journal.roll_back().await.unwrap();
    assert_eq!((report.reverted.len(), report.stuck.len()), (1, 0));
    assert_eq!(harness.unsettled().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_process_takes_back_what_one_made() {
    let harness = Harness::new("etcd", &["etcd0"]).await;
    let mark = || {
        change(
            &harness,
            &["touch", "/tmp/mark"],
            &["rm", "-f", "/tmp/mark"],
        )
    };
    let id = harness.journal.apply(mark()).await.unwrap();
    let trial = harness.store.running_trials().await.unwrap().remove(0).id;
    let elsewhere = || {
        let executor = Executor {
            engine: Arc::clone(&harness.engine),
            http: Client::new().unwrap(),
        };
        let nobody = Listener(Arc::new(|_| {}));
        TrialJournal::new(
            harness.store.clone(),
            executor,
            trial.clone(),
            "another".into(),
            nobody,
        )
    };
    let other = elsewhere();
    other.revert(&id).await.unwrap();
    assert!(
        !harness
            .container("etcd0")
            .run(&["test", "-e", "/tmp/mark"])
            .0
    );
    other.revert(&id).await.expect("twice is once");
    elsewhere()
        .revert(&id)
        .await
        .expect("and so it is for a third");
    harness
        .journal
        .revert(&id)
        .await
        .expect("and for the first");
    let foreign = other.revert("01a1fd91-8bf7-703d-bc8d-4298f40f4a47").await;
    assert!(
        matches!(foreign, Err(JournalError::Refused(_))),
        "{foreign:?}"
    );

    harness.journal.apply(mark()).await.unwrap();
    let report = elsewhere().roll_back().await.unwrap();
    assert_eq!((report.reverted.len(), report.stuck.len()), (1, 0));
    assert_eq!(harness.unsettled().await, 0);
}
