//! Which actions may take a change back: inverses of what the change itself does, by type, and nothing else.
//!
//! `revert` runs whenever something goes wrong, without the component and often without anybody looking. So it may harm nothing that
//! `apply` did not harm.

use super::act::is_ending;
use super::change::{Action, Change};
use duress_engine::Work;

/// Signals that stop a process until SIGCONT.
const STOPPING: [&str; 4] = ["SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"];

/// Checks the order of `apply`, and that `revert` is its inverse.
pub(super) fn check(change: &Change) -> Result<(), String> {
    check_order(&change.apply)?;
    for action in &change.revert {
        if !is_inverse(action, &change.apply) {
            return Err(format!(
                "has `{action}` in `revert`, which reverts nothing that it applies; allowed are `unpause` for `pause`, `start` for \
                 what ends a container, SIGCONT for SIGSTOP of the same process, `stop-task`, `remove-fill` and `limit` for its own, and \
                 `run` and `ask` where it runs or asks",
            ));
        }
    }
    match change
        .apply
        .iter()
        .find(|action| !has_inverse(action, &change.revert))
    {
        None => Ok(()),
        Some(action) => Err(format!(
            "applies `{action}` and does not revert that; add {} to `revert`",
            wanted(action)
        )),
    }
}

/// Refuses what would lie elsewhere by the time it is done.
fn check_order(apply: &[Action]) -> Result<(), String> {
    let ends = apply.iter().position(ends_container);
    for (at, action) in apply.iter().enumerate() {
        let loads_disk = match action {
            Action::FillDisk { .. } => true,
            Action::StartTask { work, .. } => matches!(work, Work::WriteDisk { .. }),
            Action::RemoveFill { path } if !fills(&apply[..at], path) => {
                return Err(format!(
                    "removes {}, which it did not make before",
                    path.escape_debug()
                ));
            }
            _ => false,
        };
        if loads_disk && ends.is_some_and(|ends| ends < at) {
            return Err(
                "loads a disk after it has stopped the container: the container's volumes may be gone by then".into(),
            );
        }
    }
    Ok(())
}

/// Whether an action of `revert` is the inverse of something in `apply`, or something in `apply` done again that harms nothing.
fn is_inverse(back: &Action, apply: &[Action]) -> bool {
    let any = |fits: &dyn Fn(&Action) -> bool| apply.iter().any(fits);
    match back {
        Action::Unpause => any(&|done| matches!(done, Action::Pause | Action::Unpause)),
        Action::Start => any(&|done| match done {
            Action::Stop { .. }
            | Action::Restart { .. }
            | Action::Start
            | Action::RunOffline { .. } => true,
            // Whatever does not stop a process may end it.
            Action::Signal(signal) | Action::SignalProcess { signal, .. } => !is_stopping(signal),
            _ => false,
        }),
        // Nothing but the container's own start brings back a process that was ended in it.
        Action::Restart { .. } => any(&|done| match done {
            Action::Restart { .. } => true,
            Action::SignalProcess { signal, .. } => is_ending(signal),
            _ => false,
        }),
        Action::Signal(signal) => any(&|done| match done {
            Action::Signal(sent) => continues(sent, signal),
            _ => false,
        }),
        Action::SignalProcess {
            pid,
            started,
            signal,
        } => any(&|done| match done {
            Action::SignalProcess {
                pid: of,
                started: since,
                signal: sent,
            } => (of, since) == (pid, started) && continues(sent, signal),
            _ => false,
        }),
        Action::StopTask { id } => {
            any(&|done| matches!(done, Action::StartTask { id: started, .. } if started == id))
        }
        Action::RemoveFill { path } => fills(apply, path),
        Action::RestoreFile { path, .. } => replaces(apply, path),
        Action::Limit(_) | Action::RestoreLimits { .. } => {
            any(&|done| matches!(done, Action::Limit(_)))
        }
        Action::Run(program) => {
            any(&|done| matches!(done, Action::Run(applied) if applied.place == program.place))
        }
        Action::Ask(_) => any(&|done| matches!(done, Action::Ask(_))),
        Action::PutBack => any(&|done| matches!(done, Action::Rearrange(_))),
        Action::RunOffline { .. } => any(&|done| matches!(done, Action::RunOffline { .. })),
        Action::Pause
        | Action::Stop { .. }
        | Action::StartTask { .. }
        | Action::ReplaceFile { .. }
        | Action::FillDisk { .. }
        | Action::Rearrange(_) => false,
    }
}

/// Returns whether what an action does is reverted, as far as its type tells.
fn has_inverse(done: &Action, revert: &[Action]) -> bool {
    let any = |fits: &dyn Fn(&Action) -> bool| revert.iter().any(fits);
    match done {
        Action::Pause => any(&|back| matches!(back, Action::Unpause)),
        Action::Stop { .. } => any(&|back| matches!(back, Action::Start)),
        Action::Signal(signal) if is_stopping(signal) => {
            any(&|back| matches!(back, Action::Signal(sent) if sent == "SIGCONT"))
        }
        Action::Signal(signal) if is_ending(signal) => any(&|back| matches!(back, Action::Start)),
        Action::SignalProcess {
            pid,
            started,
            signal,
        } if is_stopping(signal) => any(&|back| {
            matches!(back, Action::SignalProcess { pid: of, started: since, signal: sent }
                if (of, since) == (pid, started) && sent == "SIGCONT")
        }),
        Action::FillDisk { path, .. } => {
            any(&|back| matches!(back, Action::RemoveFill { path: removed } if removed == path))
        }
        Action::Limit(_) => any(&|back| matches!(back, Action::Limit(_))),
        Action::Rearrange(_) => any(&|back| matches!(back, Action::PutBack)),
        // It must be the last: what is run offline leaves the container stopped.
        Action::RunOffline { .. } => {
            any(&|back| matches!(back, Action::RunOffline { .. }))
                && matches!(revert.last(), Some(Action::Start))
        }
        Action::ReplaceFile { path, .. } => any(
            &|back| matches!(back, Action::RestoreFile { path: restored, .. } if restored == path),
        ),
        _ => true,
    }
}

fn wanted(action: &Action) -> &'static str {
    match action {
        Action::Pause => "`unpause`",
        Action::FillDisk { .. } => "`remove-fill` of the same path",
        Action::Limit(_) => "`limit`",
        Action::Rearrange(_) => "`put-back`",
        Action::RunOffline { .. } => "a program that reverts it, and `start` at the end",
        Action::ReplaceFile { .. } => "the restoration of the same file",
        Action::SignalProcess { .. } => "SIGCONT to the same process",
        Action::Signal(signal) if is_stopping(signal) => "SIGCONT",
        _ => "`start`",
    }
}

/// Whether a signal may follow another as its way back: SIGCONT after a stop, or the same one again where it neither stops nor ends.
fn continues(sent: &str, back: &str) -> bool {
    if is_stopping(sent) {
        return back == "SIGCONT";
    }
    sent == back && !is_ending(sent)
}

fn ends_container(action: &Action) -> bool {
    match action {
        Action::Stop { .. } | Action::Rearrange(_) | Action::RunOffline { .. } => true,
        Action::Signal(signal) => !is_stopping(signal) && signal != "SIGCONT",
        _ => false,
    }
}

fn is_stopping(signal: &str) -> bool {
    STOPPING.contains(&signal)
}

fn replaces(apply: &[Action], path: &str) -> bool {
    apply
        .iter()
        .any(|done| matches!(done, Action::ReplaceFile { path: replaced, .. } if replaced == path))
}

fn fills(apply: &[Action], path: &str) -> bool {
    apply
        .iter()
        .any(|done| matches!(done, Action::FillDisk { path: filled, .. } if filled == path))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change::{Place, PlacedProgram, Probe};
    use duress_engine::{Arrangement, ContainerCopy, ContainerId, Limits, Overrides, Project};
    use duress_model::HttpRequest;

    fn of(apply: &[Action], revert: &[Action]) -> Result<(), String> {
        let change = Change {
            project: Project("duress-test".into()),
            container: ContainerId("c".into()),
            container_name: "c".into(),
            summary: "a test".into(),
            apply: apply.to_vec(),
            revert: revert.to_vec(),
            in_force: Some(Probe::Run(program(Place::Container))),
            effect_wait_ms: None,
            http_hosts: Vec::new(),
        };
        change.check()
    }

    fn program(place: Place) -> PlacedProgram {
        PlacedProgram {
            place,
            command: vec!["tc".into()],
            timeout_ms: 1000,
            tolerated: Vec::new(),
        }
    }

    fn run(place: Place) -> Action {
        Action::Run(program(place))
    }

    fn signal(name: &str) -> Action {
        Action::Signal(name.into())
    }

    fn process(pid: i32, name: &str) -> Action {
        Action::SignalProcess {
            pid,
            started: 9,
            signal: name.into(),
        }
    }

    fn fill(path: &str) -> Action {
        Action::fill_disk(path.into(), 4096)
    }

    fn remove(path: &str) -> Action {
        Action::RemoveFill { path: path.into() }
    }

    fn replace(path: &str) -> Action {
        Action::replace_file(path.into(), b"new".to_vec())
    }

    fn restore(path: &str) -> Action {
        Action::restore_file(path.into())
    }

    fn burn(id: &str) -> Action {
        Action::StartTask {
            id: id.into(),
            work: Work::BurnCpu {
                percent: 10,
                workers: 1,
            },
        }
    }

    fn write() -> Action {
        Action::StartTask {
            id: "w".into(),
            work: Work::WriteDisk {
                folder: "/data".into(),
                workers: 1,
                file_bytes: 4096,
                root_filesystem_allowed: false,
            },
        }
    }

    fn stop_task(id: &str) -> Action {
        Action::StopTask { id: id.into() }
    }

    fn limit() -> Action {
        Action::Limit(Limits {
            pids: Some(10),
            ..Limits::default()
        })
    }

    fn ask() -> Action {
        Action::Ask(HttpRequest {
            method: "POST".into(),
            url: "http://c/".into(),
            headers: Vec::new(),
            body: Vec::new(),
            timeout_ms: 1000,
        })
    }

    fn rearrange() -> Action {
        let copy = ContainerCopy {
            of: ContainerId("c".into()),
            name: "c".into(),
            number: None,
            overrides: Overrides {
                command: Some(vec!["other".into()]),
                ..Overrides::default()
            },
        };
        Action::Rearrange(Arrangement {
            token: "t".into(),
            scales: None,
            aside: vec![ContainerId("c".into())],
            copies: vec![copy],
        })
    }

    fn offline() -> Action {
        Action::RunOffline {
            command: vec!["mv".into()],
            timeout_ms: 1000,
            tolerated: Vec::new(),
        }
    }

    const STOP: Action = Action::Stop { grace_ms: 0 };
    const RESTART: Action = Action::Restart { grace_ms: 0 };

    #[test]
    fn every_action_is_taken_back_by_its_inverse() {
        for (apply, revert) in [
            (Action::Pause, Action::Unpause),
            (STOP, Action::Start),
            (RESTART, Action::Start),
            (signal("SIGKILL"), Action::Start),
            (signal("SIGSTOP"), signal("SIGCONT")),
            (signal("SIGHUP"), signal("SIGHUP")),
            (process(7, "SIGKILL"), RESTART),
            (process(7, "SIGTERM"), Action::Start),
            (process(7, "SIGSTOP"), process(7, "SIGCONT")),
            (burn("b"), stop_task("b")),
            (fill("/data/f"), remove("/data/f")),
            (limit(), limit()),
            (replace("/etc/f"), restore("/etc/f")),
            (run(Place::Container), run(Place::Container)),
            (
                run(Place::NetworkOfContainer),
                run(Place::NetworkOfContainer),
            ),
            (ask(), ask()),
            (rearrange(), Action::PutBack),
        ] {
            let name = format!("{apply} by {revert}");
            assert_eq!(of(&[apply], &[revert]), Ok(()), "{name}");
        }
    }

    #[test]
    fn a_container_that_was_stopped_for_a_program_is_started_at_last() {
        let apply = [offline(), Action::Start];
        assert_eq!(of(&apply, &[offline(), Action::Start]), Ok(()));
        assert!(of(&apply, &[Action::Start, offline()]).is_err());
    }

    #[test]
    fn nothing_else_is_a_way_back() {
        for (apply, revert) in [
            (Action::Pause, vec![Action::Unpause, fill("/data/f")]),
            (
                Action::Pause,
                vec![Action::Unpause, burn("b"), stop_task("b")],
            ),
            (Action::Pause, vec![Action::Unpause, Action::Pause]),
            (Action::Pause, vec![Action::Unpause, STOP]),
            (Action::Pause, vec![Action::Unpause, RESTART]),
            (Action::Pause, vec![Action::Unpause, signal("SIGKILL")]),
            (Action::Pause, vec![Action::Unpause, process(7, "SIGTERM")]),
            (Action::Pause, vec![Action::Unpause, remove("/etc/passwd")]),
            (Action::Pause, vec![Action::Unpause, limit()]),
            (Action::Pause, vec![Action::Unpause, ask()]),
            (Action::Pause, vec![Action::Unpause, run(Place::Container)]),
            (Action::Pause, vec![Action::Start]),
            (signal("SIGSTOP"), vec![Action::Start]),
            (process(7, "SIGSTOP"), vec![Action::Start]),
            (process(7, "SIGSTOP"), vec![process(8, "SIGCONT")]),
            (process(7, "SIGHUP"), vec![process(7, "SIGKILL")]),
            (signal("SIGKILL"), vec![signal("SIGKILL"), Action::Start]),
            (STOP, vec![Action::Unpause]),
            (run(Place::Container), vec![run(Place::NetworkOfContainer)]),
            (fill("/data/f"), vec![remove("/data/g")]),
            (limit(), vec![Action::Start]),
            (rearrange(), vec![Action::Start]),
            (rearrange(), vec![Action::PutBack, rearrange()]),
            (Action::Pause, vec![Action::Unpause, Action::PutBack]),
            (Action::Pause, vec![Action::Unpause, offline()]),
            (offline(), vec![Action::Start]),
            (offline(), vec![Action::Start, offline()]),
            (replace("/etc/f"), vec![restore("/etc/g")]),
            (replace("/etc/f"), vec![replace("/etc/f")]),
            (Action::Pause, vec![Action::Unpause, restore("/etc/f")]),
        ] {
            let name = format!("{apply} by {revert:?}");
            assert!(of(&[apply], &revert).is_err(), "{name}");
        }
    }

    #[test]
    fn no_disk_is_loaded_once_the_container_may_be_stopped() {
        for end in [STOP, signal("SIGKILL"), signal("SIGUSR1")] {
            let name = format!("{end}");
            let back = [remove("/data/f"), Action::Start];
            let late = of(&[end.clone(), fill("/data/f")], &back);
            assert!(late.is_err_and(|why| why.contains("after")), "{name}");
            assert_eq!(of(&[fill("/data/f"), end.clone()], &back), Ok(()), "{name}");
            let late = of(&[end, write()], &[stop_task("w"), Action::Start]);
            assert!(late.is_err(), "{name}");
        }
    }

    #[test]
    fn a_change_removes_nothing_that_it_did_not_make() {
        let back = [remove("/data/f"), Action::Unpause];
        assert!(of(&[Action::Pause, remove("/data/f")], &back).is_err());
        assert!(of(&[remove("/data/f"), fill("/data/f")], &[remove("/data/f")]).is_err());
    }

    #[test]
    fn limits_that_are_no_numbers_are_refused() {
        for cpus in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.0] {
            let limits = Limits {
                cpus: Some(cpus),
                ..Limits::default()
            };
            let refused = of(&[Action::Limit(limits)], &[limit()]);
            assert!(
                refused.is_err_and(|why| why.contains("processors")),
                "{cpus}"
            );
        }
        for nothing in [
            Limits::default(),
            Limits {
                memory_bytes: Some(0),
                ..Limits::default()
            },
            Limits {
                pids: Some(0),
                ..Limits::default()
            },
        ] {
            assert!(of(&[Action::Limit(nothing)], &[limit()]).is_err());
        }
    }
}
