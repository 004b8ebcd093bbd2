//! The real runner, trials, journal, store and plugins on a machine that is simulated, down to its clock, and that dies at every
//! moment at which it can.
//!
//! `DURESS_SIM_SEEDS` says how many seeds are tried with one crash each, `DURESS_SIM_FROM` the first one, `DURESS_SIM_EVERY` how many
//! of them crash at every step. `cargo xtask sim` sets them.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    unreachable_pub,
    reason = "a test that cannot go on ends with what it saw, and says how much it tried"
)]

mod evidence;
mod invariants;
mod scenario;
mod times;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};

use duress_model::SeededRandom;
use duress_simulated::{End, Troubles};

use scenario::Simulation;

/// What was tried.
#[derive(Debug, Default)]
struct Tried {
    crashes: AtomicU64,
    seeds: AtomicU64,
}

/// Runs a seed to its end without a crash; how many steps that took.
fn undisturbed(seed: u64) -> Result<u64, String> {
    let simulation = Simulation::new(seed, End::Never);
    let ran = simulation.run();
    let steps = simulation.world.steps();
    simulation.check_journal()?;
    let calm = scenario::Scenario::new(seed).is_calm();
    if calm {
        match ran {
            Some(Ok(tally)) if tally.finished == tally.passed && !tally.interrupted => {}
            other => {
                return Err(format!(
                    "in a calm world: {other:?}; {:?}",
                    simulation.check_passed()
                ));
            }
        }
        simulation.check_passed()?;
    }
    recover(&simulation, seed)?;
    Ok(steps)
}

/// Runs a seed until the machine crashes at a step, and recovers it.
fn crashed(seed: u64, step: u64) -> Result<(), String> {
    let simulation = Simulation::new(seed, End::Crash(step));
    simulation.run();
    simulation.check_journal()?;
    recover(&simulation, seed ^ step)
}

/// Presses Ctrl+C at a step. In a calm world nothing is left for a recovery to do.
fn interrupted(seed: u64, step: u64) -> Result<(), String> {
    let simulation = Simulation::new(seed, End::Interrupt(step));
    let ran = simulation.run();
    simulation.check_journal()?;
    if scenario::Scenario::new(seed).is_calm() {
        match ran {
            Some(Ok(tally)) if tally.interrupted || tally.finished == tally.passed => {}
            other => return Err(format!("it was to end in good order: {other:?}")),
        }
        simulation.check_recovered()?;
    }
    recover(&simulation, seed ^ step)
}

/// Kills the process at a step, or stops it there, and leaves the rest to its guardian. Nobody recovers.
fn guarded(seed: u64, step: u64, freezes: bool) -> Result<(), String> {
    let end = if freezes {
        End::Freeze(step)
    } else {
        End::Crash(step)
    };
    let simulation = Simulation::new(seed, end);
    let world = &simulation.world;
    if freezes {
        let mut random = SeededRandom::new(seed ^ step);
        simulation.run_frozen(1 + random.below(5) as u64)?;
    } else {
        simulation.run();
        world.reboot(Troubles::default(), End::Never);
        simulation.guard()?;
    }
    world.reboot(Troubles::default(), End::Never);
    // Whatever had ended before, and a stack that the engine lost sight of, is the next run's.
    let finished = simulation.finished();
    match simulation.resume() {
        Some(Ok(_)) => {}
        other => return Err(format!("going on: {other:?}")),
    }
    simulation.check_recovered()?;
    simulation.check_complete(&finished)
}

/// A volume that cannot be removed is not a failure of what was tried.
#[test]
fn what_stays_of_a_stack_without_containers_changes_no_outcome() {
    let calm = (1..).find(|seed| scenario::Scenario::new(*seed).is_calm());
    let simulation = Simulation::new(calm.unwrap(), End::Never);
    simulation.world.lock().sticky_volumes = true;
    let ran = simulation.run();
    assert!(matches!(ran, Some(Ok(_))), "{ran:?}");
    simulation.check_passed().unwrap();
}

/// Recovers, with a crash in the middle of that too; look that all is well; go on to the end.
fn recover(simulation: &Simulation, seed: u64) -> Result<(), String> {
    let mut random = SeededRandom::new(seed);
    let calm = Troubles::default();
    let world = &simulation.world;
    if random.below(3) == 0 {
        world.reboot(calm, End::Crash(1 + random.below(20) as u64));
        simulation.recover();
        simulation
            .check_journal()
            .map_err(|why| format!("in a recovery that broke off: {why}"))?;
    }
    world.reboot(calm, End::Never);
    if random.below(2) == 0 {
        world.lock().sticky = true;
        simulation.recover();
        simulation.check_reverted()?;
        world.lock().sticky = false;
    }
    match simulation.recover() {
        Some(Ok(recovered)) if recovered.left.is_empty() => {}
        other => return Err(format!("the recovery: {other:?}")),
    }
    simulation.check_recovered()?;
    let finished = simulation.finished();
    match simulation.resume() {
        Some(Ok(_)) => {}
        other => return Err(format!("going on: {other:?}")),
    }
    simulation.check_recovered()?;
    simulation.check_complete(&finished)
}

/// One seed: undisturbed, and with a crash, and Ctrl+C, at one step or at every one.
fn seed(seed: u64, every: bool, tried: &Tried) -> Result<(), String> {
    let steps = undisturbed(seed).map_err(|why| format!("without a crash: {why}"))?;
    tried.seeds.fetch_add(1, Ordering::Relaxed);
    let one = 1 + SeededRandom::new(!seed).draw() % steps;
    let chosen = if every { 1..=steps } else { one..=one };
    for step in chosen {
        crashed(seed, step).map_err(|why| format!("with a crash at step {step}: {why}"))?;
        interrupted(seed, step).map_err(|why| format!("with Ctrl+C at step {step}: {why}"))?;
        // One in two, for what a crash leaves is tried above already.
        if (seed ^ step) & 1 == 0 {
            let freezes = (seed ^ step) & 2 == 0;
            let how = if freezes { "stopped" } else { "killed" };
            guarded(seed, step, freezes).map_err(|why| format!("{how} at step {step}: {why}"))?;
        }
        tried.crashes.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

fn number(name: &str, default: u64) -> u64 {
    match std::env::var(name) {
        Ok(text) => text.parse().expect("a number"),
        Err(_) => default,
    }
}

#[test]
fn whenever_the_machine_dies_nothing_is_left_lost_or_doubled() {
    let first = number("DURESS_SIM_FROM", 1);
    let seeds = number("DURESS_SIM_SEEDS", 500);
    let every = number("DURESS_SIM_EVERY", 5);
    let (next, tried) = (AtomicU64::new(0), Tried::default());
    let failures = std::sync::Mutex::new(Vec::new());
    let worker = || loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= seeds {
            return;
        }
        let chosen = first + number;
        let result = catch_unwind(AssertUnwindSafe(|| seed(chosen, number < every, &tried)));
        let why = match result {
            Ok(Ok(())) => continue,
            Ok(Err(why)) => why,
            Err(_) => "it panicked".to_owned(),
        };
        failures
            .lock()
            .unwrap()
            .push(format!("seed {chosen}, {why}"));
    };
    std::thread::scope(|scope| {
        let workers = std::thread::available_parallelism().map_or(2, usize::from);
        for _ in 0..workers {
            scope.spawn(worker);
        }
    });
    println!(
        "{} seeds, {} steps at which the machine crashed, and as many with Ctrl+C",
        tried.seeds.into_inner(),
        tried.crashes.into_inner()
    );
    let failures = failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} of {seeds} seeds failed; one again: DURESS_SIM_FROM=SEED DURESS_SIM_SEEDS=1 DURESS_SIM_EVERY=1\n{}",
        failures.len(),
        failures[..failures.len().min(20)].join("\n")
    );
}
