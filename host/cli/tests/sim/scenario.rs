//! One campaign in a simulated world: run, killed at a step, recovered, resumed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use duress_campaign::Draft;
use duress_engine::Engine;
use duress_http::Client;
use duress_journal::Recovered;
use duress_model::{Error, Result, SeededRandom};
use duress_plugin::{Catalog, Runtime};
use duress_runner::{Job, Prepared, Record, Tally, guardian};
use duress_simulated::{End, Machine, SimulatedEngine, Troubles, World};
use duress_store::{Disk, HostLock, Store, TrialRow};
use duress_trial::RunContext;
use duress_yaml::LoadError;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// Every way to break a container that the simulated engine knows, as entries of a campaign.
const FAULTS: [&str; 17] = [
    "{type: node_kill}",
    "{type: container_stop}",
    "{type: container_restart}",
    "{type: container_recreate, params: {environment: {MODE: other}}}",
    "{type: scale, params: {replicas: 0}}",
    "{type: scale, params: {replicas: 3}}",
    "{type: process_pause}",
    "{type: process_pause, label: pause_one, params: {process: worker}}",
    "{type: process_kill, params: {process: worker}}",
    "{type: network_partition}",
    "{type: network_partition, label: partition_in, params: {direction: in, to: [peer]}}",
    "{type: disk_pressure, params: {path: /data, fill_percent: 80}}",
    "{type: cpu_stress, params: {percent: 50}}",
    "{type: disk_stress, params: {path: /data}}",
    "{type: cpu_limit, params: {cpus: 0.5}}",
    "{type: pids_limit, params: {pids: 100}}",
    "{label: several, steps: [{at: 0s, type: process_pause, for: 2s}, {at: 1s, type: network_partition}, {at: 3s, type: cpu_stress, params: {percent: 30}}]}",
];

/// What a campaign is made of, drawn from a seed.
#[derive(Debug)]
pub struct Scenario {
    pub troubles: Troubles,
    /// YAML.
    text: String,
}

impl Scenario {
    pub fn new(seed: u64) -> Self {
        let mut random = SeededRandom::new(seed);
        let mut faults = BTreeSet::new();
        for _ in 0..=random.below(2) {
            faults.insert(random.below(FAULTS.len()));
        }
        let entries: Vec<_> = faults
            .iter()
            .map(|one| format!("  - {}", FAULTS[*one]))
            .collect();
        let text = format!(
            "name: simulated\nsubjects: [bare]\nseed: {seed}\ntrials_per_combination: {}\nparallel: {}\n\
             include_baseline: {}\ndefaults: {{duration_seconds: 4}}\nchaos_types:\n{}\n",
            1 + random.below(2),
            1 + random.below(2),
            random.below(3) == 0,
            entries.join("\n")
        );
        let troubles = match random.below(6) {
            0 | 1 => Troubles::default(),
            2 => Troubles {
                fails: 10,
                answer_is_lost: 10,
                ..Troubles::default()
            },
            3 => Troubles {
                slow: 100,
                hangs: 5,
                ..Troubles::default()
            },
            4 => Troubles {
                removed_by_hand: 5,
                restarts: 10,
                taken_down: 2,
                ..Troubles::default()
            },
            _ => Troubles {
                engine_goes: 5,
                disk_full: 5,
                ..Troubles::default()
            },
        };
        Self { troubles, text }
    }

    /// Nothing goes wrong in it but the crash.
    pub fn is_calm(&self) -> bool {
        format!("{:?}", self.troubles) == format!("{:?}", Troubles::default())
    }
}

/// A disk that is part of the world.
#[derive(Debug)]
struct WorldDisk(World);

#[async_trait]
impl Disk for WorldDisk {
    async fn before_write(&self) -> Result<()> {
        match self.0.disk().await {
            true => Ok(()),
            false => Err(Error::environment("the disk is full")),
        }
    }

    async fn after_write(&self) {
        let _ = self.0.disk().await;
    }
}

/// Returns the components, loaded once.
fn catalog() -> &'static Catalog {
    static CATALOG: OnceLock<Catalog> = OnceLock::new();
    CATALOG.get_or_init(|| {
        let repository = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let cache = Runtime::default_cache_directory();
        let runtime = Runtime::new(cache.as_deref()).expect("WebAssembly works here");
        let roots = ["", "tests/noop", "host/cli/tests/sim"].map(|root| repository.join(root));
        let roots = roots.to_vec();
        Catalog::discover(runtime, roots)
    })
}

/// A client, made once: nobody asks for anything by it.
fn client() -> Client {
    static CLIENT: OnceLock<Client> = OnceLock::new();
    let client = CLIENT.get_or_init(|| Client::new().expect("a client"));
    client.clone()
}

/// A campaign of a scenario, in a world of its own.
pub struct Simulation {
    pub world: World,
    scenario: Scenario,
    folder: TempDir,
}

/// What was not as it must be.
pub type Broken = String;

/// What somebody does to the machine, or sees of it.
pub type Act<'a> = Box<dyn FnOnce(&mut Machine) + 'a>;

impl Simulation {
    pub fn new(seed: u64, end: End) -> Self {
        Self::of(Scenario::new(seed), seed, end)
    }

    /// A campaign of one's own in a world in which nothing goes wrong by itself.
    pub fn calm(text: &str) -> Self {
        let scenario = Scenario {
            troubles: Troubles::default(),
            text: text.to_owned(),
        };
        Self::of(scenario, 1, End::Never)
    }

    fn of(scenario: Scenario, seed: u64, end: End) -> Self {
        let world = World::new(seed, scenario.troubles, end);
        // In memory where that can be had: the disk that counts is simulated.
        let memory = Path::new("/dev/shm");
        let folder = match memory.is_dir() {
            true => tempfile::tempdir_in(memory),
            false => tempfile::tempdir(),
        };
        let folder = folder.expect("a folder");
        std::fs::write(folder.path().join("campaign.yaml"), &scenario.text).expect("a campaign");
        Self {
            world,
            scenario,
            folder,
        }
    }

    fn database(&self) -> PathBuf {
        self.folder.path().join("duress.db")
    }

    /// A process on the machine: until it ends, or the machine crashes. What it returned, or nothing after a crash.
    fn process<T>(&self, work: impl AsyncFnOnce(Process) -> T) -> Option<T> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let done = runtime.block_on(async {
            let disk = Arc::new(WorldDisk(self.world.clone()));
            let store = Store::open_simulated(&self.database(), disk).expect("open");
            let process = Process {
                world: self.world.clone(),
                store,
                engine: Arc::new(SimulatedEngine(self.world.clone())),
                http: client(),
            };
            tokio::select! {
                biased;
                () = self.world.crashed() => None,
                value = work(process) => Some(value),
            }
        });
        // Nothing of the process outlives it.
        runtime.shutdown_background();
        done
    }

    /// Runs `duress run campaign` while somebody does something to the machine at that time after its start. Returns its trials.
    pub fn run_beside(&self, at: Duration, act: impl FnOnce(&mut Machine)) -> Vec<TrialRow> {
        self.run_watched(vec![(at, Box::new(act))])
    }

    /// Runs `duress run campaign` while somebody looks at the machine, or does something to it, at some times after its start, in their
    /// order. Returns its trials.
    pub fn run_watched(&self, acts: Vec<(Duration, Act<'_>)>) -> Vec<TrialRow> {
        let file = self.folder.path().join("campaign.yaml");
        self.process(async |process| {
            let draft = Draft::load(&file).expect("a campaign");
            let prepared = match duress_runner::prepare(draft, catalog(), false).await {
                Ok(prepared) => prepared,
                Err(LoadError::Content(invalid)) => panic!("{}", invalid.render(false)),
                Err(error) => panic!("{error}"),
            };
            let source = Some((file.clone(), self.scenario.text.clone()));
            let beside = async {
                let begun = tokio::time::Instant::now();
                for (at, act) in acts {
                    tokio::time::sleep_until(begun + at).await;
                    act(&mut self.world.lock());
                }
            };
            let (ran, ()) = tokio::join!(process.execute(prepared, Record::New { source }), beside);
            ran.expect("a run");
        });
        self.look(async |store| {
            let campaigns = store.campaigns(1).await?;
            store.trials_of_campaign(&campaigns[0].id, usize::MAX).await
        })
    }

    /// `duress run campaign`.
    pub fn run(&self) -> Option<Result<Tally>> {
        let file = self.folder.path().join("campaign.yaml");
        self.process(async |process| {
            let draft = Draft::load(&file).expect("a campaign");
            let prepared = match duress_runner::prepare(draft, catalog(), false).await {
                Ok(prepared) => prepared,
                Err(LoadError::Content(invalid)) => panic!("{}", invalid.render(false)),
                Err(error) => panic!("{error}"),
            };
            let source = Some((file.clone(), self.scenario.text.clone()));
            process.execute(prepared, Record::New { source }).await
        })
    }

    /// `duress run campaign`, which is stopped at the step that the world says. Its guardian takes it over, and must leave nothing; then it
    /// goes on, and notices after some more steps.
    pub fn run_frozen(&self, notices_after: u64) -> std::result::Result<(), Broken> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime");
        let file = self.folder.path().join("campaign.yaml");
        let mut running = Box::pin(async {
            let disk = Arc::new(WorldDisk(self.world.clone()));
            let process = Process {
                world: self.world.clone(),
                store: Store::open_simulated(&self.database(), disk).expect("open"),
                engine: Arc::new(SimulatedEngine(self.world.clone())),
                http: client(),
            };
            let draft = Draft::load(&file).expect("a campaign");
            let prepared = duress_runner::prepare(draft, catalog(), false).await;
            let source = Some((file.clone(), self.scenario.text.clone()));
            let record = Record::New { source };
            process.execute(prepared.expect("a campaign"), record).await
        });
        let is_frozen = runtime.block_on(async {
            tokio::select! {
                biased;
                () = self.world.frozen() => true,
                _ = &mut running => false,
            }
        });
        if is_frozen {
            // Nothing of the process is polled here: it stands still.
            self.world.calm();
            self.guard()
                .map_err(|why| format!("beside a process that stands still: {why}"))?;
            self.world.thaw(notices_after);
            let _ = runtime.block_on(&mut running);
        }
        drop(running);
        runtime.shutdown_background();
        self.check_journal()
    }

    /// What the guardian of the one host does, and what must be true afterwards.
    pub fn guard(&self) -> std::result::Result<(), Broken> {
        let campaigns = self.look(async |store| store.running_campaigns().await);
        let Some((_, host)) = campaigns.into_iter().next() else {
            // It had not begun: nothing can be in force.
            return self.check_reverted();
        };
        let taken_over = self.process(async |process| {
            let engine = Arc::clone(&process.engine);
            guardian::take_over_in(&process.store, &host, engine, &process.http).await
        });
        match taken_over {
            Some(Ok(recovered)) if recovered.left.is_empty() => self.check_recovered(),
            other => Err(format!("the guardian: {other:?}")),
        }
    }

    /// `duress resume`.
    pub fn resume(&self) -> Option<Result<Tally>> {
        self.process(async |process| {
            let Some(campaign) = process.store.find_campaign("simulated").await? else {
                // The machine died before it was on record.
                return Ok(Tally::default());
            };
            let stored = process.store.stored_campaign(&campaign.id).await?;
            let prepared = duress_runner::resume(&campaign, stored, catalog()).await?;
            let record = Record::Begun { id: campaign.id };
            process.execute(prepared, record).await
        })
    }

    /// `duress recover`.
    pub fn recover(&self) -> Option<Result<Recovered>> {
        self.process(async |process| process.recover().await)
    }

    /// Reads the database, as somebody who looks at it with a machine of their own.
    pub(super) fn look<T>(&self, look: impl AsyncFnOnce(&Store) -> Result<T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let calm = World::new(0, Troubles::default(), End::Never);
        runtime.block_on(async {
            let store = Store::open_simulated(&self.database(), Arc::new(WorldDisk(calm)));
            look(&store.expect("open"))
                .await
                .expect("a database that can be read")
        })
    }
}

/// What a process of duress has.
struct Process {
    world: World,
    store: Store,
    engine: Arc<dyn Engine>,
    http: Client,
}

impl Process {
    async fn recover(&self) -> Result<Recovered> {
        duress_runner::recover_dead_hosts(&self.store, Arc::clone(&self.engine), &self.http).await
    }

    async fn execute(self, prepared: Prepared, record: Record) -> Result<Tally> {
        self.recover().await?;
        let lock = HostLock::acquire(&self.store.host_locks())?;
        self.store.insert_host(lock.id()).await?;
        let parallel = prepared.plan.campaign.parallel;
        let job = Job {
            parallel: usize::try_from(parallel).expect("a small number"),
            cooldown: Duration::ZERO,
            prepared,
            record,
        };
        let context = RunContext {
            store: self.store.clone(),
            id: lock.id().to_owned(),
            machine: String::new(),
            engine: Some(self.engine),
            http: self.http,
            pulse: None,
        };
        let (events, _nobody) = duress_trial::EventSender::channel();
        let cancel = CancellationToken::new();
        let (pressed, world) = (cancel.clone(), self.world);
        tokio::spawn(async move {
            world.interrupted().await;
            pressed.cancel();
        });
        let (_, tally) = job.run(&context, &events, &cancel).await?;
        self.store.close().await?;
        Ok(tally)
    }
}
