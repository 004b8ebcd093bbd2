//! The only programs that may run in a container's network.
//!
//! They are tools that read and change a network and nothing else. What they are run as is the drivers' part; this list keeps out
//! what starts other programs, and says so early: in a manifest, and again at each call.

/// Every program that may run in a container's network.
pub(super) const PROGRAMS: [&str; 25] = [
    "conntrack",
    "ethtool",
    "ip",
    "ip6tables",
    "ip6tables-legacy",
    "ip6tables-legacy-restore",
    "ip6tables-legacy-save",
    "ip6tables-nft",
    "ip6tables-nft-restore",
    "ip6tables-nft-save",
    "ip6tables-restore",
    "ip6tables-save",
    "iptables",
    "iptables-legacy",
    "iptables-legacy-restore",
    "iptables-legacy-save",
    "iptables-nft",
    "iptables-nft-restore",
    "iptables-nft-save",
    "iptables-restore",
    "iptables-save",
    "nft",
    "ping",
    "ss",
    "tc",
];

/// What `ip` may be asked about: it runs programs for `netns` and `vrf`, and the rest is of no use to a fault.
const IP_OBJECTS: [&str; 11] = [
    "address",
    "addrlabel",
    "link",
    "maddress",
    "neighbour",
    "neighbor",
    "ntable",
    "route",
    "rule",
    "stats",
    "tcp_metrics",
];

/// Returns the JSON Schema of a list of them.
pub fn schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({
        "type": "array",
        "uniqueItems": true,
        "items": { "enum": PROGRAMS },
    })
}

/// Returns whether a program of that name may run there.
///
/// ```
/// use duress_engine::network_program;
/// assert!(network_program::is_known("iptables"));
/// assert!(!network_program::is_known("sh"));
/// ```
pub fn is_known(name: &str) -> bool {
    PROGRAMS.contains(&name)
}

/// Checks a whole command.
///
/// # Errors
/// Why it may not run, for people.
pub fn check(command: &[String]) -> Result<(), String> {
    let name = command.first().map_or("", String::as_str);
    if !is_known(name) {
        return Err(format!(
            "the program `{}` may not run in a container's network; these may: {}",
            name.escape_debug(),
            PROGRAMS.join(", ")
        ));
    }
    let arguments = &command[1..];
    match name {
        "ip" => check_ip(arguments),
        "tc" => check_tc(arguments),
        _ => Ok(()),
    }
}

/// As `ip` reads its arguments: options, an object, what to do with it. Objects and keywords may be shortened.
fn check_ip(arguments: &[String]) -> Result<(), String> {
    check_options("ip", arguments, &["batch", "netns"])?;
    let object = arguments
        .iter()
        .find(|word| !word.starts_with('-'))
        .map_or("", String::as_str);
    let known = IP_OBJECTS
        .iter()
        .any(|known| !object.is_empty() && known.starts_with(object));
    if !known && object != "neigh" {
        return Err(format!(
            "`ip {}` may not run in a container's network; `ip` may be asked about: {}",
            object.escape_debug(),
            IP_OBJECTS.join(", ")
        ));
    }
    // Each of these reaches into another network namespace: by its number even into the machine's own.
    let elsewhere = arguments.iter().find(|word| {
        let word = word.to_ascii_lowercase();
        word.contains("netns") || word.contains("nsid") || word.starts_with("link-")
    });
    match elsewhere {
        Some(word) => Err(format!(
            "`ip` with `{}` may not run in a container's network: it reaches into another network",
            word.escape_debug()
        )),
        None => Ok(()),
    }
}

/// `tc exec` runs a shell.
fn check_tc(arguments: &[String]) -> Result<(), String> {
    check_options("tc", arguments, &["batch", "netns"])?;
    let object = arguments.iter().find(|word| !word.starts_with('-'));
    if object.is_some_and(|object| object.starts_with('e')) {
        return Err("`tc exec` may not run in a container's network: it starts programs".into());
    }
    Ok(())
}

/// Refuses options, however they are shortened: `-batch` may be written `-b` and `--b`.
fn check_options(name: &str, arguments: &[String], refused: &[&str]) -> Result<(), String> {
    let options = arguments.iter().filter_map(|word| {
        let option = word.strip_prefix("--").or_else(|| word.strip_prefix('-'))?;
        (!option.is_empty()).then_some((word, option))
    });
    for (word, option) in options {
        if refused.iter().any(|refused| refused.starts_with(option)) {
            return Err(format!(
                "`{name}` with `{}` may not run in a container's network: it would read a file or reach into another network",
                word.escape_debug()
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn tools_of_the_network_may_run() {
        for text in [
            "iptables -w 5 -t mangle -A OUTPUT -j DROP",
            "ip6tables-legacy-save",
            "ip -json address show up",
            "ip -j route get 10.0.0.1",
            "ip link set dev eth0 down",
            "ip -6 neigh",
            "tc -s qdisc replace dev eth0 root netem delay 5ms",
            "ss -tan",
            "nft list ruleset",
        ] {
            assert_eq!(check(&command(text)), Ok(()), "{text}");
        }
    }

    #[test]
    fn what_runs_programs_or_reaches_elsewhere_may_not() {
        for text in [
            "",
            "sh -c true",
            "/usr/sbin/iptables -L",
            "env iptables",
            "nsenter -t 1 -n",
            "start-stop-daemon --start",
            "ip netns exec x sh",
            "ip net e x sh",
            "ip -4 vrf exec x sh",
            "ip v e x sh",
            "ip -n x link",
            "ip -net x link",
            "ip -b /etc/shadow",
            "ip -batch /etc/shadow",
            "ip --b /etc/shadow",
            "ip",
            "ip link set eth0 netns 1",
            "ip link add link eth0 link-netnsid 0 name m type macvlan",
            "ip link add link eth0 link-net 0 name m type macvlan",
            "tc -b /etc/shadow",
            "tc -n ../../proc/2/ns/net qdisc",
            "tc -force -batch x",
            "tc -s exec bpf import /x run sh",
        ] {
            assert!(check(&command(text)).is_err(), "{text}");
        }
    }
}
