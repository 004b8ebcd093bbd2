//! Components: compiled, loaded, instantiated, and how fast they call the host.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use serde_json::{Value, json};

use crate::{Row, median, repository};
use duress_capability::PluginScope;
use duress_plugin::{CallLimits, Catalog, Runtime};

/// What `misbehave` makes before the host ends it (`HOST_CALL_LIMIT`).
const HOST_CALLS: u32 = 100_000;

pub(crate) async fn measure() -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let cache = folder.path().join("cache");
    let load = async |cache| -> Result<Duration> {
        let runtime = Runtime::new(Some(cache)).map_err(|error| anyhow!("{error}"))?;
        let catalog = Catalog::discover(runtime, vec![repository().to_owned()]);
        let began = Instant::now();
        catalog
            .plugin("etcd")
            .await
            .map_err(|error| anyhow!("{error}"))?;
        Ok(began.elapsed())
    };
    let compiled = load(&cache).await?;
    let mut loaded = Vec::new();
    for _ in 0..20 {
        loaded.push(load(&cache).await?);
    }

    let runtime = Runtime::new(Some(&cache)).map_err(|error| anyhow!("{error}"))?;
    let catalog = Catalog::discover(runtime, vec![repository().join("tests/noop")]);
    let subject = catalog
        .subject("noop")
        .await
        .map_err(|error| anyhow!("{error}"))?;
    let plugin = &subject.plugin.component;
    let scope = Arc::new(PluginScope {
        plugin: "noop".into(),
        settings: json!({}),
        grants: duress_capability::Permissions::default(),
        trial: None,
    });
    let limits = CallLimits::default();
    let (mut instances, mut calls) = (Vec::new(), Vec::new());
    for _ in 0..2_000 {
        let began = Instant::now();
        plugin
            .instantiate(&limits)
            .await
            .map_err(|error| anyhow!("{error}"))?;
        instances.push(began.elapsed());

        let began = Instant::now();
        plugin
            .health(&scope, limits.health)
            .await
            .map_err(|error| anyhow!("{error}"))?;
        calls.push(began.elapsed());
    }
    let flood = json!({ "how": "call_flood" });
    let began = Instant::now();
    let ended: Result<Value, _> = plugin
        .inject(&scope, "misbehave", &flood, &[], limits.fault)
        .await;
    let host_call = began.elapsed() / HOST_CALLS;
    if ended.is_ok() {
        return Err(anyhow!("the flood was not ended"));
    }
    Ok(vec![
        Row::below(
            "compile a component, list its faults",
            compiled,
            Duration::from_millis(500),
            "< 500 ms",
        ),
        Row::below(
            "load it from the cache, list its faults",
            median(loaded),
            Duration::from_millis(5),
            "< 5 ms",
        ),
        Row::below(
            "instantiate it (p50)",
            median(instances),
            Duration::from_micros(50),
            "< 50 µs",
        ),
        Row::below(
            "instantiate it and ask for its health (p50)",
            median(calls),
            Duration::from_micros(200),
            "< 200 µs",
        ),
        Row::below(
            "a host call from a guest",
            host_call,
            Duration::from_micros(5),
            "< 5 µs",
        ),
    ])
}
