//! Faults of the network on containers that hold no tool at all, by each driver, measured from a container beside them.

use serde_json::json;

use crate::docker::Container;
use crate::harness::Harness;
use crate::wait::until_true;
use duress_engine::NetDriver;

const BARE: [&str; 1] = ["bare"];

async fn harness(driver: NetDriver) -> (Harness, Container, Container) {
    let harness = Harness::with_driver("bare", "faults", &BARE, Some(driver)).await;
    let (bare, peer) = (harness.container("bare"), harness.container("peer"));
    (harness, bare, peer)
}

fn mean(times: &[f64]) -> f64 {
    assert!(!times.is_empty(), "no answer came");
    times.iter().sum::<f64>() / times.len() as f64
}

/// The queue is what this machine's kernel can do; the kernel with netem has tests of its own.
#[tokio::test(flavor = "multi_thread")]
async fn latency_is_what_ping_sees_and_goes_again() {
    for driver in [NetDriver::Namespace, NetDriver::Toolbox] {
        let (harness, bare, peer) = harness(driver).await;
        assert!(mean(&peer.pings(&bare, 10)) < 20.0);
        let rules = bare.rules();
        let parameters = json!({ "min_ms": 80, "max_ms": 120 });
        let metadata = harness.break_it("latency", parameters, &BARE).await;
        assert_eq!(
            (&metadata["min_ms"], &metadata["max_ms"]),
            (&json!(80), &json!(120))
        );
        let delayed = peer.pings(&bare, 100);
        assert_eq!(delayed.len(), 100, "none is lost");
        let all = mean(&delayed);
        assert!((90.0..130.0).contains(&all), "{driver:?}: {all} ms");
        assert!(delayed.iter().all(|time| *time >= 80.0), "{delayed:?}");
        harness.cleanup(&metadata).await;
        assert!(mean(&peer.pings(&bare, 10)) < 20.0);
        assert_eq!(bare.rules(), rules);
        assert_eq!(harness.unsettled().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn latency_to_one_service_leaves_the_others() {
    let harness = Harness::with_plugin("etcd", "faults", &["etcd0"]).await;
    let [slow, one, two] = ["etcd0", "etcd1", "etcd2"].map(|name| harness.container(name));
    let parameters = json!({ "delay_ms": 100, "to": ["etcd1"] });
    let metadata = harness.break_it("latency", parameters, &["etcd0"]).await;
    assert!(mean(&slow.pings(&one, 5)) > 95.0);
    assert!(mean(&slow.pings(&two, 5)) < 50.0);
    harness.cleanup(&metadata).await;
    assert!(mean(&slow.pings(&one, 5)) < 50.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn packets_are_lost_damaged_and_overtake_each_other() {
    let (harness, bare, peer) = harness(NetDriver::Namespace).await;
    // Of 200 with 30 %: 140 arrive, and in all but one of a billion runs within 40 of that.
    for (fault, parameters) in [
        ("packet_loss", json!({ "percent": 30 })),
        // A damaged packet's checksum is wrong, and the receiver drops it.
        ("corruption", json!({ "percent": 30 })),
    ] {
        let metadata = harness.break_it(fault, parameters, &BARE).await;
        let arrived = peer.pings(&bare, 200).len();
        assert!((100..180).contains(&arrived), "{fault}: {arrived} of 200");
        harness.cleanup(&metadata).await;
        assert_eq!(peer.pings(&bare, 50).len(), 50, "after {fault}");
    }
    let bursts = json!({ "enter_percent": 5, "leave_percent": 20 });
    let metadata = harness.break_it("burst_loss", bursts, &BARE).await;
    let arrived = peer.pings(&bare, 300).len();
    assert!((120..299).contains(&arrived), "{arrived} of 300");
    harness.cleanup(&metadata).await;
    let overtaking = json!({ "percent": 50, "correlation_percent": 0, "delay_ms": 60 });
    let metadata = harness.break_it("reordering", overtaking, &BARE).await;
    let times = peer.pings(&bare, 100);
    let fast = times.iter().filter(|time| **time < 50.0).count();
    assert!((20..80).contains(&fast), "{times:?}");
    harness.cleanup(&metadata).await;
    assert_eq!(harness.unsettled().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_faults_of_the_network_hold_at_once_and_each_goes_by_itself() {
    let (harness, bare, peer) = harness(NetDriver::Namespace).await;
    let slow = harness
        .break_it("latency", json!({ "delay_ms": 60 }), &BARE)
        .await;
    let lossy = harness
        .break_it("packet_loss", json!({ "percent": 50 }), &BARE)
        .await;
    let both = peer.pings(&bare, 100);
    assert!((20..80).contains(&both.len()), "{} of 100", both.len());
    assert!(mean(&both) > 55.0);
    harness.cleanup(&slow).await;
    let lossy_alone = peer.pings(&bare, 100);
    assert!((20..80).contains(&lossy_alone.len()));
    assert!(mean(&lossy_alone) < 40.0);
    harness.cleanup(&lossy).await;
    assert_eq!(peer.pings(&bare, 50).len(), 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn traffic_flows_again_when_the_helper_dies() {
    let (harness, bare, peer) = harness(NetDriver::Namespace).await;
    let rules = bare.rules();
    let metadata = harness
        .break_it("packet_loss", json!({ "percent": 100 }), &BARE)
        .await;
    assert_eq!(peer.pings(&bare, 3).len(), 0);
    let toolbox = format!("label=io.duress.toolbox-of={}", bare.inspect("{{.Id}}"));
    let toolbox = crate::docker::docker(&["ps", "-q", "--filter", &toolbox]);
    crate::docker::docker(&["kill", &toolbox]);
    until_true("packets pass", || peer.pings(&bare, 3).len() == 3);
    harness.cleanup(&metadata).await;
    assert_eq!(bare.rules(), rules);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_cuts_a_container_without_tools_off() {
    for driver in [NetDriver::Namespace, NetDriver::Toolbox] {
        let (harness, bare, peer) = harness(driver).await;
        let metadata = harness
            .break_it("network_partition", json!({}), &BARE)
            .await;
        assert_eq!(peer.pings(&bare, 3).len(), 0, "{driver:?}");
        harness.cleanup(&metadata).await;
        assert_eq!(peer.pings(&bare, 3).len(), 3, "{driver:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_port_is_cut_and_no_other() {
    let harness = Harness::with_plugin("etcd", "faults", &["etcd0"]).await;
    let (target, one) = (harness.container("etcd0"), harness.container("etcd1"));
    let metadata = harness
        .break_it(
            "network_partition",
            json!({ "to": ["etcd1:2380"] }),
            &["etcd0"],
        )
        .await;
    assert!(!target.connects(&one, 2380));
    assert!(target.connects(&one, 2379));
    harness.cleanup(&metadata).await;
    assert!(target.connects(&one, 2380));
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_reset_at_once() {
    let harness = Harness::with_plugin("etcd", "faults", &["etcd0"]).await;
    let (target, one) = (harness.container("etcd0"), harness.container("etcd1"));
    let refused = |from: &Container, to: &Container| {
        let connect = format!("exec 3<>/dev/tcp/{}/2379", to.address());
        let (connected, said) = from.run(&["timeout", "5", "bash", "-c", &connect]);
        !connected && said.contains("refused")
    };
    let metadata = harness
        .break_it("tcp_reset", json!({ "to": ["etcd1"] }), &["etcd0"])
        .await;
    assert!(refused(&target, &one) && refused(&one, &target));
    assert_eq!(target.pings(&one, 3).len(), 3, "only TCP is hurt");
    harness.cleanup(&metadata).await;
    assert!(target.connects(&one, 2379) && one.connects(&target, 2379));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topology_lies_as_it_was_asked_for() {
    const ALL: [&str; 3] = ["etcd0", "etcd1", "etcd2"];
    let harness = Harness::with_plugin("etcd", "faults", &ALL).await;
    let members = ALL.map(|name| harness.container(name));
    let seen = || {
        let mut counts: Vec<usize> = members
            .iter()
            .map(|one| {
                let others = members.iter().filter(|other| *other != one);
                others
                    .filter(|other| reaches(one, &other.address()).is_some())
                    .count()
            })
            .collect();
        counts.sort_unstable();
        counts
    };
    assert_eq!(seen(), [2, 2, 2]);
    for (shape, whom) in [
        ("one", [0, 1, 1]),
        ("bridge", [1, 1, 2]),
        ("halves", [0, 1, 1]),
    ] {
        let metadata = harness
            .break_it("partition_topology", json!({ "shape": shape }), &ALL)
            .await;
        assert_eq!(seen(), whom, "{shape}");
        harness.cleanup(&metadata).await;
        assert_eq!(seen(), [2, 2, 2]);
    }
    let ring = harness
        .inject("partition_topology", json!({ "shape": "ring" }), &ALL)
        .await;
    assert!(ring.unwrap_err().to_string().contains("at least 4"));
}

/// Returns what a name stands for, as a program in the container's network finds it.
fn resolved(container: &Container, name: &str) -> Option<String> {
    let (found, text) = container.beside(&["getent", "ahostsv4", name]);
    found.then(|| text.split_whitespace().next().unwrap().to_owned())
}

/// The response code to a question for `peer` by TCP, which getent(1) asks only after long answers (RFC 1035, 4.1.1 and 4.2.2).
fn code_by_tcp(container: &Container) -> String {
    let header = r"\x00\x16\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00";
    let question = r"\x04peer\x00\x00\x01\x00\x01";
    let ask = format!(
        "exec 3<>/dev/tcp/127.0.0.11/53; printf '{header}{question}' >&3; head -c 6 <&3 | od -An -tx1 -j5"
    );
    let (asked, text) = container.beside(&["timeout", "5", "bash", "-c", &ask]);
    assert!(asked, "{text}");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_answered_wrongly_and_others_as_ever() {
    for driver in [NetDriver::Namespace, NetDriver::Toolbox] {
        let (harness, bare, peer) = harness(driver).await;
        let right = Some(peer.address());
        assert_eq!(resolved(&bare, "peer"), right);
        let other = resolved(&bare, "locked");
        assert!(other.is_some());
        for (mode, seen) in [
            ("nxdomain", None),
            ("servfail", None),
            ("wrong_address", Some("192.0.2.9".to_owned())),
        ] {
            let parameters = json!({ "mode": mode, "domains": ["peer"], "address": "192.0.2.9" });
            let metadata = harness.break_it("dns_failure", parameters, &BARE).await;
            assert_eq!(resolved(&bare, "peer"), seen, "{driver:?} {mode}");
            assert_eq!(resolved(&bare, "locked"), other, "{driver:?} {mode}");
            let code = match mode {
                "nxdomain" => "83",
                "servfail" => "82",
                _ => "80",
            };
            assert_eq!(code_by_tcp(&bare), code, "{driver:?} {mode}");
            harness.cleanup(&metadata).await;
            assert_eq!(resolved(&bare, "peer"), right, "{driver:?} after {mode}");
        }
        assert_eq!(harness.unsettled().await, 0);
    }
}

/// Returns every rule and discipline of a container's network, seen from the machine.
fn network(container: &Container) -> String {
    let pid = container.inspect("{{.State.Pid}}");
    let see = |command: &[&str]| {
        let output = std::process::Command::new("nsenter")
            .args(["--target", &pid, "--net"])
            .args(command)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let rules = text.lines().filter(|line| !line.starts_with(['#', ':']));
        rules.collect::<Vec<_>>().join("\n")
    };
    [
        see(&["iptables-save"]),
        see(&["ip6tables-save"]),
        see(&["tc", "qdisc", "show"]),
    ]
    .join("\n")
    .replace("*mangle\nCOMMIT\n", "")
    .replace("*filter\nCOMMIT\n", "")
    .replace("*raw\nCOMMIT\n", "")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_user_put_there_survives_every_fault() {
    let (harness, bare, _) = harness(NetDriver::Namespace).await;
    let pid = bare.inspect("{{.State.Pid}}");
    for rule in [
        "iptables -A INPUT -p tcp --dport 9 -m comment --comment theirs -j DROP",
        "iptables -t mangle -A POSTROUTING -d 192.0.2.3 -j DROP",
        "iptables -t mangle -A OUTPUT -p udp --dport 9 -j MARK --set-mark 7",
        "iptables -t nat -A OUTPUT -p udp --dport 99 -j REDIRECT --to-ports 98",
        "ip6tables -A INPUT -p tcp --dport 9 -j DROP",
        "tc qdisc add dev lo root handle 5: tbf rate 1gbit burst 128kb latency 50ms",
    ] {
        let put = std::process::Command::new("nsenter")
            .args(["--target", &pid, "--net"])
            .args(rule.split(' '))
            .status()
            .unwrap();
        assert!(put.success(), "{rule}");
    }
    let before = network(&bare);
    assert!(before.contains("theirs"));
    for (fault, parameters) in [
        ("network_partition", json!({})),
        ("tcp_reset", json!({})),
        ("dns_failure", json!({})),
        ("latency", json!({ "delay_ms": 10 })),
        ("packet_loss", json!({ "percent": 10 })),
        ("burst_loss", json!({})),
        ("corruption", json!({ "percent": 10 })),
        ("reordering", json!({})),
        ("bandwidth", json!({ "rate_kbit": 1000 })),
        ("bandwidth", json!({ "rate_kbit": 1000, "to": ["peer"] })),
    ] {
        let metadata = harness.break_it(fault, parameters, &BARE).await;
        assert_ne!(network(&bare), before, "{fault}");
        harness.cleanup(&metadata).await;
        assert_eq!(network(&bare), before, "{fault}");
    }
}

/// One network of a container, by its name in the compose file.
fn address_on(container: &Container, network: &str, field: &str) -> String {
    let networks: serde_json::Value =
        serde_json::from_str(&container.inspect("{{json .NetworkSettings.Networks}}")).unwrap();
    let networks = networks.as_object().unwrap();
    let found = networks.iter().find(|(name, _)| name.ends_with(network));
    found.unwrap().1[field].as_str().unwrap().to_owned()
}

fn reaches(from: &Container, address: &str) -> Option<f64> {
    let (reached, text) = from.run(&["ping", "-n", "-c", "3", "-i", "0.1", "-W", "1", address]);
    let summary = text.lines().last().unwrap();
    reached.then(|| summary.split('/').nth(4).unwrap().parse().unwrap())
}

/// On one stack, for its network with IPv6 has an address that no other may have.
#[tokio::test(flavor = "multi_thread")]
async fn several_networks_ipv6_and_shared_networks() {
    let harness = Harness::with_plugin("linked", "faults", &["both", "owner", "bound"]).await;
    let [both, left, right] = ["both", "left", "right"].map(|name| harness.container(name));
    let of_both = [
        (&left, address_on(&both, "left", "IPAddress")),
        (&left, address_on(&both, "left", "GlobalIPv6Address")),
        (&right, address_on(&both, "right", "IPAddress")),
    ];
    let seen = || {
        of_both
            .each_ref()
            .map(|(from, address)| reaches(from, address))
    };
    let slow = |time: Option<f64>| time.is_some_and(|time| time > 35.0);
    assert!(seen().iter().all(|time| time.is_some() && !slow(*time)));

    // Whichever interfaces carry the traffic, in both IP versions.
    let metadata = harness
        .break_it("latency", json!({ "delay_ms": 40 }), &["both"])
        .await;
    assert_eq!(metadata["interfaces"].as_array().unwrap().len(), 2);
    assert!(seen().into_iter().all(slow), "{:?}", seen());
    harness.cleanup(&metadata).await;

    // Only the one that leads to the service.
    let parameters = json!({ "delay_ms": 40, "to": ["right"] });
    let metadata = harness.break_it("latency", parameters, &["both"]).await;
    assert_eq!(metadata["interfaces"].as_array().unwrap().len(), 1);
    assert_eq!(seen().map(slow), [false, false, true]);
    harness.cleanup(&metadata).await;

    let metadata = harness
        .break_it("network_partition", json!({ "to": ["left"] }), &["both"])
        .await;
    assert_eq!(seen().map(|time| time.is_some()), [false, false, true]);
    harness.cleanup(&metadata).await;
    assert!(seen().iter().all(Option::is_some));

    // Containers in one network are cut off together, when all of them may be hurt.
    let radius = |names: &[&str]| {
        let names = names.iter().map(|&name| name.to_owned()).collect();
        *harness.scope.trial.as_ref().unwrap().radius() = names;
    };
    let owner = harness.container("owner");
    let address = address_on(&owner, "right", "IPAddress");
    assert!(reaches(&right, &address).is_some());
    radius(&["owner", "sidecar"]);
    for targets in [&["owner", "sidecar"][..], &["sidecar"]] {
        let metadata = harness
            .break_it("network_partition", json!({}), targets)
            .await;
        assert_eq!(reaches(&right, &address), None);
        harness.cleanup(&metadata).await;
        assert!(reaches(&right, &address).is_some());
    }
    let refused = harness
        .inject(
            "partition_topology",
            json!({ "shape": "one" }),
            &["owner", "sidecar"],
        )
        .await;
    let said = refused.unwrap_err().to_string();
    assert!(said.contains("owner and sidecar share a network"), "{said}");
    radius(&["both", "owner", "bound"]);

    for (target, why) in [
        ("owner", "`sidecar` shares it"),
        ("bound", "the machine's own"),
    ] {
        let parameters = json!({ "to": ["192.0.2.1"] });
        let refused = harness
            .inject("network_partition", parameters, &[target])
            .await;
        let said = refused.unwrap_err().to_string();
        assert!(said.contains(why), "{said}");
    }
    assert_eq!(harness.unsettled().await, 0);
    // A port of the machine is not a port of a container.
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let containers = harness.engine.containers(&harness.project).await.unwrap();
    let bound = containers.iter().find(|one| one.name == "bound").unwrap();
    let connected = harness.engine.connect(&bound.id, port).await;
    assert!(connected.is_err(), "the machine was reached");
}
