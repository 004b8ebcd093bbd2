//! One stack on a simulated machine, with what a trial on it has: a fault is injected and reverted on it, call by call.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};

use duress_capability::{Audit, Changes, PluginScope, TrialScope};
use duress_engine::{LABEL_DATABASE, LABEL_TRIAL, Project, Stack};
use duress_http::Client;
use duress_journal::{Executor, Listener, RollbackReport, TrialJournal};
use duress_model::{Error, Result, TrialSpec};
use duress_plugin::{CallError, CallLimits, Plugin, merged};
use duress_simulated::{End, Script, SimulatedEngine, Troubles, World};
use duress_store::{Disk, HostLock, NewCampaign, NewTrial, Store};

/// What a call may take of the time of this machine; what it waits for takes none.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// What all stages share.
pub(super) struct Harness<'a> {
    pub(super) plugin: &'a Plugin,
    pub(super) script: Arc<Script>,
    pub(super) limits: CallLimits,
    store: Store,
    lock: HostLock,
    folder: &'a Path,
    made: std::cell::Cell<usize>,
}

/// A disk on which nothing goes wrong.
#[derive(Debug)]
struct SoundDisk;

#[async_trait]
impl Disk for SoundDisk {
    async fn before_write(&self) -> Result<()> {
        Ok(())
    }

    async fn after_write(&self) {}
}

impl<'a> Harness<'a> {
    /// With a folder of its own, which is empty.
    pub(super) async fn open(
        plugin: &'a Plugin,
        script: &Script,
        folder: &'a Path,
    ) -> Result<Self> {
        let services: BTreeMap<_, _> = script
            .containers
            .iter()
            .map(|name| (name.clone(), json!({ "image": "simulated" })))
            .collect();
        let compose = json!({ "services": services }).to_string();
        std::fs::write(folder.join("compose.yaml"), compose).map_err(|error| {
            Error::environment(format!("write to {}: {error}", folder.display()))
        })?;
        let store = Store::open_simulated(&folder.join("duress.db"), Arc::new(SoundDisk))?;
        let lock = HostLock::acquire(&store.host_locks())?;
        store.insert_host(lock.id()).await?;
        let campaign = NewCampaign {
            id: "conformance".into(),
            host_id: lock.id().into(),
            name: "conformance".into(),
            variant: "default".into(),
            definition: json!({}),
            source: None,
            source_path: None,
            seed: 0,
            trials_planned: 0,
            digests: BTreeMap::new(),
            dry_run: false,
        };
        store.insert_campaign(campaign).await?;
        Ok(Self {
            plugin,
            script: Arc::new(script.clone()),
            limits: CallLimits::default(),
            store,
            lock,
            folder,
            made: std::cell::Cell::new(0),
        })
    }

    /// A stack that is up.
    pub(super) async fn setup(&self, targets: &[String]) -> Result<Setup<'_>> {
        let setup = self.empty_setup(targets).await?;
        setup
            .world
            .make_stack(&setup.project, &self.script.containers);
        Ok(setup)
    }

    /// A machine without a stack.
    pub(super) async fn empty_setup(&self, targets: &[String]) -> Result<Setup<'_>> {
        let number = self.made.get() + 1;
        self.made.set(number);
        let trial = format!("trial-{number}");
        let project = Project(format!("duress-{number:08x}"));
        let spec = TrialSpec {
            name: trial.clone(),
            ..TrialSpec::new("simulated", "conformance", number as u32)
        };
        let row = NewTrial {
            id: trial.clone(),
            campaign_id: "conformance".into(),
            host_id: self.lock.id().into(),
            slot: 0,
            project: project.to_string(),
            digests: BTreeMap::new(),
            spec,
            experiment: None,
        };
        self.store.start_trial(row).await?;
        let world = World::new(number as u64, Troubles::default(), End::Never);
        world.lock().script = Arc::clone(&self.script);
        let journal = self.journal(&world, &trial);
        Ok(Setup {
            harness: self,
            scope: self.scope(&world, &project, &trial, targets, &journal),
            world,
            project,
            trial,
            targets: targets.to_vec(),
            journal,
        })
    }

    /// Returns what was logged on all stages.
    pub(super) async fn log(&self) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        for number in 1..=self.made.get() {
            for line in self.store.log(&format!("trial-{number}")).await? {
                lines.push(format!(
                    "{:<5} {}: {}",
                    line.level, line.source, line.message
                ));
            }
        }
        Ok(lines)
    }

    fn journal(&self, world: &World, trial: &str) -> TrialJournal {
        let executor = Executor {
            engine: Arc::new(SimulatedEngine(world.clone())),
            http: Client::simulated(Arc::new(world.clone())),
        };
        let nobody = Listener(Arc::new(|_| {}));
        let host = self.lock.id().to_owned();
        TrialJournal::new(self.store.clone(), executor, trial.to_owned(), host, nobody)
    }

    fn scope(
        &self,
        world: &World,
        project: &Project,
        trial: &str,
        targets: &[String],
        journal: &TrialJournal,
    ) -> Arc<PluginScope> {
        let labels = [
            (LABEL_TRIAL, trial.to_owned()),
            (LABEL_DATABASE, String::new()),
        ];
        let stack = Stack {
            project: project.clone(),
            compose_file: self.folder.join("compose.yaml"),
            labels: labels.map(|(name, value)| (name.to_owned(), value)).into(),
        };
        let audit = Audit::new(self.store.clone(), trial.to_owned());
        let http = Client::simulated(Arc::new(world.clone()));
        let manifest = &self.plugin.manifest;
        Arc::new(PluginScope {
            plugin: manifest.name.clone(),
            settings: merged(&manifest.settings, &self.script.settings),
            grants: manifest.permissions.clone(),
            trial: Some(Arc::new(TrialScope {
                stack: Some(stack),
                engine: Some(Arc::new(SimulatedEngine(world.clone()))),
                blast_radius: Mutex::new(targets.iter().cloned().collect()),
                changes: Changes::Made(journal.clone()),
                ..TrialScope::new(trial, project.clone(), 7, audit, http)
            })),
        })
    }
}

/// A trial's surroundings.
pub(super) struct Setup<'a> {
    harness: &'a Harness<'a>,
    pub(super) world: World,
    pub(super) scope: Arc<PluginScope>,
    project: Project,
    trial: String,
    targets: Vec<String>,
    journal: TrialJournal,
}

impl Setup<'_> {
    pub(super) async fn inject(&self, fault: &str, parameters: &Value) -> Result<Value, CallError> {
        let Harness { plugin, limits, .. } = self.harness;
        let call =
            plugin
                .component
                .inject(&self.scope, fault, parameters, &self.targets, limits.fault);
        self.bounded("chaos.inject", call).await
    }

    pub(super) async fn cleanup(&self, metadata: &Value) -> Result<(), CallError> {
        let Harness { plugin, limits, .. } = self.harness;
        let call = plugin
            .component
            .cleanup(&self.scope, metadata, limits.fault);
        self.bounded("chaos.cleanup", call).await
    }

    /// Ends a call that uses up this machine's time: simulated time does not pass while it computes.
    pub(super) async fn bounded<T>(
        &self,
        function: &'static str,
        call: impl Future<Output = Result<T, CallError>>,
    ) -> Result<T, CallError> {
        let (returned, waits) = std::sync::mpsc::channel::<()>();
        let (over, is_over) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            if waits.recv_timeout(PATIENCE) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                // The receiver may have returned just now.
                let _ = over.send(());
            }
        });
        let result = tokio::select! {
            result = call => result,
            Ok(()) = is_over => Err(CallError::TimedOut {
                plugin: self.harness.plugin.manifest.name.clone(),
                function,
                after: PATIENCE,
            }),
        };
        drop(returned);
        result
    }

    /// What another process of duress has of it: the machine, the database, and nothing else.
    pub(super) fn in_another_process(&mut self) {
        let harness = self.harness;
        self.journal = harness.journal(&self.world, &self.trial);
        self.scope = harness.scope(
            &self.world,
            &self.project,
            &self.trial,
            &self.targets,
            &self.journal,
        );
    }

    /// As the host does at a trial's end.
    pub(super) async fn roll_back(&self) -> Result<RollbackReport, String> {
        self.journal
            .roll_back()
            .await
            .map_err(|error| error.to_string())
    }

    /// The trial is over: nothing may be left of it.
    pub(super) async fn end(&self) -> Result<(), String> {
        let report = self.roll_back().await?;
        match report.stuck.first() {
            Some((change, why)) => Err(format!("`{change}` cannot be reverted: {why}")),
            None => self.check_whole(),
        }
    }

    /// Whether the containers are as they were made.
    pub(super) fn check_whole(&self) -> Result<(), String> {
        let machine = self.world.lock();
        let Some(stack) = machine.stacks.get(&self.project) else {
            return Ok(());
        };
        // With its last container a system ends, and all that it knew.
        if stack.containers.is_empty() {
            return Ok(());
        }
        let mut left: Vec<String> = Vec::new();
        for container in &stack.containers {
            let of = |what: String| format!("{} of {}", what, container.service);
            left.extend(container.left().into_iter().map(of));
        }
        left.extend(
            stack
                .marks
                .iter()
                .map(|mark| format!("`{mark}` of the script")),
        );
        match left.is_empty() {
            true => Ok(()),
            false => Err(format!("it left {}", left.join(", "))),
        }
    }

    /// Returns how many changes are on record.
    pub(super) async fn changes(&self) -> Result<usize> {
        Ok(self
            .harness
            .store
            .changes_of_trial(&self.trial)
            .await?
            .len())
    }

    /// Returns how many of them may be in force.
    pub(super) async fn unsettled(&self) -> Result<usize> {
        self.harness.store.flush().await?;
        let rows = self
            .harness
            .store
            .unsettled_changes_of_trial(&self.trial)
            .await?;
        Ok(rows.len())
    }

    /// Somebody removes the targets.
    pub(super) fn remove_targets(&self) {
        self.each_target(|containers, name| containers.retain(|one| one.service != name));
    }

    /// The targets end and start again by themselves.
    pub(super) fn restart_targets(&self) {
        self.each_target(|containers, name| {
            let in_place =
                |one: &&mut duress_simulated::Container| one.service == name && one.is_in_place();
            for container in containers.iter_mut().filter(in_place) {
                container.end();
                container.start();
            }
        });
    }

    fn each_target(&self, act: impl Fn(&mut Vec<duress_simulated::Container>, &str)) {
        let mut machine = self.world.lock();
        if let Some(stack) = machine.stacks.get_mut(&self.project) {
            for name in &self.targets {
                act(&mut stack.containers, name);
            }
        }
    }
}
