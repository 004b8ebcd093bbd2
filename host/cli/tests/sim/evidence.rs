//! What is evidence, and what is not: a fault that does nothing, and a trial in which somebody else had a hand.

use std::time::Duration;

use crate::scenario::Simulation;
use duress_engine::State;
use duress_simulated::{Container, Machine};
use duress_store::TrialRow;

/// The one trial of a chaos type on `bare`, while somebody does something to one of its containers in the middle of the fault.
fn trial(entry: &str, container: &str, act: impl FnOnce(&mut Container)) -> TrialRow {
    let act = |machine: &mut Machine| {
        let mut all = machine
            .stacks
            .values_mut()
            .flat_map(|one| &mut one.containers);
        if let Some(one) = all.find(|one| one.service == container) {
            act(one);
        }
    };
    trial_beside(entry, act)
}

fn trial_beside(entry: &str, act: impl FnOnce(&mut Machine)) -> TrialRow {
    let text = format!(
        "name: evidence\nsubjects: [bare]\nseed: 1\n\
         defaults: {{duration_seconds: 10, targets: [bare]}}\nchaos_types:\n  - {entry}\n"
    );
    let simulation = Simulation::calm(&text);
    let mut trials = simulation.run_beside(Duration::from_secs(4), act);
    assert_eq!(trials.len(), 1);
    trials.remove(0)
}

fn outcome(trial: &TrialRow) -> (&str, &str) {
    let outcome = trial.outcome.map_or("running", |outcome| outcome.as_str());
    (outcome, trial.error.as_deref().unwrap_or_default())
}

/// The outcome and a part of the reason.
fn is(trial: &TrialRow, expected: &str, reason: &str) {
    let (outcome, error) = outcome(trial);
    assert_eq!(outcome, expected, "{error}");
    assert!(error.contains(reason), "{error}");
}

fn restart(container: &mut Container) {
    container.end();
    container.start();
}

#[test]
fn a_fault_that_does_nothing_is_invalid() {
    let nothing = trial("{type: nothing}", "bare", |_| {});
    is(
        &nothing,
        "invalid",
        "`nothing` reported success, and nothing of it is in force: it made no change",
    );
    let undone = trial("{type: misbehave, params: {how: undo}}", "bare", |_| {});
    is(&undone, "invalid", "reverted before `inject` returned");
    // Its change is one of the trial's, and was in force for a moment.
    assert_eq!(undone.targets, ["bare"]);
}

#[test]
fn what_holds_already_shows_nothing() {
    let limit = "type: cpu_limit, params: {cpus: 0.5}";
    let twice = format!("{{label: twice, steps: [{{{limit}}}, {{{limit}, at: 1s}}]}}");
    let twice = trial(&twice, "bare", |_| {});
    is(&twice, "invalid", "this holds already: its limits are set");
}

#[test]
fn a_cleanup_that_reverts_nothing_is_told() {
    let forgotten = trial("{type: misbehave, params: {how: forget}}", "bare", |_| {});
    is(&forgotten, "passed", "");
    assert_eq!(forgotten.circumstances.reverted_by_host, ["freeze bare"]);
}

#[test]
fn a_target_that_somebody_removes_is_no_recovery() {
    let gone = trial_beside("{type: process_pause}", |machine| {
        for stack in machine.stacks.values_mut() {
            stack.containers.retain(|one| one.service != "bare");
        }
    });
    is(&gone, "disturbed", "bare was removed");
    let down = trial_beside("{type: process_pause}", |machine| machine.stacks.clear());
    is(&down, "disturbed", "peer was removed");
}

#[test]
fn a_fault_that_somebody_ends_is_disturbed() {
    let unpaused = trial("{type: process_pause}", "bare", |bare| {
        bare.state = State::Running;
    });
    is(
        &unpaused,
        "disturbed",
        "a fault ended before its time: pause bare",
    );
    let flushed = trial("{type: network_partition}", "bare", |bare| {
        bare.rules.clear();
    });
    is(&flushed, "disturbed", "a fault ended before its time");
    let started = trial("{type: node_kill}", "bare", Container::start);
    is(&started, "disturbed", "a fault ended before its time");
    let restarted = trial("{type: cpu_stress, params: {percent: 5}}", "bare", restart);
    is(&restarted, "disturbed", "bare was restarted");
    let again = "{type: cpu_stress, params: {percent: 5}, on_target_restart: reapply}";
    is(&trial(again, "bare", restart), "passed", "");
}

#[test]
fn a_bystander_that_somebody_touches_is_a_disturbance() {
    is(
        &trial("{type: process_pause}", "peer", restart),
        "disturbed",
        "peer was restarted",
    );
    let pause = |peer: &mut Container| peer.state = State::Paused;
    is(
        &trial("{type: node_kill}", "peer", pause),
        "disturbed",
        "peer was paused",
    );
}

#[test]
fn a_peer_that_takes_another_address_is_a_disturbance() {
    let moved = trial("{type: network_partition}", "peer", |peer| {
        restart(peer);
        peer.restarts += 1;
        peer.address = [10, 0, 0, 99].into();
    });
    is(&moved, "disturbed", "peer restarted with another address");
}

#[test]
fn peers_that_swap_their_addresses_are_a_disturbance() {
    // Both start again by themselves: a rule for one now cuts the other off.
    let entry = "{type: network_partition, params: {to: [peer]}}";
    let swapped = trial_beside(entry, |machine| {
        let stack = machine.stacks.values_mut().next().expect("a stack");
        let mut addresses = Vec::new();
        for service in ["peer", "locked"] {
            let mut all = stack.containers.iter_mut();
            let one = all
                .find(|one| one.service == service)
                .expect("the service exists");
            restart(one);
            one.restarts += 1;
            addresses.push(one.address);
        }
        for service in ["locked", "peer"] {
            let mut all = stack.containers.iter_mut();
            let one = all
                .find(|one| one.service == service)
                .expect("the service exists");
            one.address = addresses.remove(0);
        }
    });
    is(&swapped, "disturbed", "peer restarted with another address");
    is(
        &swapped,
        "disturbed",
        "locked restarted with another address",
    );
}

#[test]
fn what_a_system_does_by_itself_is_its_answer() {
    let by_policy = |peer: &mut Container| {
        restart(peer);
        peer.restarts += 1;
    };
    is(
        &trial("{type: process_pause}", "peer", by_policy),
        "passed",
        "",
    );
    let trial = trial("{type: container_restart}", "bare", |_| {});
    is(&trial, "passed", "");
    assert_eq!(trial.circumstances.stayed_healthy, Some(true));
    assert_eq!(trial.recovery_ms, None, "there was nothing to recover from");
}
