//! Load on real systems, and what clients see when one of them is killed. What operations of a hostile plugin come to.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{Harness, on_record};
use crate::program::repository;
use duress_capability::{Audit, OPERATE, PluginScope, TrialScope};
use duress_engine::{AddressBook, Project};
use duress_experiment::{Load, LoadClient, Operation};
use duress_http::Client as Transport;
use duress_plugin::{CallLimits, Catalog, Plugin, PluginClient, Runtime};
use duress_store::{HostLock, Store};
use duress_workload::{Client, HttpClient, Report, Running, Second, TIMEOUT, Workload};

/// How long anything that a test waits for may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn by_plugin(rate: f64, operations: &[(&str, f64)]) -> Load {
    let operation = |&(name, share): &(&str, f64)| Operation {
        name: name.to_owned(),
        share,
    };
    Load {
        rate,
        timeout_ms: 1_000,
        in_flight: 400,
        client: LoadClient::Plugin {
            operations: operations.iter().map(operation).collect(),
        },
    }
}

/// Collects the seconds of a workload until enough of them are as they should be.
struct Watched {
    running: Running,
    seconds: Vec<Second>,
}

impl Watched {
    fn start(load: &Load, client: impl Client) -> Self {
        Self {
            running: Workload::start(load, Arc::new(client), 0),
            seconds: Vec::new(),
        }
    }

    /// Waits until so many consecutive seconds, counted from now, are of a kind.
    async fn until(&mut self, what: &str, number: usize, is_so: impl Fn(&Second) -> bool) {
        self.seconds.extend(self.running.seconds());
        let from = self.seconds.len();
        let seen = async {
            loop {
                self.seconds.extend(self.running.seconds());
                let new = &self.seconds[from..];
                if new.windows(number).any(|some| some.iter().all(&is_so)) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let seen = tokio::time::timeout(PATIENCE, seen).await;
        assert!(seen.is_ok(), "{what}: {:#?}", self.seconds);
    }
}

fn failed(second: &Second) -> u64 {
    second.errors.values().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_member_of_etcd_is_an_outage_by_the_second() {
    let harness = Harness::new("etcd", &["etcd0"]).await;
    let load = by_plugin(
        60.0,
        &[("put", 0.5), ("get", 0.3), ("get_serializable", 0.2)],
    );
    let plugin = Arc::clone(&harness.subject.plugin);
    let client = PluginClient::new(plugin, &harness.scope, &load, 7, &CallLimits::default())
        .await
        .unwrap();
    let mut workload = Watched::start(&load, client);
    workload.running.phase("baseline");
    let is_well = |second: &Second| failed(second) == 0 && second.completed >= 40;
    workload.until("it is well", 2, is_well).await;

    workload.running.phase("fault");
    let member = harness.container("etcd0");
    crate::docker::docker(&["kill", &member.0]);
    // Every third operation is for the killed member; the others go on when there is a leader again.
    let is_hurt = |second: &Second| failed(second) >= 15 && second.completed >= 30;
    workload.until("the member is missed", 2, is_hurt).await;
    let rate = workload
        .running
        .measure("error_rate", Duration::from_secs(2));
    // The seconds since may be those without a leader.
    assert!(rate.is_ok_and(|rate| (0.1..1.0).contains(&rate)));

    crate::docker::docker(&["start", &member.0]);
    workload.running.phase("recovery");
    workload.until("it has recovered", 2, is_well).await;

    let report = workload.running.stop().await;
    let phases: BTreeMap<_, _> = report
        .phases
        .iter()
        .map(|one| (one.name.as_str(), one))
        .collect();
    assert_eq!(phases["baseline"].error_rate, Some(0.0), "{report:#?}");
    assert!(
        phases["fault"].error_rate.is_some_and(|rate| rate > 0.1),
        "{report:#?}"
    );
    assert!(phases["baseline"].latency.is_some());
    let kinds: Vec<_> = report
        .errors
        .iter()
        .map(|error| error.kind.as_str())
        .collect();
    assert!(kinds.contains(&"unavailable"), "{kinds:?}");
    audit_is_short(&harness.store, &report).await;
}

/// A row for each kind of call every few seconds, and not one for each operation.
async fn audit_is_short(store: &Store, report: &Report) {
    let trial = store.running_trials().await.unwrap().remove(0);
    store.flush().await.unwrap();
    let audit = store.audit(&trial.id).await.unwrap();
    let rows: Vec<_> = audit.iter().filter(|row| row.function == OPERATE).collect();
    assert!(!rows.is_empty() && rows.len() < 60, "{} rows", rows.len());
    let requests = rows.iter().filter(|row| row.call == "http.send");
    let sent: u64 = requests
        .map(|row| row.arguments["times"].as_u64().unwrap())
        .sum();
    let ended: u64 = report.phases.iter().map(|phase| phase.completed).sum();
    assert!(
        sent >= ended,
        "{sent} requests are on record, and {ended} operations succeeded"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_is_an_outage_for_http_clients() {
    let harness = Harness::new("etcd", &["etcd0"]).await;
    let load = Load {
        rate: 100.0,
        timeout_ms: 1_000,
        in_flight: 200,
        client: LoadClient::Http {
            method: "GET".into(),
            url: "http://etcd0:2379/version".into(),
            headers: vec![("accept".into(), "application/json".into())],
            body: None,
            error_from_status: 400,
        },
    };
    let book = AddressBook::new(Arc::clone(&harness.engine), harness.project.clone());
    let transport = Transport::new().unwrap();
    let client = HttpClient::new(&transport, &load, Some(book)).unwrap();
    let mut workload = Watched::start(&load, client);
    let is_well = |second: &Second| failed(second) == 0 && second.completed >= 70;
    workload.until("it is well", 2, is_well).await;
    let member = harness.container("etcd0");
    crate::docker::docker(&["kill", &member.0]);
    let is_gone = |second: &Second| failed(second) >= 70 && second.completed == 0;
    workload.until("it is gone", 2, is_gone).await;
    let none = workload.running.measure("p99", Duration::from_secs(1));
    assert!(
        none.is_err() || none.is_ok_and(|p99| p99 >= 1.0),
        "no value that looks good"
    );
    crate::docker::docker(&["start", &member.0]);
    workload.until("it is back", 2, is_well).await;
    let report = workload.running.stop().await;
    let kinds: Vec<_> = report
        .errors
        .iter()
        .map(|error| error.kind.as_str())
        .collect();
    assert!(kinds.contains(&"not_running"), "{report:#?}");

    // A path that is not there, on a server that is: its own kind.
    let mut load = load;
    if let LoadClient::Http { url, .. } = &mut load.client {
        *url = "http://etcd0:2379/nothing/here".into();
    }
    let book = AddressBook::new(Arc::clone(&harness.engine), harness.project.clone());
    let client = HttpClient::new(&transport, &load, Some(book)).unwrap();
    let mut workload = Watched::start(&load, client);
    workload
        .until("it says no", 1, |second| {
            second.errors.contains_key("status_4xx")
        })
        .await;
}

/// A plugin of a subject without containers.
struct Hostile {
    plugin: Arc<Plugin>,
    scope: PluginScope,
    store: Store,
    _lock: HostLock,
    _folder: tempfile::TempDir,
}

impl Hostile {
    async fn new(settings: Value) -> Self {
        let runtime = Runtime::new(Runtime::default_cache_directory().as_deref()).unwrap();
        let catalog = Catalog::discover(runtime, vec![repository().join("tests/noop")]);
        let plugin = Arc::clone(&catalog.subject("noop").await.unwrap().plugin);
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("duress.db")).unwrap();
        let lock = HostLock::acquire(&store.host_locks()).unwrap();
        store.insert_host(lock.id()).await.unwrap();
        let audit = Audit::new(store.clone(), "hostile".into());
        let project = Project("duress-none".into());
        on_record(&store, lock.id(), "hostile", &project).await;
        let trial = TrialScope::new("hostile", project, 7, audit, Transport::new().unwrap());
        Self {
            scope: PluginScope {
                plugin: "noop".into(),
                settings,
                grants: plugin.manifest.permissions.clone(),
                trial: Some(Arc::new(trial)),
            },
            plugin,
            store,
            _lock: lock,
            _folder: folder,
        }
    }

    async fn client(&self, load: &Load) -> duress_model::Result<PluginClient> {
        let plugin = Arc::clone(&self.plugin);
        PluginClient::new(plugin, &self.scope, load, 7, &CallLimits::default()).await
    }

    /// Makes one operation for a while, until so many have ended.
    async fn run(&self, operation: &str, number: u64) -> Report {
        let load = by_plugin(40.0, &[(operation, 1.0)]);
        let running = Workload::start(&load, Arc::new(self.client(&load).await.unwrap()), 0);
        let ended = async {
            loop {
                let report = running.report();
                let phase = report.phases.first();
                let failed = phase.map_or(0, |phase| phase.errors.values().sum());
                if phase.is_some_and(|phase| phase.completed + failed >= number) {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let ended = tokio::time::timeout(PATIENCE, ended).await;
        assert!(ended.is_ok(), "{operation}: {:#?}", running.report());
        running.stop().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_operations_are_errors_and_harm_nobody() {
    let hostile = Hostile::new(json!({ "operations": "hostile" })).await;
    for (operation, kind, example) in [
        ("panic", "plugin_failed", "misbehaving as asked"),
        ("spin", TIMEOUT, "no end within 1000 ms"),
        ("sleep", TIMEOUT, "no end within 1000 ms"),
        ("huge_failure", "other", "kkk"),
        ("odd_kinds", "other", "kind "),
        ("exec", "denied", "may not call `containers.exec`"),
    ] {
        let report = hostile.run(operation, 10).await;
        let error = &report.errors[0];
        assert_eq!(error.kind, kind, "{operation}: {report:#?}");
        assert!(
            error.example.contains(example),
            "{operation}: {}",
            error.example
        );
        assert!(error.example.len() < 400 && !error.example.contains('\u{1b}'));
        assert_eq!(report.errors.len(), 1, "{operation}: {report:#?}");
    }
    // Others go on meanwhile and afterwards.
    let well = hostile.run("nothing", 10).await;
    assert!(well.errors.is_empty(), "{well:#?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_that_take_memory_have_no_more_than_their_share() {
    let hostile = Hostile::new(json!({ "operations": "hostile" })).await;
    let before = resident_bytes();
    let report = hostile.run("allocate", 20).await;
    assert!(report.phases[0].completed == 0, "{report:#?}");
    // All together may have a gibibyte.
    let grown = peak_bytes().saturating_sub(before);
    assert!(grown < 3 << 29, "{} MiB", grown >> 20);
}

fn resident_bytes() -> u64 {
    status("VmRSS:")
}

fn peak_bytes() -> u64 {
    status("VmHWM:")
}

fn status(field: &str) -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix(field))
        .unwrap();
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    kilobytes << 10
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_that_log_without_end_fill_no_log() {
    let hostile = Hostile::new(json!({ "operations": "hostile" })).await;
    let report = hostile.run("log_flood", 20).await;
    assert!(report.errors.is_empty(), "{report:#?}");
    hostile.store.flush().await.unwrap();
    let log = hostile.store.log("hostile").await.unwrap();
    let dropped = log
        .iter()
        .any(|line| line.message.contains("more lines in 10s: dropped"));
    // A hundred each ten seconds.
    assert!(log.len() < 700 && dropped, "{} lines", log.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_lists_of_operations_are_refused() {
    for (list, right) in [
        ("many", "10000 operations; 100 are the most"),
        ("twice", "brings the operation `same` twice"),
        ("../put", "it calls an operation `../put`"),
        ("-put", "it calls an operation `-put`"),
        (&"p".repeat(65), "1 to 64 letters"),
        ("a\u{1b}[2J", "it calls an operation"),
    ] {
        let hostile = Hostile::new(json!({ "operations": list })).await;
        let load = by_plugin(10.0, &[("nothing", 1.0)]);
        let error = hostile
            .client(&load)
            .await
            .expect_err("refused")
            .to_string();
        assert!(error.contains(right), "{list}: {error}");
        assert!(!error.contains('\u{1b}') && error.len() < 500);
    }
    let sound = Hostile::new(json!({})).await;
    for (operation, right) in [
        ("nothin", "did you mean `nothing`?"),
        ("x", "it brings nothing, request"),
    ] {
        let load = by_plugin(10.0, &[(operation, 1.0)]);
        let error = sound.client(&load).await.expect_err("refused");
        assert!(error.to_string().contains("brings no operation"), "{error}");
        assert!(
            error.hints().iter().any(|hint| hint.contains(right)),
            "{error:?}"
        );
    }
}
