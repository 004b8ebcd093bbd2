//! Tests of [`super`]: which programs a draft becomes, and which drafts are refused.

use super::*;
use duress_engine::Work;
use duress_journal::change::{Action, Probe};

const TOKEN: u64 = 0xab_cdef;

fn surroundings() -> Surroundings {
    Surroundings {
        interfaces: vec!["eth0".into()],
        disciplines: [("eth0".to_owned(), "qdisc noqueue 0: root refcnt 2\n".into())].into(),
        netem: true,
        packet_queue: true,
        ..Surroundings::default()
    }
}

fn draft(effects: Vec<Effect>) -> Draft {
    Draft {
        container: "etcd0".into(),
        summary: "change packets".into(),
        effects,
        ..Draft::default()
    }
}

fn packets(direction: Direction, peers: &[(&str, Option<u16>)]) -> Packets {
    let mut packets = Packets::new(direction);
    for (address, port) in peers {
        packets.add_peer(address, *port);
    }
    packets
}

fn on_eth0(peers: &[(&str, Option<u16>)]) -> Packets {
    let mut packets = packets(Direction::Outgoing, peers);
    packets.set_interface("eth0");
    packets
}

fn words(actions: &[Action]) -> Vec<String> {
    let words = |action: &Action| match action {
        Action::Run(program) => program.command.join(" "),
        Action::StartTask { id, .. } => format!("start {id}"),
        Action::StopTask { id } => format!("stop {id}"),
        other => format!("{other:?}"),
    };
    actions.iter().map(words).collect()
}

fn texts(probe: &Probe) -> Vec<String> {
    match probe {
        Probe::All(probes) => probes.iter().flat_map(texts).collect(),
        Probe::Output { texts, .. } => texts.clone(),
        other => panic!("{other:?}"),
    }
}

fn compiled(effects: Vec<Effect>, surroundings: &Surroundings) -> Compiled {
    compile(&draft(effects), surroundings, TOKEN).expect("a change")
}

fn refused(effects: Vec<Effect>, surroundings: &Surroundings) -> String {
    compile(&draft(effects), surroundings, TOKEN)
        .expect_err("refused")
        .to_string()
}

fn delay(ms: f64) -> Impairment {
    let mut impairment = Impairment::default();
    impairment.queue.delay_ms = ms;
    impairment
}

#[test]
fn a_drop_of_both_directions_is_one_call_for_each_and_is_deleted_rule_by_rule() {
    let peers = [("172.20.0.3", None), ("10.0.0.0/8", None)];
    let change = compiled(
        vec![Effect::Drop(packets(Direction::Both, &peers))],
        &surroundings(),
    );
    let apply = words(&change.apply);
    let comment = "-m comment --comment duress:0000000000abcdef:e0";
    assert_eq!(
        apply,
        [
            format!(
                "iptables -w 5 -t filter -I INPUT -s 172.20.0.3,10.0.0.0/8 {comment}:in -j DROP"
            ),
            format!(
                "iptables -w 5 -t mangle -I POSTROUTING -d 172.20.0.3,10.0.0.0/8 {comment}:out -j DROP"
            ),
        ]
    );
    let deleted: Vec<_> = apply
        .iter()
        .flat_map(|rule| {
            let rule = rule.replace("-I", "-D");
            ["172.20.0.3", "10.0.0.0/8"].map(|peer| rule.replace("172.20.0.3,10.0.0.0/8", peer))
        })
        .collect();
    assert_eq!(words(&change.revert), deleted);
    assert_eq!(
        texts(&change.in_force),
        [
            "duress:0000000000abcdef:e0:in",
            "duress:0000000000abcdef:e0:out"
        ]
    );
}

#[test]
fn each_ip_version_has_rules_and_a_check_of_its_own() {
    let peers = [("10.0.0.1", None), ("fd00::3", Some(80))];
    let change = compiled(
        vec![Effect::Reject(packets(Direction::Incoming, &peers))],
        &surroundings(),
    );
    let apply = words(&change.apply);
    assert_eq!(apply.len(), 3);
    assert!(apply[0].starts_with("iptables ") && apply[0].contains("-s 10.0.0.1 "));
    assert!(apply[1].starts_with("ip6tables ") && apply[1].contains("-p tcp --sport 80"));
    assert!(apply[2].contains("-p udp --sport 80") && apply[2].ends_with("icmp6-port-unreachable"));
    let Probe::All(probes) = &change.in_force else {
        panic!("{:?}", change.in_force);
    };
    assert_eq!(probes.len(), 2);
}

#[test]
fn netem_gets_what_is_to_happen_and_nothing_else() {
    let mut impairment = delay(100.5);
    impairment.queue.jitter_ms = 20.0;
    impairment.queue.delay_correlation_percent = 25.0;
    impairment.queue.distribution = duress_engine::Distribution::Normal;
    impairment.queue.loss_percent = 1.5;
    let change = compiled(
        vec![Effect::Impair(on_eth0(&[]), impairment)],
        &surroundings(),
    );
    assert_eq!(
        words(&change.apply),
        [
            "tc qdisc add dev eth0 root handle 7dee: netem limit 100000 delay 100500us 20000us 25% distribution normal loss 1.5%"
        ]
    );
    assert_eq!(
        words(&change.revert),
        ["tc qdisc del dev eth0 root handle 7dee:"]
    );
    assert_eq!(change.mechanism, Some(Mechanism::Netem));
}

#[test]
fn a_link_to_some_peers_is_shaped_for_them_alone() {
    let peers = [("10.0.0.3", None), ("192.0.2.0/24", Some(80))];
    let limit = Effect::LimitRate {
        packets: on_eth0(&peers),
        rate_kbit: 512,
        burst_kbyte: 32,
        longest_wait_ms: 1000,
    };
    let change = compiled(vec![limit], &surroundings());
    assert_eq!(
        words(&change.apply),
        [
            "tc qdisc add dev eth0 root handle 7dee: htb",
            "tc class add dev eth0 parent 7dee: classid 7dee:4 htb rate 100gbit quantum 200000",
            "tc qdisc add dev eth0 parent 7dee:4 handle 7def: tbf rate 512kbit burst 32kb latency 1000ms",
            "tc filter add dev eth0 parent 7dee: protocol ip prio 1 u32 match ip dst 10.0.0.3/32 flowid 7dee:4",
            "tc filter add dev eth0 parent 7dee: protocol ip prio 1 u32 match ip dst 192.0.2.0/24 match ip dport 80 0xffff flowid 7dee:4",
        ]
    );
}

#[test]
fn the_queue_is_served_before_it_is_filled_and_until_nothing_fills_it() {
    let without_netem = Surroundings {
        netem: false,
        ..surroundings()
    };
    let packets = on_eth0(&[("10.0.0.3", Some(2380))]);
    let change = compiled(vec![Effect::Impair(packets, delay(100.0))], &without_netem);
    let rule = |verb: &str, protocol: &str| {
        format!(
            "iptables -w 5 -t raw {verb} OUTPUT -d 10.0.0.3 -p {protocol} --dport 2380 -o eth0 -m comment \
             --comment duress:0000000000abcdef:e0:q-raw-OUTPUT:out -j NFQUEUE --queue-num 52719 --queue-bypass"
        )
    };
    let task = "queue-0000000000abcdef-0";
    assert_eq!(
        words(&change.apply),
        [
            format!("start {task}"),
            rule("-I", "tcp"),
            rule("-I", "udp")
        ]
    );
    assert_eq!(
        words(&change.revert),
        [rule("-D", "tcp"), rule("-D", "udp"), format!("stop {task}")]
    );
    assert!(matches!(
        &change.apply[0],
        Action::StartTask { work: Work::QueuePackets(queue), .. } if queue.number == 52719
    ));
}

#[test]
fn a_second_impairment_takes_a_queue_of_its_own_so_that_both_add_up() {
    let mut surroundings = surroundings();
    surroundings.disciplines.insert(
        "eth0".into(),
        "qdisc netem 7aaa: root refcnt 2 limit 100000 delay 50ms\n".into(),
    );
    let places: Vec<String> = (0..4)
        .map(|_| {
            let impair = Effect::Impair(on_eth0(&[]), delay(10.0));
            let change = compiled(vec![impair], &surroundings);
            assert_eq!(change.mechanism, Some(Mechanism::PacketQueue));
            let shown = texts(&change.in_force).join("\n");
            surroundings.rules += &shown;
            shown
        })
        .collect();
    for place in [
        "raw-OUTPUT",
        "mangle-OUTPUT",
        "filter-OUTPUT",
        "mangle-POSTROUTING",
    ] {
        let of_place = places.iter().filter(|shown| shown.contains(place)).count();
        assert_eq!(of_place, 1, "{place} in {places:?}");
    }
    let fifth = refused(
        vec![Effect::Impair(on_eth0(&[]), delay(10.0))],
        &surroundings,
    );
    assert!(fifth.contains("four packet queues"), "{fifth}");
}

#[test]
fn another_programs_discipline_is_never_replaced() {
    let mut surroundings = surroundings();
    surroundings.disciplines.insert(
        "eth0".into(),
        "qdisc tbf 77: root refcnt 2 rate 1Gbit\n".into(),
    );
    let limit = Effect::LimitRate {
        packets: on_eth0(&[]),
        rate_kbit: 512,
        burst_kbyte: 32,
        longest_wait_ms: 1000,
    };
    let why = refused(vec![limit], &surroundings);
    assert!(
        why.contains("already has a queueing discipline (tbf 77:)"),
        "{why}"
    );
    let twice = Impairment {
        duplicate_percent: 5.0,
        ..Impairment::default()
    };
    let why = refused(vec![Effect::Impair(on_eth0(&[]), twice)], &surroundings);
    assert!(why.contains("only netem can send packets twice"), "{why}");
}

#[test]
fn names_that_a_tool_could_misread_are_refused() {
    for name in [
        "",
        "-o",
        "eth+",
        "eth0/../x",
        "a b",
        "eth0\n-j",
        "sixteen-letters-",
    ] {
        let mut packets = Packets::new(Direction::Outgoing);
        packets.set_interface(name);
        let why = refused(vec![Effect::Drop(packets)], &surroundings());
        assert!(why.contains("cannot be a network interface"), "{why}");
    }
    for address in [
        "",
        "etcd1",
        "10.0.0.0/40",
        "10.0.0.1,10.0.0.2",
        "-h",
        "! 10.0.0.1",
    ] {
        let packets = packets(Direction::Both, &[(address, None)]);
        let why = refused(vec![Effect::Drop(packets)], &surroundings());
        assert!(why.contains("neither an IP address nor a network"), "{why}");
    }
}

#[test]
fn an_interface_that_the_container_lacks_is_told_with_those_that_it_has() {
    let mut packets = Packets::new(Direction::Outgoing);
    packets.set_interface("eth9");
    let why = refused(vec![Effect::Impair(packets, delay(5.0))], &surroundings());
    assert_eq!(
        why,
        "etcd0 has no network interface `eth9` that is up; it has: eth0"
    );
}

#[test]
fn what_contradicts_itself_is_refused() {
    let outgoing = || on_eth0(&[]);
    let mut icmp = packets(Direction::Outgoing, &[("10.0.0.1", Some(80))]);
    icmp.set_protocol("icmp");
    let mut udp = packets(Direction::Both, &[]);
    udp.set_protocol("udp");
    let mut nan = delay(5.0);
    nan.queue.jitter_ms = f64::NAN;
    for (effect, part) in [
        (Effect::Drop(icmp), "a port of ICMP"),
        (Effect::Reset(udp), "other than TCP"),
        (
            Effect::Redirect(packets(Direction::Incoming, &[]), 80),
            "not outgoing",
        ),
        (
            Effect::Impair(packets(Direction::Outgoing, &[]), delay(5.0)),
            "names no network interface",
        ),
        (
            Effect::Impair(outgoing(), Impairment::default()),
            "does nothing",
        ),
        (Effect::Impair(outgoing(), nan), "NaN"),
        (Effect::Impair(outgoing(), delay(-1.0)), "-1"),
    ] {
        let why = refused(vec![effect], &surroundings());
        assert!(why.contains(part), "{why}");
    }
    assert!(refused(Vec::new(), &surroundings()).contains("no effect"));
}

#[test]
fn a_second_dns_lie_is_refused() {
    let lie = || Effect::AnswerDns {
        lie: DnsLie::Nxdomain,
        domains: vec!["example.com".into()],
        address: [192, 0, 2, 1].into(),
    };
    let change = compiled(vec![lie()], &surroundings());
    assert_eq!(
        words(&change.apply)[1],
        "iptables -w 5 -t nat -I OUTPUT -d 0.0.0.0/0 -p udp --dport 53 -m mark ! --mark 0xd00d53 -m comment --comment \
         duress:0000000000abcdef:e0:dns:out -j REDIRECT --to-ports 29375"
    );
    let surroundings = Surroundings {
        rules: texts(&change.in_force).join("\n"),
        ..surroundings()
    };
    assert!(refused(vec![lie()], &surroundings).contains("one at a time"));
}

#[test]
fn the_number_of_effects_and_peers_is_bounded() {
    let mut many = draft(Vec::new());
    for _ in 0..100 {
        many.add(Effect::Drop(Packets::new(Direction::Both)));
    }
    assert!(compile(&many, &surroundings(), TOKEN).is_err());
    let mut packets = Packets::new(Direction::Both);
    for number in 0..1000_u32 {
        let address = std::net::Ipv4Addr::from(0x0a00_0000 + number);
        packets.add_peer(&address.to_string(), None);
    }
    let why = refused(vec![Effect::Drop(packets)], &surroundings());
    assert!(why.contains("more than 256 peers"), "{why}");
}
