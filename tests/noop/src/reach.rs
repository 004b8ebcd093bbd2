//! Trying to reach beyond the trial. Each way returns an error that says how often it was refused, or what was allowed.

use std::time::Duration;

use crate::rebuild;
use duress_sdk::bindings::duress::plugin::changes::Limits;
use duress_sdk::bindings::duress::plugin::{changes, containers, http, tcp};
use duress_sdk::{Action, Change, Error, Fill, Place, Probe, Program, Result, Scene};

/// The longest reason of a refusal that is worth reading, in bytes.
const REASON: usize = 5_000;
/// More connections than one call may open.
const FLOOD: usize = 300;
/// For each call, in milliseconds.
const LIMIT: u64 = 2_000;

/// Names that are no container's, and that a careless host would take for a path, an option, a command or an end.
pub(crate) fn strange() -> Vec<String> {
    let mut names: Vec<String> = [
        "",
        ".",
        "..",
        "../../etc/passwd",
        "/",
        "-v",
        "--privileged",
        "*",
        "$(touch /tmp/duress-was-here)",
        "`id`",
        "a; id",
        "a && id",
        "a | id",
        "a\nb",
        "a\0b",
        "\u{202e}cbda",
        "\u{1b}[2J",
        "\u{feff}bare",
        "ｂａｒｅ",
        "bare\u{200b}",
        "bare/json",
        "bare?all=1",
        "bare%2f..",
        "\u{1f600}",
    ]
    .map(str::to_owned)
    .into();
    names.push("x".repeat(1 << 20));
    names
}

/// What came of many attempts that must all fail.
#[derive(Default)]
pub(crate) struct Attempts {
    refused: usize,
    wrong: Vec<String>,
}

impl Attempts {
    pub(crate) fn must_fail<T>(&mut self, what: String, answer: Result<T>) {
        match answer {
            Ok(_) => self.wrong.push(format!("ALLOWED: {what}")),
            Err(error) if error.to_string().len() > REASON => {
                self.wrong.push(format!("TOO LONG a reason: {what}"));
            }
            Err(_) => self.refused += 1,
        }
    }

    pub(crate) fn told(self) -> Error {
        Error::Failed(match self.wrong.len() {
            0 => format!("all {} attempts were refused", self.refused),
            _ => self.wrong.join("; "),
        })
    }
}

pub(crate) fn pause(container: &str) -> Change {
    Change {
        container: container.to_owned(),
        summary: "pause what is not ours".into(),
        apply: vec![Action::Pause],
        revert: vec![Action::Unpause],
        in_force: None,
    }
}

/// Returns every call that takes a name.
pub(crate) fn names(more: &[String]) -> Error {
    let mut attempts = Attempts::default();
    for name in strange().iter().chain(more) {
        let shown: String = name.chars().take(30).collect();
        let mut must_fail = |call: &str, failed: Result<()>| {
            attempts.must_fail(format!("{call} of {shown:?}"), failed);
        };
        let id = ["/bin/true".to_owned()];
        must_fail("exec", containers::exec(name, &id, LIMIT).map(drop));
        must_fail("endpoint", containers::endpoint(name, 80).map(drop));
        must_fail("stat", containers::stat_file_system(name, "/").map(drop));
        must_fail("processes", containers::processes(name).map(drop));
        must_fail("memory-in-use", containers::memory_in_use(name).map(drop));
        must_fail("interfaces", containers::interfaces(name).map(drop));
        must_fail(
            "interface-to",
            containers::interface_to("bare", name).map(drop),
        );
        must_fail("details", containers::details(name).map(drop));
        must_fail("logs", containers::logs(name, None, 1, 1).map(drop));
        must_fail("connect", tcp::connect(name, 80, LIMIT).map(drop));
        must_fail("current-limits", changes::current_limits(name).map(drop));
        must_fail("apply", changes::apply(&pause(name)).map(drop));
        must_fail("revert", changes::revert(name));
        if name.is_empty() || name.starts_with('/') || name.starts_with('.') {
            continue;
        }
        // As a path within a container of ours.
        must_fail(
            "stat of the path",
            containers::stat_file_system("bare", name).map(drop),
        );
    }
    attempts.told()
}

/// Sends requests, each of which must be refused before anything is contacted.
pub(crate) fn requests(urls: &[String]) -> Error {
    let mut attempts = Attempts::default();
    for url in urls {
        let request = duress_sdk::http::request("GET", url, None, Duration::from_millis(LIMIT));
        attempts.must_fail(url.clone(), http::send(&request));
    }
    attempts.told()
}

/// Opens connections, each of which must be refused before anything is contacted, and too many of them.
pub(crate) fn connections(addresses: &[String]) -> Error {
    let mut attempts = Attempts::default();
    for address in addresses {
        let (host, port) = address.rsplit_once(':').unwrap_or((address, "1"));
        let answer = tcp::connect(host, port.parse().unwrap_or(1), LIMIT);
        attempts.must_fail(address.clone(), answer.map(drop));
    }
    let mut last = None;
    for _ in 0..FLOOD {
        last = tcp::connect("bare", 1, LIMIT).err();
        if last.is_none() {
            attempts.wrong.push("ALLOWED: port 1 of bare".into());
        }
    }
    let is_denied = matches!(&last, Some(Error::Denied(why)) if why.contains("TCP connections"));
    if !is_denied {
        attempts.wrong.push(format!("UNLIMITED: {last:?}"));
    }
    attempts.told()
}

/// Checks that a program gets its arguments to the letter, and that what cannot be passed is refused.
pub(crate) fn shell(containers: &[String]) -> Error {
    let mut attempts = Attempts::default();
    for container in containers {
        for word in strange() {
            let shown: String = word.chars().take(30).collect();
            let command = ["printf", "%s", &word].map(str::to_owned);
            match containers::exec(container, &command, LIMIT * 5) {
                Ok(output) if output.exit_code == 0 && output.stdout == word => {
                    attempts.refused += 1;
                }
                // No program can be given a word of a megabyte (execve(2)).
                Ok(output) if word.len() > 100_000 && output.exit_code != 0 => {
                    attempts.refused += 1;
                }
                Ok(output) => attempts.wrong.push(format!(
                    "CHANGED: {shown:?} became {:?} ({})",
                    output.stdout.chars().take(30).collect::<String>(),
                    output.exit_code
                )),
                Err(_) if word.contains('\0') => attempts.refused += 1,
                Err(error) => attempts.wrong.push(format!("FAILED: {shown:?}: {error}")),
            }
        }
    }
    attempts.told()
}

/// Until the host has enough.
pub(crate) fn change_flood(scene: &Scene) -> Error {
    let Some(target) = scene.targets.first() else {
        return Error::Failed("there is nothing to flood".into());
    };
    let change = Change {
        container: target.name.clone(),
        summary: "nothing that is not so".into(),
        apply: vec![Action::Unpause],
        revert: vec![Action::Unpause],
        in_force: None,
    };
    let mut made = 0;
    loop {
        match changes::apply(&change) {
            Ok(_) => made += 1,
            Err(error) => return Error::Failed(format!("after {made} changes: {error}")),
        }
    }
}

/// Everything that the manifest does not ask for, on a container that may be broken.
pub(crate) fn ungranted(scene: &Scene) -> Error {
    let Some(target) = scene.targets.first() else {
        return Error::Failed("there is nothing to break".into());
    };
    let mut attempts = Attempts::default();
    let program = |place| Program {
        place,
        command: vec!["printf".into(), "x".into()],
        timeout: LIMIT,
        tolerated: Vec::new(),
    };
    let fill = || Fill {
        path: "/data/fill".into(),
        size: 1,
    };
    let limits = Limits {
        cpus: Some(0.5),
        memory_bytes: None,
        pids: None,
    };
    for (what, action) in [
        ("signal", Action::Signal("SIGKILL".into())),
        ("stop", Action::Stop(1)),
        ("start", Action::Start),
        ("restart", Action::Restart(1)),
        ("limit", Action::Limit(limits)),
        ("fill-disk", Action::FillDisk(fill())),
        ("remove-fill", Action::RemoveFill("/data/fill".into())),
        (
            "run in its network",
            Action::Run(program(Place::NetworkOfContainer)),
        ),
    ] {
        for (apply, revert) in [(action.clone(), Action::Unpause), (Action::Pause, action)] {
            let change = Change {
                apply: vec![apply],
                revert: vec![revert],
                in_force: Some(Probe::Run(program(Place::Container))),
                ..pause(&target.name)
            };
            attempts.must_fail(what.into(), changes::apply(&change));
        }
    }
    rebuild::each(&mut attempts, &target.name, "");
    for program in ["sh", "/usr/bin/printf", "printf ", "PRINTF", "./printf"] {
        let command = [program.to_owned()];
        attempts.must_fail(program.into(), containers::exec("peer", &command, LIMIT));
    }
    attempts.told()
}
