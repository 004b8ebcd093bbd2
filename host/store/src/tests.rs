//! The store on real files.

use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use duress_model::{CampaignOutcome, Kind, Outcome, Phase, TrialSpec};

fn spec(index: u32) -> TrialSpec {
    TrialSpec {
        seed: 7,
        ..TrialSpec::new("etcd", "node_kill", index)
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
        digests: BTreeMap::new(),
        dry_run: false,
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
        experiment: None,
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
    store.post_phase("t1", Phase::Init);
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
    assert_eq!((row.id.as_str(), row.phase), ("t1", Some(Phase::Init)));
    assert!(matches!(row.spec, StoredSpec::Known(stored) if *stored == spec(1)));
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

    let ids = |rows: Vec<ChangeRow>| rows.into_iter().map(|row| row.id).collect::<Vec<_>>();
    let unsettled = store
        .unsettled_changes_of_trial("t1")
        .await
        .expect("the journal");
    assert_eq!(ids(unsettled), ["c2", "c1"], "newest first");
    store.post_change_reverting("c2");
    store.post_change_stuck("c2", "it holds");
    store.post_change_reverting("c2");
    let settled = |id, status| store.note_change(id, status).written();
    settled("c2", ChangeStatus::Reverted).await.expect("gone");
    settled("c2", ChangeStatus::Void)
        .await
        .expect("what is settled stays so");
    store.post_change_reverting("c2");
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
    let campaign = store.campaign("quickstart").await.expect("there");
    assert_eq!(campaign.outcome, Some(CampaignOutcome::Interrupted));
    assert_eq!(
        campaign.trials_ended, 0,
        "what was cancelled has not run to its end"
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
        error.to_string().contains("is not an SQLite database"),
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

#[tokio::test]
async fn a_database_of_every_version_is_read_and_gone_on_with() {
    for version in open::versions() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("old.db");
        open::of_version(&path, version);
        let store = Store::open(&path).expect("open");
        let campaign = store.campaign("old").await.expect("it exists");
        assert_eq!(
            (campaign.trials_ended, campaign.trials_passed),
            (1, 1),
            "from version {version}"
        );
        let unsettled = store.unsettled_changes().await.expect("the journal");
        assert_eq!(unsettled.len(), 1, "from version {version}");
        store.abandon_trial("t2").await.expect("noted");
        let finished = store.finished_trials("campaign-old").await.expect("a list");
        assert_eq!(
            finished.into_iter().collect::<Vec<_>>(),
            ["trial-etcd-node_kill-1"]
        );
        store.insert_host("h2").await.expect("a host");
        store
            .finish_campaign("campaign-old", CampaignOutcome::Interrupted)
            .await
            .expect("noted");
        assert!(
            store
                .take_up_campaign("campaign-old", "h2")
                .await
                .expect("taken up")
        );
        assert!(
            !store
                .take_up_campaign("campaign-old", "h")
                .await
                .expect("asked"),
            "by one alone"
        );
        assert_eq!(damage::check(store.path()).expect("looked"), [""; 0]);
    }
}

#[tokio::test]
async fn a_later_attempt_stands_in_the_place_of_a_cancelled_one_and_of_no_other() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = begun(folder.path()).await;
    trial(&store, "t1", 1).await;
    store.abandon_trial("t1").await.expect("noted");
    trial(&store, "t2", 1).await;
    store
        .finish_trial("t2", TrialEnd::default())
        .await
        .expect("its end");
    let summary = store.summary("campaign-1").await.expect("a summary");
    assert_eq!((summary[0].trials, summary[0].passed), (1, 1));
    let rows = store
        .trials_of_campaign("campaign-1", 10)
        .await
        .expect("a list");
    let superseded: Vec<_> = rows
        .iter()
        .map(|row| (row.id.as_str(), row.superseded))
        .collect();
    assert_eq!(superseded, [("t1", true), ("t2", false)]);
    let again = NewTrial {
        id: "t3".into(),
        campaign_id: "campaign-1".into(),
        host_id: "h".into(),
        slot: 0,
        project: "duress-t3".into(),
        digests: BTreeMap::new(),
        spec: spec(1),
        experiment: None,
    };
    store
        .start_trial(again)
        .await
        .expect_err("what has finished is not run again");
}

#[tokio::test]
async fn a_backup_is_whole_and_overwrites_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = begun(folder.path()).await;
    trial(&store, "t1", 1).await;
    let copy = folder.path().join("copy.db");
    store.back_up(&copy).await.expect("copied");
    let error = store.back_up(&copy).await.expect_err("it exists");
    assert_eq!(error.kind(), Kind::Input);
    let nowhere = store
        .back_up(Path::new("/proc/copy.db"))
        .await
        .expect_err("no place for it");
    assert_eq!(nowhere.kind(), Kind::Environment);
    trial(&store, "t2", 2).await;
    let copy = Store::open_existing(&copy).expect("open the copy");
    let rows = copy
        .trials_of_campaign("campaign-1", 10)
        .await
        .expect("a list");
    assert_eq!(rows.len(), 1, "as it was at its moment");
    assert_eq!(damage::check(copy.path()).expect("looked"), [""; 0]);
    assert_ne!(
        copy.identity(),
        store.identity(),
        "a copy is another database"
    );
    let left: Vec<_> = std::fs::read_dir(folder.path())
        .expect("a folder")
        .flatten()
        .map(|file| file.file_name().to_string_lossy().into_owned())
        .filter(|name| name.starts_with(".duress"))
        .collect();
    assert_eq!(left, [""; 0]);
}

#[tokio::test]
async fn damage_after_a_crash_is_told_at_the_next_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = begun(folder.path()).await;
    for index in 1..200 {
        trial(&store, &format!("t{index}"), index).await;
    }
    let backup = folder.path().join("backup.db");
    store.back_up(&backup).await.expect("a backup");
    store.close().await.expect("closed");
    let path = store.path().to_owned();
    let identity = store.identity().to_owned();
    drop(store);
    let mut bytes = std::fs::read(&path).expect("read");
    let half = bytes.len() / 2;
    bytes[half..half + 3 * 4096].fill(0x5a);
    std::fs::write(&path, bytes).expect("write");
    // In good order it is not looked through: that takes time.
    drop(Store::open(&path).expect("open"));
    std::fs::write(path.with_extension("db-wal"), [1; 64]).expect("a log that was left");
    let error = Store::open(&path).expect_err("damaged");
    assert_eq!(error.kind(), Kind::Environment);
    assert!(error.hints()[0].contains("duress db restore"), "{error}");

    // It is not forgotten, though what gave the damage away is gone.
    assert!(!path.with_extension("db-wal").exists());
    let error = Store::open(&path).expect_err("still damaged");
    assert_eq!(error.kind(), Kind::Environment);
    assert!(!damage::check(&path).expect("looked").is_empty());

    let salvaged = damage::salvage(&path).expect("what can be read");
    let trials = salvaged.tables.iter().find(|(table, ..)| table == "trials");
    let (_, rows, whole) = trials.expect("a table");
    assert!((100..199).contains(rows) && !whole, "{salvaged:?}");
    let kept = salvaged.kept.expect("the damaged one");
    let store = Store::open(&path).expect("it is sound");
    assert_eq!(
        store.identity(),
        identity,
        "its runs' stacks are still its own"
    );
    drop(store);

    // A backup in the place of the damaged one, with the identity of that.
    std::fs::copy(&kept, &path).expect("the damage again");
    assert!(!damage::check(&path).expect("looked").is_empty());
    damage::restore(&path, &backup).expect("restored");
    let store = Store::open(&path).expect("it is sound");
    let rows = store.trials_of_campaign("campaign-1", usize::MAX).await;
    assert_eq!(rows.expect("a list").len(), 199);
    assert_eq!(store.identity(), identity);
    let error = damage::restore(&path, &kept).expect_err("it is damaged");
    assert_eq!(error.kind(), Kind::Environment, "{error}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn what_a_deleted_database_held_is_saved() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = begun(folder.path()).await;
    assert_eq!(store.rescue().await.expect("looked"), None);
    trial(&store, "t1", 1).await;
    std::fs::remove_file(store.path()).expect("deleted");
    trial(&store, "t2", 2).await;
    let saved = store.rescue().await.expect("saved").expect("a file");
    let saved = Store::open_existing(&saved).expect("open what was saved");
    let rows = saved.trials_of_campaign("campaign-1", 10).await;
    assert_eq!(rows.expect("a list").len(), 2);
}

#[tokio::test]
async fn two_names_of_one_file_are_one_database() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = begun(folder.path()).await;
    let link = folder.path().join("link.db");
    std::os::unix::fs::symlink(store.path(), &link).expect("a link");
    let linked = Store::open(&link).expect("open");
    assert_eq!(linked.path(), store.path());
    assert_eq!(linked.host_locks(), store.host_locks());
    assert_eq!(linked.identity(), store.identity());
}

#[tokio::test]
async fn who_reads_for_long_holds_no_writer_up() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = begun(folder.path()).await;
    let reader = Connection::open(store.path()).expect("open");
    reader.execute_batch("BEGIN").expect("a transaction");
    let count = || {
        reader.query_row("SELECT count(*) FROM trials", [], |row| {
            row.get::<_, i64>(0)
        })
    };
    assert_eq!(count().expect("a number"), 0);
    trial(&store, "t1", 1).await;
    assert_eq!(count().expect("a number"), 0, "it sees its own moment");
    assert_eq!(store.running_trials().await.expect("a list").len(), 1);
}
