//! The journal on the simulated machine, in simulated time: a store that does not answer, and an engine that hangs.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use tokio::time::{Instant, timeout};

use super::change::{Action, Change, Place, PlacedProgram, Probe};
use super::{Executor, Listener, TrialJournal};
use duress_engine::{ContainerId, Project, State};
use duress_http::Client;
use duress_model::Result;
use duress_simulated::{Answer, End, Script, SimulatedEngine, Troubles, World};
use duress_store::{Disk, NewCampaign, NewTrial, Store};

/// A database that another process locks, and does not let go.
#[derive(Debug, Default)]
struct Lockable(AtomicBool);

impl Lockable {
    fn set(&self, locked: bool) {
        self.0.store(locked, Ordering::Relaxed);
    }
}

#[async_trait]
impl Disk for Lockable {
    async fn before_write(&self) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        Ok(())
    }

    async fn after_write(&self) {}
}

/// A trial with so many containers.
struct Harness {
    _folder: tempfile::TempDir,
    disk: Arc<Lockable>,
    store: Store,
    world: World,
    project: Project,
    journal: TrialJournal,
}

impl Harness {
    async fn new(containers: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let disk = Arc::new(Lockable::default());
        let store = begun(folder.path(), Arc::clone(&disk)).await.expect("rows");
        let world = World::new(1, Troubles::default(), End::Never);
        let project = Project("duress-1".into());
        let services: Vec<_> = (0..containers).map(|n| format!("one{n}")).collect();
        world.make_stack(&project, &services);
        let executor = Executor {
            engine: Arc::new(SimulatedEngine(world.clone())),
            http: Client::simulated(Arc::new(world.clone())),
        };
        let nobody = Listener(Arc::new(|_| {}));
        let journal = TrialJournal::new(store.clone(), executor, "t".into(), "h".into(), nobody);
        Self {
            _folder: folder,
            disk,
            store,
            world,
            project,
            journal,
        }
    }

    fn pause(&self, number: usize) -> Change {
        let machine = self.world.lock();
        let container = &machine.stacks[&self.project].containers[number];
        Change {
            project: self.project.clone(),
            container: ContainerId(container.id.clone()),
            container_name: container.service.clone(),
            summary: format!("pause {}", container.service),
            apply: vec![Action::Pause],
            revert: vec![Action::Unpause],
            in_force: None,
            http_hosts: Vec::new(),
            effect_wait_ms: None,
        }
    }

    fn paused(&self) -> usize {
        let machine = self.world.lock();
        let containers = &machine.stacks[&self.project].containers;
        let paused = containers.iter().filter(|one| one.state == State::Paused);
        paused.count()
    }
}

async fn begun(folder: &Path, disk: Arc<Lockable>) -> Result<Store> {
    let store = Store::open_simulated(&folder.join("duress.db"), disk)?;
    store.insert_host("h").await?;
    let campaign = NewCampaign {
        id: "c".into(),
        host_id: "h".into(),
        name: "c".into(),
        variant: "default".into(),
        definition: json!({}),
        source: None,
        source_path: None,
        seed: 0,
        trials_planned: 1,
        digests: BTreeMap::new(),
        dry_run: false,
    };
    store.insert_campaign(campaign).await?;
    let spec = json!({
        "name": "t", "index": 1, "subject": "simulated", "label": "pause", "faults": [], "variant": "default",
        "seed": 0, "duration_ms": 0, "recovery_timeout_ms": 0, "reset_timeout_ms": 0, "on_target_restart": "record",
    });
    let trial = NewTrial {
        id: "t".into(),
        campaign_id: "c".into(),
        host_id: "h".into(),
        slot: 0,
        project: "duress-1".into(),
        digests: BTreeMap::new(),
        spec: serde_json::from_value(spec).expect("a trial's description"),
        experiment: None,
    };
    store.start_trial(trial).await?;
    Ok(store)
}

#[tokio::test(start_paused = true)]
async fn a_locked_database_delays_no_revert() {
    let harness = Harness::new(4).await;
    let mut ids = Vec::new();
    for number in 0..3 {
        let applied = harness.journal.apply(harness.pause(number)).await;
        ids.push(applied.expect("paused"));
    }
    harness.disk.set(true);
    let (journal, fourth) = (harness.journal.clone(), harness.pause(3));
    let waiting = tokio::spawn(async move { journal.apply(fourth).await });

    let began = Instant::now();
    let reverted = timeout(Duration::from_secs(3_600), harness.journal.revert(&ids[1])).await;
    reverted
        .expect("it does not wait for the store")
        .expect("reverted");
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(harness.paused(), 2);

    let rolled_back = timeout(Duration::from_secs(3_600), harness.journal.roll_back()).await;
    let report = rolled_back
        .expect("it does not wait for long")
        .expect("rolled back");
    assert_eq!(report.reverted, ["pause one2", "pause one0"]);
    assert_eq!(
        harness.paused(),
        0,
        "and what waits for its row was never made"
    );
    assert!(began.elapsed() < Duration::from_secs(30));

    // What could not be recorded is recorded once that is possible.
    waiting.abort();
    harness.disk.set(false);
    harness
        .journal
        .roll_back()
        .await
        .expect("nothing is left to do");
    let unsettled = harness
        .store
        .unsettled_changes()
        .await
        .expect("the journal");
    assert!(unsettled.is_empty(), "{unsettled:?}");
}

#[tokio::test(start_paused = true)]
async fn a_file_is_replaced_by_one_change_at_a_time_and_restored_by_another_process() {
    let harness = Harness::new(1).await;
    let replace = |contents: &[u8]| Change {
        summary: "replace /conf".into(),
        apply: vec![Action::replace_file("/conf".into(), contents.to_vec())],
        revert: vec![Action::restore_file("/conf".into())],
        ..harness.pause(0)
    };
    let there = || {
        let machine = harness.world.lock();
        let files = &machine.stacks[&harness.project].containers[0].kept_files;
        files.get("/conf").map(|file| file.contents.clone())
    };
    let applied = harness.journal.apply(replace(b"one")).await;
    applied.expect("replaced");
    let again = harness.journal.apply(replace(b"two")).await;
    let again = again.expect_err("in force already").to_string();
    assert!(again.contains("replaced by another change"), "{again}");
    assert_eq!(there().as_deref(), Some(&b"one"[..]));

    let executor = Executor {
        engine: Arc::new(SimulatedEngine(harness.world.clone())),
        http: Client::simulated(Arc::new(harness.world.clone())),
    };
    let nobody = Listener(Arc::new(|_| {}));
    let other = TrialJournal::new(
        harness.store.clone(),
        executor,
        "t".into(),
        "h".into(),
        nobody,
    );
    let report = other.roll_back().await.expect("a report");
    assert_eq!((report.reverted.len(), report.stuck.len()), (1, 0));
    assert_eq!(there(), None, "there was no file");
}

#[tokio::test(start_paused = true)]
async fn a_trial_keeps_no_more_of_files_than_its_limit() {
    let harness = Harness::new(1).await;
    let replace = |number: usize| {
        let path = format!("/conf{number}");
        Change {
            summary: format!("replace {path}"),
            apply: vec![Action::replace_file(path.clone(), vec![7; 1 << 20])],
            revert: vec![Action::restore_file(path)],
            ..harness.pause(0)
        }
    };
    for number in 0..16 {
        let applied = harness.journal.apply(replace(number)).await;
        applied.expect("within the limit");
    }
    let refused = harness.journal.apply(replace(16)).await;
    let refused = refused.expect_err("too much").to_string();
    assert!(refused.contains("16 MiB"), "{refused}");
    let mut large = replace(17);
    large.apply = vec![Action::replace_file(
        "/conf17".into(),
        vec![7; (1 << 20) + 1],
    )];
    assert!(large.check().is_err_and(|why| why.contains("1048576")));
}

#[test]
fn changes_that_hang_leave_time_for_the_others() {
    for (changes, hanging) in [(6, 5), (40, 25), (1, 0)] {
        let mut remaining = super::trial::ROLLBACK_LIMIT;
        for left in (changes - hanging + 1..=changes).rev() {
            remaining -= super::trial::share(remaining, left);
        }
        let next = super::trial::share(remaining, changes - hanging);
        assert!(
            next >= Duration::from_secs(10),
            "{changes}, {hanging}: {next:?}"
        );
    }
    let over = super::trial::share(Duration::from_secs(3), 7);
    assert_eq!(over, Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_rollback_on_an_engine_that_hangs_has_an_end() {
    let harness = Harness::new(12).await;
    for number in 0..12 {
        let applied = harness.journal.apply(harness.pause(number)).await;
        applied.expect("paused");
    }
    let hangs = Troubles {
        hangs: 1_000,
        ..Troubles::default()
    };
    harness.world.reboot(hangs, End::Never);
    let began = Instant::now();
    let report = harness.journal.roll_back().await.expect("a report");
    assert_eq!(report.stuck.len(), 12, "{:?}", report.stuck);
    assert!(
        report.stuck[0].1.contains("not finished within"),
        "{:?}",
        report.stuck[0]
    );
    assert!(
        began.elapsed() < Duration::from_secs(330),
        "{:?}",
        began.elapsed()
    );

    // The next one, with an engine that answers, leaves nothing.
    harness.world.reboot(Troubles::default(), End::Never);
    let report = harness.journal.roll_back().await.expect("a report");
    assert_eq!((report.reverted.len(), report.stuck.len()), (12, 0));
    assert_eq!(harness.paused(), 0);
}

/// Returns a change made by a program whose effect shows 8 s after its actions have ended.
fn slow_to_show(harness: &Harness, effect_wait_ms: Option<u64>) -> Change {
    let answer = |program: &str, when: &[&str], stdout: &str| Answer {
        program: Some(program.into()),
        when: when.iter().map(|&mark| mark.to_owned()).collect(),
        stdout: stdout.into(),
        ..Answer::default()
    };
    let script = Script {
        answers: vec![
            answer("look", &["on"], "it is on"),
            answer("look", &[], "it is off"),
            answer("turn", &[], ""),
        ],
        ..Script::default()
    };
    harness.world.lock().script = Arc::new(script);
    let program = |name: &str| PlacedProgram {
        place: Place::Container,
        command: vec![name.into()],
        timeout_ms: 1_000,
        tolerated: Vec::new(),
    };
    Change {
        apply: vec![Action::Run(program("turn"))],
        revert: vec![Action::Run(program("turn"))],
        in_force: Some(Probe::Output {
            program: program("look"),
            texts: vec!["is on".into()],
        }),
        effect_wait_ms,
        ..harness.pause(0)
    }
}

#[tokio::test(start_paused = true)]
async fn an_effect_is_waited_for_as_long_as_its_change_says() {
    let switch = |harness: &Harness, on: bool| {
        let (world, project) = (harness.world.clone(), harness.project.clone());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(8)).await;
            let mut machine = world.lock();
            let stack = machine.stacks.get_mut(&project).expect("a stack");
            match on {
                true => drop(stack.containers[0].marks.insert("on".into())),
                false => drop(stack.containers[0].marks.remove("on")),
            }
        })
    };
    for wait in [None, Some(7_000)] {
        let harness = Harness::new(1).await;
        switch(&harness, true);
        let change = slow_to_show(&harness, wait);
        let refused = harness.journal.apply(change).await.expect_err("too slow");
        assert!(
            refused.to_string().contains("it took no effect"),
            "{refused}"
        );
        assert!(harness.journal.effect_was_missing());
    }
    let harness = Harness::new(1).await;
    switch(&harness, true);
    let change = slow_to_show(&harness, Some(10_000));
    let id = harness.journal.apply(change).await.expect("waited for");
    switch(&harness, false);
    harness.journal.revert(&id).await.expect("waited for");
    let held = harness.journal.held();
    let (from, to) = (held[0].in_force, held[0].gone);
    let held = to.expect("gone") - from.expect("in force");
    assert!(held >= Duration::from_secs(8), "{held:?}");
}
