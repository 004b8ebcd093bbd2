//! Many plugins, many instances, and a large one.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, anyhow};
use serde_json::json;

use crate::{Row, median, repository};
use duress_capability::{Permissions, PluginScope};
use duress_plugin::{Catalog, Plugin, Runtime, embed};

/// How many plugins a large installation has.
const PLUGINS: usize = 20;
/// How many instances there are at once.
const INSTANCES: usize = 1_000;
/// What one of them may take, in bytes.
const INSTANCE_LIMIT: u64 = 2 << 20;

pub(crate) async fn measure() -> Result<Vec<Row>> {
    Ok(vec![
        first_call().await?,
        instances().await?,
        python().await?,
    ])
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("{error}")
}

/// From nothing to an answer of each of many plugins, all of which were compiled before.
async fn first_call() -> Result<Row> {
    let folder = tempfile::tempdir()?;
    let etcd = repository().join("plugins/etcd");
    let component = fs::read(etcd.join("etcd.wasm"))?;
    let manifest = fs::read_to_string(etcd.join("plugin.yaml"))?;
    let names: Vec<String> = (0..PLUGINS)
        .map(|number| format!("etcd-{number}"))
        .collect();
    for name in &names {
        let place = folder.path().join("plugins").join(name);
        fs::create_dir_all(&place)?;
        let own = manifest.replacen("name: etcd", &format!("name: {name}"), 1);
        // Each is another component, by its digest.
        fs::write(
            place.join("etcd.wasm"),
            embed(&component, &own).map_err(failed)?,
        )?;
        fs::write(place.join("plugin.yaml"), own)?;
    }
    let cache = folder.path().join("cache");
    let start = async || -> Result<Duration> {
        let began = Instant::now();
        let runtime = Runtime::new(Some(&cache)).map_err(failed)?;
        let catalog = Catalog::discover(runtime, vec![folder.path().to_owned()]);
        for name in &names {
            let place = catalog.plugin_directory(name).map_err(failed)?;
            // With its first call: the list of its faults.
            catalog.runtime().examine(&place).await.map_err(failed)?;
        }
        Ok(began.elapsed())
    };
    start().await?;
    let mut times = Vec::new();
    for _ in 0..10 {
        times.push(start().await?);
    }
    Ok(Row::below(
        "from the start to a call into each of 20 cached plugins",
        median(times),
        Duration::from_millis(50),
        "< 50 ms",
    ))
}

/// Returns what many instances take at once.
async fn instances() -> Result<Row> {
    let runtime = Runtime::new(None).map_err(failed)?;
    let catalog = Catalog::discover(runtime, vec![repository().join("tests/noop")]);
    let subject = catalog.subject("noop").await.map_err(failed)?;
    let before = resident()?;
    let calls: Vec<_> = (0..INSTANCES)
        .map(|_| {
            let subject = Arc::clone(&subject);
            tokio::spawn(async move { wait(&subject.plugin).await })
        })
        .collect();
    let mut most = 0;
    while !calls.iter().all(tokio::task::JoinHandle::is_finished) {
        most = most.max(resident()?);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let each = most.saturating_sub(before) / INSTANCES as u64;
    Ok(Row {
        what: "memory of one of 1,000 instances at once",
        measured: format!("{} kB", each / 1000),
        promised: "< 2 MB",
        kept: each < INSTANCE_LIMIT,
    })
}

/// A call that waits until it is ended.
async fn wait(plugin: &Plugin) {
    let scope = Arc::new(PluginScope {
        plugin: "noop".into(),
        settings: json!({}),
        grants: Permissions::default(),
        trial: None,
    });
    let sleep = json!({ "how": "sleep", "with": [] });
    let limit = Duration::from_secs(3);
    // That it is ended is what is meant.
    let _ = plugin
        .component
        .inject(&scope, "misbehave", &sleep, &[], limit)
        .await;
}

/// Returns the memory that this process holds, in bytes (proc_pid_statm(5)).
fn resident() -> Result<u64> {
    let text = fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = text
        .split(' ')
        .nth(1)
        .context("statm has a second field")?
        .parse()?;
    Ok(pages * rustix::param::page_size() as u64)
}

/// Returns an interpreter with its library.
async fn python() -> Result<Row> {
    let hush = repository().join("plugins/examples/plugins/hush");
    let folder = tempfile::tempdir()?;
    let load = async |cache: &Path| -> Result<Duration> {
        let runtime = Runtime::new(Some(cache)).map_err(failed)?;
        let began = Instant::now();
        runtime.examine(&hush).await.map_err(failed)?;
        Ok(began.elapsed())
    };
    load(folder.path()).await?;
    let mut times = Vec::new();
    for _ in 0..5 {
        times.push(load(folder.path()).await?);
    }
    Ok(Row::below(
        "load a component in Python from the cache, list its faults",
        median(times),
        Duration::from_millis(100),
        "< 100 ms",
    ))
}
