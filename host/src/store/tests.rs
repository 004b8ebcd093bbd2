//! The store on real files.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::Kind;
use crate::campaign::TrialSpec;

fn spec(index: u32) -> TrialSpec {
    TrialSpec {
        name: format!("trial-etcd-node_kill-{index}"),
        index,
        subject: "etcd".into(),
        label: "node_kill".into(),
        faults: Vec::new(),
        variant: "default".into(),
        seed: 7,
        duration_ms: 0,
        recovery_timeout_ms: 0,
        reset_timeout_ms: 0,
        on_target_restart: crate::campaign::OnTargetRestart::Record,
    }
}

/// A store with a host and a campaign.
async fn begun(folder: &Path) -> Store {
    let store = Store::open(&folder.join("duress.db")).expect("open");
    store.insert_host("h").await.expect("a host");
    let campaign = NewCampaign {
        id: "campaign-1".into(),
        host_id: "h".into(),
        name: "quickstart".into(),
        variant: "default".into(),
        definition: json!({}),
        source: None,
        source_path: None,
        seed: 7,
        trials_planned: 2,
    };
    store.insert_campaign(campaign).await.expect("a campaign");
    store
}

async fn trial(store: &Store, id: &str, index: u32) {
    let trial = NewTrial {
        id: id.into(),
        campaign_id: "campaign-1".into(),
        host_id: "h".into(),
        slot: 0,
        project: format!("duress-{id}"),
        digests: BTreeMap::new(),
        spec: spec(index),
    };
    store.start_trial(trial).await.expect("a trial");
}

fn change(id: &str) -> NewChange {
    NewChange {
        id: id.into(),
        trial_id: "t1".into(),
        host_id: "h".into(),
        project: "duress-t1".into(),
        container: "c".into(),
        container_name: "etcd0".into(),
        summary: "kill".into(),
        change: json!({ "apply": [] }),
    }
}

#[tokio::test]
async fn what_was_written_is_read_by_another_process_of_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = begun(folder.path()).await;
    trial(&store, "t1", 1).await;
    store.post_phase("t1", "init");
    store
        .finish_trial(
            "t1",
            TrialEnd {
                recovery_ms: Some(40),
                ended_at: 5,
                ..TrialEnd::default()
            },
        )
        .await
        .expect("its end");
    trial(&store, "t2", 2).await;
    let failed = TrialEnd {
        outcome: Outcome::TimedOut,
        recovery_ms: None,
        ..TrialEnd::default()
    };
    store.finish_trial("t2", failed).await.expect("its end");

    let other = Store::open_existing(store.path()).expect("open again");
    let summary = other.summary("campaign-1").await.expect("a summary");
    assert_eq!(
        summary,
        [CombinationSummary {
            subject: "etcd".into(),
            chaos: "node_kill".into(),
            trials: 2,
            passed: 1,
            failed: 1,
            mean_recovery_ms: Some(40.0),
        }]
    );
    let row = other
        .trial("trial-etcd-node_kill-1")
        .await
        .expect("by its name");
    assert_eq!(
        (row.id.as_str(), row.phase.as_deref()),
        ("t1", Some("init"))
    );
    assert_eq!(
        serde_json::from_value::<TrialSpec>(row.spec).expect("a spec"),
        spec(1)
    );
    let campaign = &other.campaigns(10).await.expect("a list")[0];
    assert_eq!((campaign.trials_ended, campaign.trials_passed), (2, 1));
}

#[tokio::test]
async fn a_change_goes_its_way_and_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = begun(folder.path()).await;
    trial(&store, "t1", 1).await;
    store.insert_change(change("c1")).await.expect("a change");
    store.insert_change(change("c2")).await.expect("a change");
    store.post_change_in_force("c2");
    let early = store.settle_change("c2", ChangeStatus::Reverted).await;
    assert!(
        early.is_err(),
        "a change is not gone before it was taken back"
    );

    let ids = |rows: Vec<ChangeRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    let unsettled = store
        .unsettled_changes_of_trial("t1")
        .await
        .expect("the journal");
    assert_eq!(ids(unsettled), ["c2", "c1"], "newest first");
    store.change_reverting("c2").await.expect("on its way");
    store.change_stuck("c2", "it holds").await.expect("noted");
    store.change_reverting("c2").await.expect("once more");
    store
        .settle_change("c2", ChangeStatus::Reverted)
        .await
        .expect("gone");
    store
        .settle_change("c2", ChangeStatus::Reverted)
        .await
        .expect("twice is once");
    assert_eq!(
        ids(store.unsettled_changes().await.expect("the journal")),
        ["c1"]
    );
    let rows = store.changes_of_trial("t1").await.expect("the journal");
    assert_eq!(
        (rows[0].status.as_str(), rows[0].error.as_deref()),
        ("reverted", None)
    );
}

#[tokio::test]
async fn one_write_that_fails_harms_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = begun(folder.path()).await;
    trial(&store, "t1", 1).await;
    let (bad, good) = tokio::join!(
        store.insert_change(NewChange {
            trial_id: "nobody".into(),
            ..change("c1")
        }),
        store.insert_change(change("c2"))
    );
    assert!(bad.is_err(), "its trial does not exist");
    good.expect("written");
}

#[tokio::test]
async fn an_abandoned_trial_is_cancelled_and_its_campaign_interrupted() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = begun(folder.path()).await;
    trial(&store, "t1", 1).await;
    assert_eq!(store.running_trials().await.expect("a list").len(), 1);
    store.abandon_trial("t1").await.expect("noted");
    assert_eq!(store.running_trials().await.expect("a list").len(), 0);
    assert_eq!(
        store.trial("t1").await.expect("there").outcome,
        Some(Outcome::Cancelled)
    );
    let running = store.running_campaigns().await.expect("a list");
    assert_eq!(running, [("campaign-1".to_owned(), "h".to_owned())]);
    store
        .finish_campaign("campaign-1", CampaignOutcome::Interrupted)
        .await
        .expect("noted");
    assert!(store.running_campaigns().await.expect("a list").is_empty());
    let campaign = store.find_campaign("quickstart").await.expect("a list");
    assert_eq!(
        campaign.expect("there").outcome.as_deref(),
        Some("interrupted")
    );
}

#[tokio::test]
async fn an_unknown_name_gets_the_nearest() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = begun(folder.path()).await;
    trial(&store, "t1", 1).await;
    let error = store
        .trial("trial-etcd-node_kil-1")
        .await
        .expect_err("unknown");
    assert_eq!(error.kind(), Kind::Input);
    assert_eq!(error.hints(), ["did you mean `trial-etcd-node_kill-1`?"]);
}

#[test]
fn what_is_no_database_of_ours_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().join("notes.txt");
    std::fs::write(
        &text,
        "these are notes, and more than a hundred bytes of them: ".repeat(4),
    )
    .expect("write");
    let error = Store::open(&text).expect_err("no database");
    assert_eq!(error.kind(), Kind::Input);
    assert!(
        error.to_string().contains("is no SQLite database"),
        "{error}"
    );

    let foreign = folder.path().join("foreign.db");
    Connection::open(&foreign)
        .and_then(|db| db.execute_batch("CREATE TABLE t (x)"))
        .expect("make");
    let error = Store::open(&foreign).expect_err("another's");
    assert!(error.to_string().contains("of another program"), "{error}");

    let newer = folder.path().join("newer.db");
    drop(Store::open(&newer).expect("make"));
    Connection::open(&newer)
        .and_then(|db| db.execute_batch("PRAGMA user_version = 99"))
        .expect("age");
    let error = Store::open(&newer).expect_err("too new");
    assert_eq!(error.kind(), Kind::Input);
    assert!(error.to_string().contains("newer duress"), "{error}");

    let error = Store::open_existing(&folder.path().join("none.db")).expect_err("none");
    assert_eq!(error.kind(), Kind::Input);
    assert!(
        !folder.path().join("none.db").exists(),
        "looking makes no file"
    );
    let error = Store::open(folder.path()).expect_err("a folder");
    assert_eq!(error.kind(), Kind::Environment);
}
