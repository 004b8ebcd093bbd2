//! Tests of [`super`]: whom it cuts off, and by which rules.

use super::*;
use crate::faults::container;
use crate::{Action, Probe};

fn stack() -> Vec<Container> {
    vec![
        container("etcd0", &[("default", "172.20.0.2")]),
        container("etcd1", &[("default", "172.20.0.3"), ("side", "fd00::3")]),
        container("etcd2", &[("default", "172.20.0.4"), ("other", "10.0.0.4")]),
        container("client", &[("default", "172.20.0.9")]),
    ]
}

fn ips(texts: &[&str]) -> Vec<IpAddr> {
    texts
        .iter()
        .map(|text| text.parse().expect("an address"))
        .collect()
}

fn words(actions: &[Action]) -> Vec<String> {
    actions
        .iter()
        .map(|action| match action {
            Action::Run(program) => program.command.join(" "),
            other => format!("{other:?}"),
        })
        .collect()
}

#[test]
fn peers_are_the_other_containers_of_the_services_on_shared_networks() {
    let stack = stack();
    assert_eq!(
        peer_addresses(&stack[0], &stack, &["etcd*"]),
        Ok(ips(&["172.20.0.3", "172.20.0.4"]))
    );
}

#[test]
fn a_container_that_does_not_run_cannot_be_cut_off() {
    let mut stack = stack();
    stack[0].addresses.clear();
    let error = peer_addresses(&stack[0], &stack, &["etcd*"]).expect_err("no address");
    assert!(matches!(error, Error::Unavailable(_)), "{error}");
}

#[test]
fn each_direction_is_one_call_and_its_way_back_names_each_rule() {
    let step = cut(
        "etcd0",
        ips(&["172.20.0.3", "172.20.0.4"]),
        Direction::Both,
        Token(1),
    );
    let [change] = step.changes.as_slice() else {
        panic!("one IP version, one change");
    };
    let apply = words(&change.apply);
    assert_eq!(
        apply,
        [
            "iptables -w 5 -t filter -I INPUT -s 172.20.0.3,172.20.0.4 -m comment --comment duress:0000000000000001:in -j DROP",
            "iptables -w 5 -t mangle -I POSTROUTING -d 172.20.0.3,172.20.0.4 -m comment --comment duress:0000000000000001:out -j DROP",
        ]
    );
    let back: Vec<_> = apply
        .iter()
        .flat_map(|rule| {
            let rule = rule.replace("-I", "-D");
            ["172.20.0.3", "172.20.0.4"].map(|ip| rule.replace("172.20.0.3,172.20.0.4", ip))
        })
        .collect();
    assert_eq!(words(&change.revert), back);
    for action in &change.revert {
        assert!(matches!(action, Action::Run(program) if program.tolerated == [1]));
    }
    assert_eq!(
        step.facts["target_ips"],
        serde_json::json!(["172.20.0.3", "172.20.0.4"])
    );
}

#[test]
fn both_ip_versions_are_two_changes() {
    let step = cut(
        "etcd0",
        ips(&["10.0.0.1", "fd00::3"]),
        Direction::In,
        Token(1),
    );
    let rules: Vec<_> = step.changes.iter().flat_map(|c| words(&c.apply)).collect();
    assert_eq!(rules.len(), 2);
    assert!(rules[0].starts_with("iptables ") && rules[0].contains("-s 10.0.0.1 "));
    assert!(rules[1].starts_with("ip6tables ") && rules[1].contains("-s fd00::3 "));
}

#[test]
fn the_probe_looks_for_every_rule() {
    let step = cut("etcd0", ips(&["10.0.0.1"]), Direction::Both, Token(255));
    let Some(Probe::Output((program, texts))) = &step.changes[0].in_force else {
        panic!("a program shows it");
    };
    assert_eq!(program.command, ["iptables-save"]);
    assert_eq!(
        texts,
        &["duress:00000000000000ff:in", "duress:00000000000000ff:out"]
    );
}
