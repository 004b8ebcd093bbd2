//! Tests of [`super`]: what is left when a change fails, and what the metadata holds.

use std::cell::RefCell;

use super::*;
use crate::faults::node_kill;

fn changes() -> Vec<Planned> {
    ["etcd0", "etcd1", "etcd2"]
        .into_iter()
        .flat_map(|name| node_kill::kill(name).changes)
        .collect()
}

/// Applies until the container `bad`, whose change fails; reverts fail for the id of `stuck`.
fn run(bad: &str, stuck: &str) -> (Result<Vec<String>>, Vec<String>) {
    let planned = changes();
    let planned: Vec<&Planned> = planned.iter().collect();
    let reverted = RefCell::new(Vec::new());
    let result = all_or_nothing(
        &planned,
        &|planned: &Planned| match &planned.change().container {
            name if name == bad => Err(Error::Unavailable("it is gone".into())),
            name => Ok(format!("id-{name}")),
        },
        &|id: &str| {
            reverted.borrow_mut().push(id.to_owned());
            if id == stuck {
                return Err(Error::Failed(format!("{id} is stuck")));
            }
            Ok(())
        },
    );
    (result, reverted.into_inner())
}

#[test]
fn without_a_failure_nothing_is_taken_back() {
    let (result, reverted) = run("none", "none");
    assert_eq!(result.map(|ids| ids.len()), Ok(3));
    assert!(reverted.is_empty());
}

#[test]
fn the_failure_of_one_takes_the_earlier_ones_back_last_first() {
    let (result, reverted) = run("etcd2", "none");
    assert_eq!(result, Err(Error::Unavailable("it is gone".into())));
    assert_eq!(reverted, ["id-etcd1", "id-etcd0"]);
}

#[test]
fn a_stuck_one_stops_nothing_and_is_told() {
    let (result, reverted) = run("etcd2", "id-etcd1");
    let text = result.expect_err("etcd2 fails").text();
    assert!(
        text.contains("it is gone") && text.contains("id-etcd1 is stuck"),
        "{text}"
    );
    assert_eq!(reverted, ["id-etcd1", "id-etcd0"]);
}

#[test]
fn several_failures_are_all_told() {
    let failures = vec![Error::Failed("a".into()), Error::Timeout(5)];
    assert_eq!(
        into_result(failures),
        Err(Error::Failed("a; no end within 5 ms".into()))
    );
}

#[test]
fn metadata_holds_the_facts_and_the_ids() {
    let steps = [node_kill::kill("etcd0"), node_kill::kill("etcd1")];
    let ids = ["7".to_owned(), "8".to_owned()];
    assert_eq!(
        metadata("node_kill", &steps[..1], &ids[..1]),
        json!({"chaos_type": "node_kill", "target_container": "etcd0", "signal": "SIGKILL", "changes": ["7"]})
    );
    let both = metadata("node_kill", &steps, &ids);
    assert_eq!(both["steps"][1]["target_container"], "etcd1");
    assert_eq!(both["changes"], json!(["7", "8"]));
}

#[test]
fn an_unknown_fault_is_answered_with_the_known_ones() {
    let faults = [node_kill::fault()];
    let problems = check(&faults, "node_kil", "{}");
    assert_eq!(
        problems[0].message,
        "no fault is called node_kil; there are node_kill"
    );
}

/// Applies `etcd0`, and then what each look finds; the container `gone` cannot be changed.
fn look_again(looks: &[&[&str]]) -> (Result<Vec<String>>, usize, Vec<String>) {
    let reverted = RefCell::new(Vec::new());
    let looked = RefCell::new(looks.iter());
    let mut steps = vec![node_kill::kill("etcd0")];
    let more = |_: &[Step]| {
        let found = looked.borrow_mut().next().copied().unwrap_or_default();
        Ok(found.iter().map(|name| node_kill::kill(name)).collect())
    };
    let apply = |planned: &Planned| match planned.change().container.as_str() {
        "gone" => Err(Error::Unavailable("it is gone".into())),
        name => Ok(format!("id-{name}")),
    };
    let revert = |id: &str| {
        reverted.borrow_mut().push(id.to_owned());
        Ok(())
    };
    let ids = in_rounds(&mut steps, more, apply, revert);
    (ids, steps.len(), reverted.into_inner())
}

#[test]
fn what_was_missed_is_applied_too() {
    let ids = |names: &[&str]| Ok(names.iter().map(|name| format!("id-{name}")).collect());
    let found = look_again(&[&["etcd1"], &["etcd2"]]);
    assert_eq!(found, (ids(&["etcd0", "etcd1", "etcd2"]), 3, Vec::new()));
    // It had ended by itself: the next look does not find it.
    let ended = look_again(&[&["gone"], &["etcd1"]]);
    assert_eq!(ended, (ids(&["etcd0", "etcd1"]), 2, Vec::new()));
}

#[test]
fn what_was_missed_and_cannot_be_changed_reverts_all() {
    let gone = Err(Error::Unavailable("it is gone".into()));
    let found = look_again(&[&["etcd1"], &["gone"], &["gone"]]);
    let reverted = vec!["id-etcd1".to_owned(), "id-etcd0".to_owned()];
    assert_eq!(found, (gone, 2, reverted));
}
