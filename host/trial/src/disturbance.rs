//! What was not the trial's doing: a stack that somebody else touched proves nothing about the fault.
//!
//! | what is seen | it is |
//! |---|---|
//! | a container was removed | a disturbance |
//! | a container that a change of this trial sets aside, or has set aside | the fault |
//! | a container that ended or restarted by a change of this trial | the fault |
//! | a container that its own restart policy started again, or that ended with an exit code of its own | the subject's answer to the fault |
//! | a container that somebody else restarted, killed or paused | a disturbance |
//! | a network that a container lost, or was connected to anew | a disturbance |
//! | an address that changed while a change of this trial is in force | a disturbance: rules may lie at another link than they did |

use duress_engine::{Snapshot, State};
use duress_journal::Held;

/// Exit codes of a first process that SIGKILL or SIGTERM ended (128 and the signal): most often somebody's `docker kill` or `stop`.
const ENDED_FROM_OUTSIDE: [i64; 2] = [137, 143];

/// What somebody else did to a stack since it was seen last, a sentence each. `may_restart` are containers whose restart by others the
/// campaign allows.
pub(super) fn between(
    before: &[Snapshot],
    now: &[Snapshot],
    held: &[Held],
    may_restart: &dyn Fn(&Snapshot) -> bool,
) -> Vec<String> {
    let mut found = Vec::new();
    for was in before {
        let own: Vec<&Held> = held.iter().filter(|one| one.concerns(&was.id)).collect();
        if own.iter().any(|one| !one.set_aside.is_empty()) {
            // Whether it is set aside as it should be, and back in time, is the journal's to see.
            continue;
        }
        let Some(is) = now.iter().find(|one| one.id == was.id) else {
            let replaced = now.iter().any(|one| one.name == was.name);
            found.push(match replaced {
                true => format!("{} was removed and made anew", was.name),
                false => format!("{} was removed", was.name),
            });
            continue;
        };
        // Whatever such a container does next is the fault's doing; that the change itself holds is the journal's to see.
        if own.iter().any(|one| one.ends_processes) || was.state != State::Running {
            continue;
        }
        let paused = own.iter().any(|one| one.pauses && one.in_force.is_some());
        let network_matters = held.iter().any(Held::is_in_force);
        found.extend(touched(was, is, paused, network_matters, may_restart(was)));
    }
    found
}

/// Returns whether a container ended, or started again, without anybody's help.
pub(super) fn ended_by_itself(was: &Snapshot, is: &Snapshot) -> bool {
    match is.state {
        State::Exited | State::Restarting => {
            let code = is.exit_code.unwrap_or_default();
            is.out_of_memory || is.restarts > was.restarts || !ENDED_FROM_OUTSIDE.contains(&code)
        }
        _ => is.restarts > was.restarts,
    }
}

fn touched(
    was: &Snapshot,
    is: &Snapshot,
    paused_by_us: bool,
    network_matters: bool,
    may_restart: bool,
) -> Option<String> {
    let name = &is.name;
    let own = ended_by_itself(was, is);
    match is.state {
        State::Paused if !paused_by_us => return Some(format!("{name} was paused")),
        State::Dead => return Some(format!("the engine could not end {name}")),
        State::Exited if !own && !may_restart => {
            let code = is.exit_code.unwrap_or_default();
            return Some(format!("{name} was stopped (exit code {code})"));
        }
        State::Running | State::Paused => {}
        _ => return None,
    }
    if is.started != was.started {
        if !own && !may_restart {
            return Some(format!("{name} was restarted"));
        }
        let moved = was.attachments.iter().find_map(|(network, before)| {
            let now = is.attachments.get(network)?;
            (now.address != before.address).then_some((network, &before.address, &now.address))
        });
        return moved
            .filter(|_| network_matters && !may_restart)
            .map(|(network, before, now)| {
                format!("{name} restarted with another address on {network} ({before} before, {now} now) while a fault was in force")
            });
    }
    was.attachments
        .iter()
        .find_map(|(network, before)| match is.attachments.get(network) {
            None => Some(format!(
                "{name} was disconnected from the network {network}"
            )),
            Some(now) if now != before => Some(format!(
                "{name} was disconnected from the network {network} and connected again"
            )),
            Some(_) => None,
        })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::time::Instant;

    use super::*;
    use duress_engine::{Attachment, ContainerId};

    fn snapshot(name: &str) -> Snapshot {
        let attachment = Attachment {
            endpoint: "e1".into(),
            address: "10.0.0.2".into(),
        };
        Snapshot {
            id: ContainerId(name.into()),
            name: name.into(),
            state: State::Running,
            exit_code: None,
            out_of_memory: false,
            started: "1".into(),
            restarts: 0,
            attachments: BTreeMap::from([("default".to_owned(), attachment)]),
        }
    }

    fn held(name: &str) -> Held {
        Held {
            id: "c".into(),
            container: ContainerId(name.into()),
            container_name: name.into(),
            summary: "s".into(),
            set_aside: Vec::new(),
            ends_processes: false,
            pauses: false,
            in_force: Some(Instant::now()),
            gone: None,
        }
    }

    /// Returns what is said of `b`, which somebody changed while `a` is under a fault.
    fn said(change: impl FnOnce(&mut Snapshot)) -> Vec<String> {
        said_with(&[held("a")], change)
    }

    fn said_with(held: &[Held], change: impl FnOnce(&mut Snapshot)) -> Vec<String> {
        let before = [snapshot("a"), snapshot("b")];
        let mut now = before.clone();
        change(&mut now[1]);
        between(&before, &now, held, &|_| false)
    }

    #[test]
    fn what_others_do_is_told() {
        assert_eq!(said(|_| {}), [""; 0]);
        assert_eq!(
            said(|b| b.id.0 = "c".into()),
            ["b was removed and made anew"]
        );
        assert_eq!(said(|b| b.started = "2".into()), ["b was restarted"]);
        assert_eq!(said(|b| b.state = State::Paused), ["b was paused"]);
        assert_eq!(
            said(|b| b.attachments.clear()),
            ["b was disconnected from the network default"]
        );
        let anew = |b: &mut Snapshot| {
            b.attachments
                .values_mut()
                .for_each(|one| one.endpoint = "e2".into());
        };
        assert_eq!(
            said(anew),
            ["b was disconnected from the network default and connected again"]
        );
        let ended = |code, out_of_memory| {
            said(|b| {
                b.state = State::Exited;
                b.exit_code = Some(code);
                b.out_of_memory = out_of_memory;
            })
        };
        assert_eq!(ended(137, false), ["b was stopped (exit code 137)"]);
        assert_eq!(ended(137, true), [""; 0], "the kernel ended it");
        assert_eq!(ended(2, false), [""; 0], "it gave up by itself");
        let before = [snapshot("a"), snapshot("b")];
        let removed = between(&before, &before[..1], &[], &|_| false);
        assert_eq!(removed, ["b was removed"]);
    }

    #[test]
    fn a_target_whose_link_was_replaced_is_a_disturbance() {
        // Its rules and queues stand at a link that is gone.
        let reconnected = said_with(&[held("b")], |b| {
            b.attachments
                .values_mut()
                .for_each(|one| one.endpoint = "e2".into());
        });
        assert_eq!(
            reconnected,
            ["b was disconnected from the network default and connected again"]
        );
    }

    #[test]
    fn what_a_container_does_by_itself_is_the_subjects_answer() {
        let policy = |address: &'static str| {
            move |b: &mut Snapshot| {
                b.started = "2".into();
                b.restarts = 1;
                for one in b.attachments.values_mut() {
                    one.endpoint = "e2".into();
                    one.address = address.into();
                }
            }
        };
        assert_eq!(said(policy("10.0.0.2")), [""; 0]);
        let moved = said(policy("10.0.0.9"));
        assert!(moved[0].contains("another address"), "{moved:?}");
        let mut over = held("a");
        over.gone = Some(Instant::now());
        assert_eq!(
            said_with(&[over], policy("10.0.0.9")),
            [""; 0],
            "no rule is left that could lie at another link"
        );
    }

    #[test]
    fn what_the_trial_did_itself_is_the_fault() {
        let ends = Held {
            ends_processes: true,
            ..held("b")
        };
        assert_eq!(said_with(&[ends], |b| b.started = "2".into()), [""; 0]);
        let pauses = Held {
            pauses: true,
            ..held("b")
        };
        assert_eq!(said_with(&[pauses], |b| b.state = State::Paused), [""; 0]);
    }

    #[test]
    fn a_container_that_the_trial_replaced_is_not_missed() {
        let replaces = Held {
            set_aside: vec![ContainerId("b".into())],
            ..held("a")
        };
        let before = [snapshot("a"), snapshot("b")];
        let mut copy = snapshot("b");
        copy.id = ContainerId("copy".into());
        let now = [snapshot("a"), copy];
        assert_eq!(between(&before, &now, &[replaces], &|_| false), [""; 0]);
        let found = between(&before, &now, &[held("a")], &|_| false);
        assert_eq!(found, ["b was removed and made anew"]);
    }

    #[test]
    fn a_restart_that_the_campaign_allows_is_none() {
        let before = [snapshot("a")];
        let mut now = before.clone();
        now[0].started = "2".into();
        assert_eq!(between(&before, &now, &[held("a")], &|_| true), [""; 0]);
    }
}
