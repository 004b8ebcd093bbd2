//! A subject's stack, held still: a fault is injected and reverted step by step, so that its effect can be measured between.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::docker::Container;
use crate::program::repository;
use duress_capability::{Audit, Changes, PluginScope, TrialScope};
use duress_docker::Docker;
use duress_engine::{
    Engine, LABEL_DATABASE, LABEL_PROJECT, LABEL_TRIAL, NetDriver, Project, Stack, Stacks as _,
};
use duress_http::Client;
use duress_journal::{Executor, Listener, TrialJournal};
use duress_model::TrialSpec;
use duress_plugin::{CallError, Catalog, Plugin, Runtime, Subject};
use duress_store::{HostLock, NewCampaign, NewTrial, Store};

const LIMIT: Duration = Duration::from_secs(120);

/// A stack that is up, and what a trial on it has.
pub struct Harness {
    pub subject: Arc<Subject>,
    faults: Arc<Plugin>,
    pub scope: Arc<PluginScope>,
    fault_scope: Arc<PluginScope>,
    pub journal: TrialJournal,
    pub store: Store,
    pub engine: Arc<dyn Engine>,
    pub project: Project,
    _lock: HostLock,
    _folder: TempDir,
}

impl Harness {
    /// Brings a subject's stack up, with these containers as the blast radius; its own plugin breaks them.
    pub async fn new(subject: &str, radius: &[&str]) -> Self {
        Self::with_plugin(subject, subject, radius).await
    }

    /// As [`Harness::new`], with the faults of another plugin.
    pub async fn with_plugin(subject: &str, plugin: &str, radius: &[&str]) -> Self {
        Self::with_driver(subject, plugin, radius, None).await
    }

    /// As [`Harness::with_plugin`], with a driver for programs in a container's network.
    pub async fn with_driver(
        subject: &str,
        plugin: &str,
        radius: &[&str],
        driver: Option<NetDriver>,
    ) -> Self {
        let roots = vec![repository().to_owned(), repository().join("tests/noop")];
        Self::in_roots(roots, subject, plugin, radius, driver).await
    }

    /// As [`Harness::with_driver`], with the folders that hold the subject and the plugin.
    pub async fn in_roots(
        roots: Vec<std::path::PathBuf>,
        subject: &str,
        plugin: &str,
        radius: &[&str],
        driver: Option<NetDriver>,
    ) -> Self {
        let runtime = Runtime::new(Runtime::default_cache_directory().as_deref()).unwrap();
        let catalog = Catalog::discover(runtime, roots);
        let subject = catalog.subject(subject).await.unwrap();
        let faults = catalog.plugin(plugin).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("duress.db")).unwrap();
        let lock = HostLock::acquire(&store.host_locks()).unwrap();
        store.insert_host(lock.id()).await.unwrap();
        let id = uuid::Uuid::now_v7();
        let project = Project(format!("duress-{}", &id.simple().to_string()[20..]));
        on_record(&store, lock.id(), &id.to_string(), &project).await;

        let engine: Arc<dyn Engine> = Arc::new(Docker::connect(driver).await.unwrap());
        let http = Client::new().unwrap();
        let executor = Executor {
            engine: Arc::clone(&engine),
            http: http.clone(),
        };
        let listener = Listener(Arc::new(|_| {}));
        let journal = TrialJournal::new(
            store.clone(),
            executor,
            id.to_string(),
            lock.id().into(),
            listener,
        );
        let stack = Stack {
            project: project.clone(),
            compose_file: subject.compose_file().unwrap(),
            labels: [
                (LABEL_PROJECT, project.to_string()),
                (LABEL_TRIAL, id.to_string()),
                (LABEL_DATABASE, store.path().display().to_string()),
            ]
            .map(|(name, value)| (name.to_owned(), value))
            .into(),
        };
        let blast_radius = radius.iter().map(|&name| name.to_owned()).collect();
        let audit = Audit::new(store.clone(), id.to_string());
        let scope = Arc::new(PluginScope {
            plugin: subject.plugin.manifest.name.clone(),
            settings: subject.manifest.settings.clone(),
            grants: subject.plugin.manifest.permissions.clone(),
            trial: Some(Arc::new(TrialScope {
                stack: Some(stack),
                engine: Some(Arc::clone(&engine)),
                blast_radius: Mutex::new(blast_radius),
                changes: Changes::Made(journal.clone()),
                ..TrialScope::new("harness", project.clone(), 7, audit, http)
            })),
        });
        let fault_scope = Arc::new(PluginScope {
            plugin: faults.manifest.name.clone(),
            settings: scope.settings.clone(),
            grants: faults.manifest.permissions.clone(),
            trial: scope.trial.clone(),
        });
        let harness = Self {
            subject,
            faults,
            scope,
            fault_scope,
            journal,
            store,
            engine,
            project,
            _lock: lock,
            _folder: folder,
        };
        if let Err(error) = harness
            .subject
            .plugin
            .component
            .reset(&harness.scope, LIMIT)
            .await
        {
            panic!("{error}");
        }
        harness
    }

    pub fn container(&self, service: &str) -> Container {
        Container::of(&self.project.0, service)
    }

    pub async fn inject(
        &self,
        fault: &str,
        parameters: Value,
        targets: &[&str],
    ) -> Result<Value, CallError> {
        let targets: Vec<_> = targets.iter().map(|&name| name.to_owned()).collect();
        self.faults
            .component
            .inject(&self.fault_scope, fault, &parameters, &targets, LIMIT)
            .await
    }

    /// Injects what must succeed.
    pub async fn break_it(&self, fault: &str, parameters: Value, targets: &[&str]) -> Value {
        match self.inject(fault, parameters, targets).await {
            Ok(metadata) => metadata,
            Err(error) => panic!("{fault}: {error}"),
        }
    }

    pub async fn cleanup(&self, metadata: &Value) {
        self.faults
            .component
            .cleanup(&self.fault_scope, metadata, LIMIT)
            .await
            .unwrap();
    }

    pub async fn is_healthy(&self) -> bool {
        let health = self
            .subject
            .plugin
            .component
            .health(&self.scope, LIMIT)
            .await;
        health.is_ok_and(|health| health.healthy)
    }

    /// Why the subject says that it is not well.
    pub async fn complaint(&self) -> String {
        let health = self
            .subject
            .plugin
            .component
            .health(&self.scope, LIMIT)
            .await;
        let health = health.unwrap();
        assert!(!health.healthy, "{}", health.detail);
        health.detail
    }

    /// Waits until the subject says that it is well.
    pub async fn wait_until_healthy(&self) {
        let recovered = async {
            while !self.is_healthy().await {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(LIMIT, recovered)
            .await
            .expect("healthy again");
    }

    /// Rolls back from the database alone, as another duress does after this one has crashed.
    pub async fn recover(&self) {
        let trial = self.store.running_trials().await.unwrap().remove(0);
        let executor = Executor {
            engine: Arc::clone(&self.engine),
            http: Client::new().unwrap(),
        };
        let listener = Listener(Arc::new(|_| {}));
        let host = self._lock.id().into();
        let journal = TrialJournal::new(self.store.clone(), executor, trial.id, host, listener);
        let report = journal.roll_back().await.unwrap();
        assert!(report.stuck.is_empty(), "{:?}", report.stuck);
    }

    /// Returns how many changes of this trial may still be in force.
    pub async fn unsettled(&self) -> usize {
        self.store.flush().await.unwrap();
        let trial = self.store.running_trials().await.unwrap().remove(0);
        self.store
            .unsettled_changes_of_trial(&trial.id)
            .await
            .unwrap()
            .len()
    }
}

impl Drop for Harness {
    /// However the test ends, its stack goes.
    fn drop(&mut self) {
        let (engine, project) = (Arc::clone(&self.engine), self.project.clone());
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            // The connection of another runtime cannot be used here.
            drop(engine);
            runtime.block_on(async {
                Docker::connect(None)
                    .await
                    .unwrap()
                    .remove_project(&project)
                    .await
            })
        });
        let removed = removing.join().expect("the removal runs");
        if !std::thread::panicking() {
            removed.expect("nothing is left");
        }
    }
}

/// The rows that changes refer to.
pub async fn on_record(store: &Store, host: &str, id: &str, project: &Project) {
    let campaign = NewCampaign {
        id: "campaign".into(),
        host_id: host.into(),
        name: "harness".into(),
        variant: "default".into(),
        definition: json!({}),
        source: None,
        source_path: None,
        seed: 7,
        trials_planned: 1,
        digests: std::collections::BTreeMap::new(),
        dry_run: false,
    };
    store.insert_campaign(campaign).await.unwrap();
    let trial = NewTrial {
        id: id.into(),
        campaign_id: "campaign".into(),
        host_id: host.into(),
        slot: 0,
        project: project.to_string(),
        digests: std::collections::BTreeMap::new(),
        spec: TrialSpec {
            seed: 7,
            ..TrialSpec::new("harness", "harness", 1)
        },
        experiment: None,
    };
    store.start_trial(trial).await.unwrap();
}
