//! Queueing disciplines at an interface, for everything that is sent or for what is sent to some peers (tc(8), tc-htb(8), tc-u32(8)).
//!
//! Each discipline has a handle of its own. Another program's root discipline is never replaced (`tc` refuses) and never removed (the
//! handle does not match).

use super::packets::Packets;
use super::rule::tool;
use duress_journal::change::{Action, Probe};

/// `tc` exits with this for whatever the kernel refuses, e.g. to delete a discipline that is not there.
const REFUSED: i32 = 2;

/// A discipline at an interface: how it is made, reverted and seen.
pub(super) struct Shape {
    pub(super) apply: Vec<Action>,
    pub(super) revert: Action,
    pub(super) probe: Probe,
}

/// Puts a discipline, e.g. `netem delay 100ms`, at what leaves by an interface.
pub(super) fn shape(
    packets: &Packets,
    interface: &str,
    discipline: &[String],
    token: u64,
    container_has_v6: bool,
) -> Shape {
    // The kernel gives handles from 8000 on by itself.
    let major = 0x7000 | (token & 0xffe);
    let (handle, inner) = (format!("{major:x}:"), format!("{:x}:", major + 1));
    let kind = discipline.first().map_or("", String::as_str);
    let everything =
        packets.peers.is_empty() && packets.protocol.is_none() && packets.local_port.is_none();
    let root = ["dev", interface, "root", "handle", &handle];
    let mut commands = Vec::new();
    let mut texts = Vec::new();
    if everything {
        let add = words(&[&["tc", "qdisc", "add"], &root]);
        commands.push([add, discipline.to_vec()].concat());
        texts.push(format!("qdisc {kind} {handle} root"));
    } else {
        // Packets that no filter picks pass untouched; a class without a limit holds those that a filter picks.
        let class = format!("{handle}4");
        commands.push(words(&[&["tc", "qdisc", "add"], &root, &["htb"]]));
        commands.push(words(&[
            &["tc", "class", "add", "dev", interface],
            &["parent", &handle, "classid", &class, "htb"],
            &["rate", "100gbit", "quantum", "200000"],
        ]));
        let add = words(&[
            &["tc", "qdisc", "add", "dev", interface],
            &["parent", &class, "handle", &inner],
        ]);
        commands.push([add, discipline.to_vec()].concat());
        commands.extend(filters(
            packets,
            interface,
            &handle,
            &class,
            container_has_v6,
        ));
        texts.push(format!("qdisc htb {handle} root"));
        texts.push(format!("qdisc {kind} {inner} parent {class}"));
    }
    let delete = words(&[&["tc", "qdisc", "del"], &root]);
    let show = words(&[&["tc", "qdisc", "show", "dev", interface]]);
    let run = |command: Vec<String>| Action::Run(tool(command, &[]));
    Shape {
        apply: commands.into_iter().map(run).collect(),
        revert: Action::Run(tool(delete, &[REFUSED])),
        probe: Probe::Output {
            program: tool(show, &[]),
            texts,
        },
    }
}

fn filters(
    packets: &Packets,
    interface: &str,
    handle: &str,
    class: &str,
    container_has_v6: bool,
) -> Vec<Vec<String>> {
    let mut filters = Vec::new();
    for is_v4 in [true, false] {
        if !packets.has_version(is_v4, container_has_v6) {
            continue;
        }
        let (protocol, preference, field) = if is_v4 {
            ("ip", "1", "ip")
        } else {
            ("ipv6", "2", "ip6")
        };
        let mut common = Vec::new();
        if let Some(protocol) = packets.protocol {
            let number = protocol.number(is_v4).to_string();
            common.extend(words(&[&["match", field, "protocol", &number, "0xff"]]));
        }
        if let Some(port) = packets.local_port {
            let port = port.to_string();
            common.extend(words(&[&["match", field, "sport", &port, "0xffff"]]));
        }
        let peers = packets.peers_of(is_v4);
        let mut picks: Vec<Vec<String>> = peers
            .iter()
            .map(|peer| {
                let net = peer.net.to_string();
                let mut pick = words(&[&["match", field, "dst", &net]]);
                if let Some(port) = peer.port {
                    let port = port.to_string();
                    pick.extend(words(&[&["match", field, "dport", &port, "0xffff"]]));
                }
                pick
            })
            .collect();
        if picks.is_empty() {
            picks.push(Vec::new());
        }
        for pick in picks {
            let start = words(&[
                &["tc", "filter", "add", "dev", interface],
                &["parent", handle, "protocol", protocol, "prio", preference],
                &["u32"],
            ]);
            let end = words(&[&["flowid", class]]);
            filters.push([start, pick, common.clone(), end].concat());
        }
    }
    filters
}

fn words(parts: &[&[&str]]) -> Vec<String> {
    parts.concat().iter().map(|&word| word.to_owned()).collect()
}
