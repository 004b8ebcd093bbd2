//! `iptables`, `tc` and `ip` in a container's network, as far as faults use them: what is added is shown, and what is deleted is gone.

use super::container::Container;
use duress_engine::{Output, State};

/// The one interface of each container, beside that to itself.
const INTERFACE: &str = "eth0";

/// Returns whether a program only looks.
pub(super) fn looks(command: &[String]) -> bool {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    match words[..] {
        ["tc", .., "show", _, _] | ["tc", .., "show"] | ["ip", ..] => true,
        [program, ..] => program.ends_with("-save") || words.contains(&"-C"),
        [] => true,
    }
}

/// Runs one of them; `None` for any other program.
pub(super) fn run(container: &mut Container, command: &[String]) -> Option<Output> {
    let words: Vec<&str> = command.iter().map(String::as_str).collect();
    match words.first()? {
        name if name.contains("tables") => Some(tables(container, &words)),
        &"tc" => Some(traffic_control(container, &words)),
        &"ip" => Some(ip(container, &words)),
        _ => None,
    }
}

pub(super) fn output(exit_code: i32, stdout: impl Into<String>, stderr: &str) -> Output {
    Output {
        exit_code,
        stdout: stdout.into().into_bytes(),
        stderr: stderr.as_bytes().to_vec(),
    }
}

/// iptables(8): insert or append for a list of peers, delete and check for one, and show all.
fn tables(container: &mut Container, words: &[&str]) -> Output {
    if let Some(family) = words[0].strip_suffix("-save") {
        let of_family = |rule: &&(String, String)| rule.0.split(' ').next() == Some(family);
        let shown = container.rules.iter().filter(of_family);
        let lines: Vec<_> = shown.map(|(rule, peer)| format!("{rule} {peer}")).collect();
        return output(0, lines.join("\n"), "");
    }
    let peers_at = words.iter().position(|word| matches!(*word, "-s" | "-d"));
    let peers: Vec<&str> = match peers_at.and_then(|at| words.get(at + 1)) {
        Some(list) => list.split(',').collect(),
        None => vec![""],
    };
    let is_rest = |(at, word): &(usize, &&str)| {
        peers_at.is_none_or(|peers| *at != peers + 1)
            && !matches!(**word, "-I" | "-A" | "-D" | "-C")
    };
    let rest = words.iter().enumerate().filter(is_rest);
    let rule = rest.map(|(_, word)| *word).collect::<Vec<_>>().join(" ");
    if words.contains(&"-I") || words.contains(&"-A") {
        let rules = peers.iter().map(|peer| (rule.clone(), (*peer).to_owned()));
        container.rules.extend(rules);
        return output(0, "", "");
    }
    let wanted = (rule, peers[0].to_owned());
    let at = container.rules.iter().position(|rule| *rule == wanted);
    match at {
        Some(_) if words.contains(&"-C") => output(0, "", ""),
        Some(at) if words.contains(&"-D") => {
            container.rules.remove(at);
            output(0, "", "")
        }
        _ => output(
            1,
            "",
            "Bad rule (does a matching rule exist in that chain?).",
        ),
    }
}

/// tc(8): disciplines are added and deleted with all beneath them, and shown; classes and filters end with their discipline.
fn traffic_control(container: &mut Container, words: &[&str]) -> Output {
    let after = |name: &str| {
        let at = words.iter().position(|word| *word == name)?;
        words.get(at + 1).copied()
    };
    let device = after("dev").unwrap_or_default();
    if device != INTERFACE {
        return output(1, "", &format!("Cannot find device \"{device}\""));
    }
    let [_, object, verb, ..] = words else {
        return output(1, "", "Command line is not complete.");
    };
    let disciplines = &mut container.disciplines;
    match (*object, *verb) {
        ("qdisc", "show" | "list" | "ls") => output(0, disciplines.join("\n"), ""),
        ("qdisc", "add" | "replace") => {
            let at = words.iter().position(|word| *word == "handle");
            let handle = after("handle").unwrap_or("8001:");
            let place =
                after("parent").map_or("root".to_owned(), |class| format!("parent {class}"));
            if place == "root" && *verb == "add" && !disciplines.is_empty() {
                return output(2, "", "Error: Exclusivity flag on, cannot modify.");
            }
            let rest = match at {
                Some(at) => words.get(at + 2..),
                None => words
                    .iter()
                    .position(|word| *word == "root")
                    .and_then(|at| words.get(at + 1..)),
            };
            let rest = rest.unwrap_or_default();
            let kind = rest.first().copied().unwrap_or_default();
            let options = rest.get(1..).unwrap_or_default().join(" ");
            disciplines.push(format!("qdisc {kind} {handle} {place} refcnt 2 {options}"));
            output(0, "", "")
        }
        ("qdisc", "del" | "delete") => {
            let handle = after("handle");
            let is_it = |line: &String| match handle {
                Some(handle) => line.contains(&format!(" {handle} root")),
                None => line.contains(" root "),
            };
            if !disciplines.iter().any(is_it) {
                return output(2, "", "Error: Cannot delete qdisc with handle of zero.");
            }
            // Only a root is deleted, and nothing stays without one.
            disciplines.clear();
            output(0, "", "")
        }
        ("class" | "filter", "add" | "replace" | "change") if disciplines.is_empty() => {
            output(2, "", "Error: Parent Qdisc doesn't exists.")
        }
        ("class" | "filter", _) => output(0, "", ""),
        _ => output(
            1,
            "",
            &format!("Object \"{object}\" is unknown, try \"tc help\"."),
        ),
    }
}

/// ip(8), with its answers as JSON: one interface, by which everything is reached.
fn ip(container: &Container, words: &[&str]) -> Output {
    let address = container.address;
    if words.contains(&"route") {
        return output(0, format!(r#"[{{"dev":"{INTERFACE}"}}]"#), "");
    }
    let up = match container.state {
        State::Running | State::Paused => format!(
            r#"[{{"ifname":"{INTERFACE}","flags":["UP"],"addr_info":[{{"local":"{address}"}}]}}]"#
        ),
        _ => "[]".to_owned(),
    };
    output(0, up, "")
}
