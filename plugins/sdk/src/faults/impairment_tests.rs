//! Tests of [`super`]: what netem is told, and which packets the queue gets.

use super::*;
use crate::faults::container;

fn scene() -> Scene {
    let target = container("etcd0", &[("default", "10.0.0.2")]);
    let peer = container("etcd1", &[("default", "10.0.0.3")]);
    Scene {
        targets: vec![target.clone()],
        stack: vec![target, peer],
    }
}

fn step(packets: PacketQueue, to: &[&str], mechanism: Mechanism) -> Step {
    let scene = scene();
    let to: Vec<_> = to.iter().map(|&name| name.to_owned()).collect();
    let link = Link {
        interface: Some("eth0"),
        to: &to,
    };
    let told = Told {
        what: "hurt packets".into(),
        facts: Map::new(),
    };
    let impairment = Impairment { packets, ..NONE };
    let step = impairment.put(
        link,
        &scene.targets[0],
        &scene,
        told,
        Token(0xabcdef),
        mechanism,
    );
    step.expect("a plan")
}

fn words(action: &Action) -> String {
    match action {
        Action::Run(program) => program.command.join(" "),
        Action::StartTask(task) => format!("start {}", task.id),
        Action::StopTask(id) => format!("stop {id}"),
        other => format!("{other:?}"),
    }
}

#[test]
fn netem_is_told_what_is_to_happen_and_nothing_else() {
    let packets = PacketQueue {
        delay_ms: 100.5,
        jitter_ms: 20.0,
        delay_correlation_percent: 25.0,
        distribution: Distribution::Normal,
        loss_percent: 1.5,
        ..NONE.packets
    };
    let step = step(packets, &[], Mechanism::Netem);
    assert_eq!(
        words(&step.changes[0].apply[0]),
        "tc qdisc add dev eth0 root handle 7dee: netem limit 100000 delay 100500us 20000us 25% distribution normal loss 1.5%"
    );
    assert_eq!(step.facts["mechanism"], "netem");
}

#[test]
fn bursts_are_told_as_gemodel() {
    let packets = PacketQueue {
        enter_percent: 1.0,
        leave_percent: 10.0,
        burst_loss_percent: 90.0,
        ..NONE.packets
    };
    let step = step(packets, &[], Mechanism::Netem);
    assert!(words(&step.changes[0].apply[0]).ends_with("loss gemodel 1% 10% 90% 0%"));
}

#[test]
fn the_queue_is_filled_after_it_is_served_and_served_until_nothing_fills_it() {
    let packets = PacketQueue {
        delay_ms: 100.0,
        ..NONE.packets
    };
    let step = step(packets, &["etcd1:2380"], Mechanism::Queue("raw", "OUTPUT"));
    let [change] = step.changes.as_slice() else {
        panic!("one IP version, one change");
    };
    let rule = |verb: &str, protocol: &str| {
        format!(
            "iptables -w 5 -t raw {verb} OUTPUT -d 10.0.0.3 -p {protocol} --dport 2380 -o eth0 -m comment \
             --comment duress:0000000000abcdef:queue -j NFQUEUE --queue-num 52719 --queue-bypass"
        )
    };
    let apply: Vec<_> = change.apply.iter().map(words).collect();
    let task = "queue-0000000000abcdef";
    assert_eq!(
        apply,
        [
            format!("start {task}"),
            rule("-I", "tcp"),
            rule("-I", "udp")
        ]
    );
    let revert: Vec<_> = change.revert.iter().map(words).collect();
    assert_eq!(
        revert,
        [rule("-D", "tcp"), rule("-D", "udp"), format!("stop {task}")]
    );
    assert_eq!(step.facts["mechanism"], "packet_queue");
}
