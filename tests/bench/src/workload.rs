//! A workload: how many operations one plugin makes each second, and what the host adds to them.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use serde_json::json;

use crate::harness::PATIENCE;
use crate::{Row, repository};
use duress_capability::{Audit, PluginScope, TrialScope};
use duress_docker::Docker;
use duress_engine::{AddressBook, Engine, LABEL_PROJECT, Project, Stack};
use duress_experiment::{Load, LoadClient, Operation};
use duress_http::Client as Transport;
use duress_plugin::{CallLimits, Catalog, PluginClient, Runtime};
use duress_store::Store;
use duress_workload::{Client, HttpClient, Workload};

/// Operations per second that are asked for, and that must be reached at least.
const ASKED: f64 = 2_200.0;
const PROMISED: f64 = 2_000.0;
/// How long it is measured.
const TIME: Duration = Duration::from_secs(10);
/// What answers at once.
const URL: &str = "http://web:2379/version";

pub(crate) async fn measure() -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let compose = folder.path().join("docker-compose.yaml");
    let image = std::env::var("DURESS_ETCD_IMAGE").context("no variable names an image")?;
    fs::write(
        &compose,
        format!(
            "services:\n  web:\n    image: {image}\n    init: true\n    command: [etcd, --listen-client-urls, \"http://0.0.0.0:2379\", \
             --advertise-client-urls, \"http://web:2379\", --data-dir, /tmp/etcd]\n"
        ),
    )?;
    let id = uuid::Uuid::now_v7().simple().to_string();
    let project = Project(format!("duress-{}", &id[20..]));
    let stack = Stack {
        project: project.clone(),
        compose_file: compose,
        labels: BTreeMap::from([(LABEL_PROJECT.to_owned(), project.to_string())]),
    };
    let engine: Arc<dyn Engine> = Arc::new(Docker::connect(None).await?);
    engine.stack_up(&stack, PATIENCE).await?;
    let rows = on(&engine, &project, folder.path()).await;
    engine.stack_down(&stack, PATIENCE).await?;
    rows
}

async fn on(
    engine: &Arc<dyn Engine>,
    project: &Project,
    folder: &std::path::Path,
) -> Result<Vec<Row>> {
    let http = Transport::new().map_err(failed)?;
    let built_in = Load {
        rate: ASKED,
        timeout_ms: 1_000,
        in_flight: 1_000,
        client: LoadClient::Http {
            method: "GET".into(),
            url: URL.into(),
            headers: Vec::new(),
            body: None,
            error_from_status: 400,
        },
    };
    let book = AddressBook::new(Arc::clone(engine), project.clone());
    let client = HttpClient::new(&http, &built_in, Some(book)).map_err(failed)?;
    let mut rows = run(
        [
            "HTTP operations each second",
            "their p99",
            "how late they began (p99)",
        ],
        &built_in,
        client,
    )
    .await?;

    let runtime = Runtime::new(Some(&folder.join("cache"))).map_err(failed)?;
    let catalog = Catalog::discover(runtime, vec![repository().join("tests/noop")]);
    let subject = catalog.subject("noop").await.map_err(failed)?;
    let store = Store::open(&folder.join("duress.db")).map_err(failed)?;
    let audit = Audit::new(store, "bench".into());
    let trial = TrialScope {
        engine: Some(Arc::clone(engine)),
        ..TrialScope::new("bench", project.clone(), 7, audit, http)
    };
    let scope = PluginScope {
        plugin: "noop".into(),
        settings: json!({ "url": URL }),
        grants: subject.plugin.manifest.permissions.clone(),
        trial: Some(Arc::new(trial)),
    };
    let request = Operation {
        name: "request".into(),
        share: 1.0,
    };
    let by_plugin = Load {
        client: LoadClient::Plugin {
            operations: vec![request],
        },
        ..built_in
    };
    let limits = CallLimits::default();
    let plugin = Arc::clone(&subject.plugin);
    let client = PluginClient::new(plugin, &scope, &by_plugin, 7, &limits)
        .await
        .map_err(failed)?;
    rows.extend(
        run(
            [
                "a plugin's operations each second",
                "their p99",
                "how late they began (p99)",
            ],
            &by_plugin,
            client,
        )
        .await?,
    );
    Ok(rows)
}

async fn run(names: [&'static str; 3], load: &Load, client: impl Client) -> Result<Vec<Row>> {
    let running = Workload::start(load, Arc::new(client), 0);
    // Until connections are made, and the server has come up.
    tokio::time::sleep(Duration::from_secs(5)).await;
    running.phase("measured");
    tokio::time::sleep(TIME).await;
    let report = running.stop().await;
    let measured = report.phases.last().context("a phase")?;
    let latency = measured.latency.context("latencies")?;
    let late = report.late.context("latenesses")?;
    if measured.completed == 0 {
        return Err(anyhow!("no operation succeeded: {report:?}"));
    }
    Ok(vec![
        Row {
            what: names[0],
            measured: format!("{:.0} of {ASKED:.0}", measured.throughput),
            promised: "≥ 2,000",
            kept: measured.throughput >= PROMISED,
        },
        Row::below(
            names[1],
            Duration::from_micros(latency.p99_us),
            Duration::from_millis(50),
            "< 50 ms",
        ),
        Row::below(
            names[2],
            Duration::from_micros(late.p99_us),
            Duration::from_millis(10),
            "< 10 ms",
        ),
    ])
}

fn failed(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow!("{error}")
}
