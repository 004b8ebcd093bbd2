//! Tests of [`super`]: whom it cuts off, and by which rules.

use super::*;
use crate::faults::container;

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
fn a_cut_is_one_change_that_names_each_peer() {
    let step = cut("etcd0", ips(&["172.20.0.3", "fd00::3"]), Direction::In);
    let [change] = step.changes.as_slice() else {
        panic!("one change");
    };
    let [Effect::Drop(packets)] = change.draft().effects.as_slice() else {
        panic!("{change:?}");
    };
    assert_eq!(packets.direction, draft::Direction::Incoming);
    let peers: Vec<_> = packets.peers.iter().map(Destination::address).collect();
    assert_eq!(peers, ["172.20.0.3", "fd00::3"]);
    assert!(!packets.with_multicast);
    assert_eq!(
        step.facts["target_ips"],
        serde_json::json!(["172.20.0.3", "fd00::3"])
    );
}
