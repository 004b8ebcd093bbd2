use super::*;
use crate::faults::container;

fn scene() -> Scene {
    let target = container("etcd0", &[("default", "10.0.0.2")]);
    let peer = container("etcd1", &[("default", "10.0.0.3"), ("other", "10.9.0.3")]);
    Scene {
        targets: vec![target.clone()],
        stack: vec![target, peer],
    }
}

fn commands(to: &[&str]) -> Result<Vec<String>> {
    let scene = scene();
    let to: Vec<_> = to.iter().map(|&name| name.to_owned()).collect();
    let link = Link {
        interface: Some("eth0"),
        to: &to,
    };
    let loss = ["netem", "loss", "10%"].map(str::to_owned);
    let step = link.shape(
        &scene.targets[0],
        &scene,
        &loss,
        "lose 10 %",
        Map::new(),
        Token(0xabcdef),
    )?;
    let words = |action: &Action| match action {
        Action::Run(program) => program.command.join(" "),
        other => format!("{other:?}"),
    };
    let change = &step.changes[0];
    Ok(change
        .apply
        .iter()
        .chain(&change.revert)
        .map(words)
        .collect())
}

#[test]
fn without_addresses_all_that_is_sent_is_shaped() {
    assert_eq!(
        commands(&[]).expect("a plan"),
        [
            "tc qdisc add dev eth0 root handle 7dee: netem loss 10%",
            "tc qdisc del dev eth0 root handle 7dee:",
        ]
    );
}

#[test]
fn with_a_service_only_what_is_sent_to_it_on_a_shared_network_is() {
    assert_eq!(
        commands(&["etcd1", "192.0.2.7"]).expect("a plan"),
        [
            "tc qdisc add dev eth0 root handle 7dee: htb",
            "tc class add dev eth0 parent 7dee: classid 7dee:4 htb rate 100gbit quantum 200000",
            "tc qdisc add dev eth0 parent 7dee:4 handle 7def: netem loss 10%",
            "tc filter add dev eth0 parent 7dee: protocol ip prio 1 u32 match ip dst 10.0.0.3/32 flowid 7dee:4",
            "tc filter add dev eth0 parent 7dee: protocol ip prio 1 u32 match ip dst 192.0.2.7/32 flowid 7dee:4",
            "tc qdisc del dev eth0 root handle 7dee:",
        ]
    );
}

#[test]
fn a_service_that_is_not_there_is_refused() {
    let error = commands(&["pd0"]).expect_err("no such service");
    assert!(error.text().contains("`pd0`"), "{}", error.text());
}
