//! From when until when: a fault holds for its own time, recovery counts from the last fault's end, and what a host leaves ends by itself.

use std::time::Duration;

use crate::scenario::{Act, Simulation};
use duress_engine::State;
use duress_simulated::{Container, Machine, Task};
use duress_store::TrialRow;

/// Returns a campaign of one trial on `checked` that lasts ten seconds.
fn simulation(entry: &str) -> Simulation {
    Simulation::calm(&format!(
        "name: times\nsubjects: [checked]\nseed: 1\n\
         defaults: {{duration_seconds: 10, targets: [web]}}\nchaos_types:\n  - {entry}\n"
    ))
}

fn web(machine: &mut Machine) -> &mut Container {
    let mut all = machine
        .stacks
        .values_mut()
        .flat_map(|stack| &mut stack.containers);
    all.find(|one| one.service == "web")
        .expect("the service exists")
}

/// Returns the state of `web` at some moments of a trial, in milliseconds, in which pausing takes five seconds.
fn states(entry: &str, moments: &[u64]) -> (Vec<State>, TrialRow) {
    let simulation = simulation(entry);
    simulation
        .world
        .lock()
        .slow
        .insert("pause", Duration::from_secs(5));
    let states = std::cell::RefCell::new(Vec::new());
    let look =
        |_: &u64| -> Act<'_> { Box::new(|machine| states.borrow_mut().push(web(machine).state)) };
    let looks = moments
        .iter()
        .map(|at| (Duration::from_millis(*at), look(at)));
    let mut trials = simulation.run_watched(looks.collect());
    (states.into_inner(), trials.remove(0))
}

#[test]
fn a_fault_holds_for_its_own_time_from_when_it_is_in_force() {
    use State::{Paused, Running};
    // In force from 5 s.
    let first = "{label: first, steps: [{type: process_pause, for: 3s}]}";
    let (seen, trial) = states(first, &[4_500, 5_500, 7_500, 8_500]);
    assert_eq!(seen, [Running, Paused, Paused, Running]);
    assert_eq!(trial.outcome.map(|one| one.as_str()), Some("passed"));
    // From 7 s until 11 s, which is after the trial's own duration.
    let later = "{label: later, steps: [{type: process_pause, at: 2s, for: 4s}]}";
    let (seen, trial) = states(later, &[6_500, 7_500, 10_900]);
    assert_eq!(seen, [Running, Paused, Paused]);
    assert_eq!(
        trial.outcome.map(|one| one.as_str()),
        Some("passed"),
        "{:?}",
        trial.error
    );
}

#[test]
fn several_faults_of_one_container_each_hold_for_their_own_time() {
    let simulation = simulation(
        "{label: several, steps: [{type: process_pause, params: {process: worker}, for: 4s}, \
         {type: cpu_limit, params: {cpus: 0.5}, at: 2s, for: 4s}, \
         {type: cpu_stress, params: {percent: 5}, at: 5s, for: 3s}]}",
    );
    let seen = std::cell::RefCell::new(Vec::new());
    let look = |at: u64| -> (Duration, Act<'_>) {
        let act = |machine: &mut Machine| {
            let changed = web(machine).changed();
            seen.borrow_mut()
                .push(changed.into_iter().collect::<Vec<_>>().join(" "));
        };
        (Duration::from_millis(at), Box::new(act))
    };
    let looks = [1_000, 3_000, 4_700, 5_700, 7_000, 9_000].map(look);
    let trials = simulation.run_watched(looks.into());
    assert_eq!(
        trials[0].outcome.map(|one| one.as_str()),
        Some("passed"),
        "{:?}",
        trials[0].error
    );
    assert_eq!(
        seen.into_inner(),
        [
            "signal_process",
            "limit signal_process",
            "limit",
            "limit start_task",
            "start_task",
            "",
        ]
    );
}

#[test]
fn recovery_counts_from_the_end_of_a_restart_and_not_of_its_grace() {
    let simulation = simulation("{type: process_kill, params: {process: worker}}");
    let mut trials = simulation.run_beside(Duration::from_secs(4), |machine| {
        let web = web(machine);
        web.ignores_stop = true;
        web.healthy_after = Some(Duration::from_secs(3));
    });
    let trial = trials.remove(0);
    assert_eq!(
        trial.outcome.map(|one| one.as_str()),
        Some("passed"),
        "{:?}",
        trial.error
    );
    // The restart took the whole grace of 10 s; then the health check took its 3 s.
    let took = trial.recovery_ms.expect("it was unhealthy");
    assert!((3_000..4_000).contains(&took), "{took} ms");
}

#[test]
fn a_system_that_takes_longer_than_it_may_has_timed_out() {
    let settles = |limit: u64| {
        let entry = format!(
            "{{type: process_kill, params: {{process: worker}}, recovery_timeout_seconds: {limit}}}"
        );
        let mut trials = simulation(&entry).run_beside(Duration::from_secs(4), |machine| {
            web(machine).healthy_after = Some(Duration::from_secs(20));
        });
        trials.remove(0)
    };
    let late = settles(15);
    assert_eq!(late.outcome.map(|one| one.as_str()), Some("timed_out"));
    let why = late.error.unwrap_or_default();
    assert!(
        why.contains("within 15 s after the rollback: web runs"),
        "{why}"
    );
    assert_eq!(late.recovery_ms, None);
    assert_eq!(settles(25).outcome.map(|one| one.as_str()), Some("passed"));
}

#[test]
fn recovery_counts_from_the_last_fault_and_not_from_the_rollback() {
    let entry = "{label: early, steps: [{type: process_pause, for: 2s}]}";
    let mut trials = simulation(entry).run_watched(Vec::new());
    let trial = trials.remove(0);
    assert_eq!(
        trial.outcome.map(|one| one.as_str()),
        Some("passed"),
        "{:?}",
        trial.error
    );
    assert_eq!(trial.circumstances.stayed_healthy, Some(false));
    let took = trial.recovery_ms.expect("it was unhealthy");
    assert!(
        (0..1_000).contains(&took),
        "{took} ms: eight seconds before the rollback"
    );
}

#[test]
fn what_works_beside_a_container_is_told_when_to_end_by_itself() {
    let simulation = simulation("{type: cpu_stress, params: {percent: 5}}");
    let mut ends = None;
    simulation.run_beside(Duration::from_secs(4), |machine| {
        let tasks: Vec<&Task> = web(machine).tasks.values().collect();
        assert_eq!(tasks.len(), 1);
        ends = tasks[0].ends_after;
    });
    // The duration, the time that the subject allows an injection, and the grace of three minutes.
    assert_eq!(ends, Some(Duration::from_secs(10 + 60 + 180)));
}
