//! What writing a change down adds to a program in a container.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use serde_json::json;

use crate::harness::{Harness, PATIENCE};
use crate::{Row, median};
use duress_engine::{Program, Programs as _, Project};
use duress_model::TrialSpec;
use duress_store::{HostLock, NewCampaign, NewChange, NewTrial, Store};

const ROUNDS: usize = 30;

pub(crate) async fn measure() -> Result<Row> {
    let harness = Harness::up(None).await?;
    let folder = tempfile::tempdir()?;
    let measured = side_by_side(&harness, folder.path()).await;
    harness.down().await?;
    let (plain, journaled) = measured?;
    let added = journaled.saturating_sub(plain);
    let mut row = Row::below(
        "journaling adds to a docker exec",
        added,
        Duration::from_millis(5),
        "< 5 ms",
    );
    row.measured = format!("{added:.1?} (to {plain:.1?})");
    Ok(row)
}

/// Returns the same program without and with a change written down before it, in turn.
async fn side_by_side(harness: &Harness, folder: &std::path::Path) -> Result<(Duration, Duration)> {
    let Harness {
        docker,
        project,
        one: container,
        ..
    } = harness;
    let store = store(folder, project)
        .await
        .map_err(|error| anyhow!("{error}"))?;
    let program = Program {
        command: vec!["true".into()],
        timeout: PATIENCE,
    };
    let (mut plain, mut journaled) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let began = Instant::now();
        docker.exec(container, &program).await?;
        plain.push(began.elapsed());

        let began = Instant::now();
        let id = uuid::Uuid::now_v7().to_string();
        let change = NewChange {
            id: id.clone(),
            trial_id: "t".into(),
            host_id: "h".into(),
            project: project.to_string(),
            container: container.0.clone(),
            container_name: "one".into(),
            summary: "true".into(),
            change: json!({ "apply": [{ "run": { "command": ["true"] } }] }),
        };
        store
            .insert_change(change)
            .await
            .map_err(|error| anyhow!("{error}"))?;
        docker.exec(container, &program).await?;
        store.post_change_in_force(&id);
        journaled.push(began.elapsed());
    }
    Ok((median(plain), median(journaled)))
}

/// A store with the rows that a change refers to.
async fn store(folder: &std::path::Path, project: &Project) -> duress_model::Result<Store> {
    let store = Store::open(&folder.join("bench.db"))?;
    let _lock = HostLock::acquire(&store.host_locks())?;
    store.insert_host("h").await?;
    let campaign = NewCampaign {
        id: "c".into(),
        host_id: "h".into(),
        name: "bench".into(),
        variant: "default".into(),
        definition: json!({}),
        source: None,
        source_path: None,
        seed: 0,
        trials_planned: 1,
        digests: std::collections::BTreeMap::new(),
        dry_run: false,
    };
    store.insert_campaign(campaign).await?;
    let trial = NewTrial {
        id: "t".into(),
        campaign_id: "c".into(),
        host_id: "h".into(),
        slot: 0,
        project: project.to_string(),
        digests: BTreeMap::new(),
        spec: TrialSpec::new("bench", "none", 1),
        experiment: None,
    };
    store.start_trial(trial).await?;
    Ok(store)
}
