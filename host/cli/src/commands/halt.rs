//! `duress halt`: the red button.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use duress_runner::{Machine, Running};
use serde_json::json;

use crate::Done;
use crate::context::Context;
use crate::ui::print::{self, print_line, say};
use crate::ui::{format, style};

/// Time between two looks at what still runs.
const LOOKS: Duration = Duration::from_millis(100);

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Release the machine, so that campaigns may run again
    #[arg(long, conflicts_with_all = ["reason", "wait"])]
    release: bool,
    /// Message shown to runs that are refused
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// Time to wait for running campaigns to end
    #[arg(long, value_name = "SECONDS", default_value_t = 180)]
    wait: u64,
}

pub(crate) async fn main(context: &Context, arguments: Arguments) -> Done {
    let machine = Machine::this();
    if arguments.release {
        let was_halted = machine.release()?;
        if context.json {
            print::json(&json!({ "halted": false, "was_halted": was_halted }));
        } else if was_halted {
            print_line!("Released: campaigns may run again.");
        } else {
            print_line!("Nothing was halted.");
        }
        return Ok(ExitCode::SUCCESS);
    }
    machine.halt(&sign(arguments.reason.as_deref()))?;
    let first = machine.running();
    for running in &first {
        say!("Waiting for the rollback of {running}");
    }
    let left = wait_for_all(&machine, &first, Duration::from_secs(arguments.wait)).await;
    if context.json {
        print::json(&json!({
            "halted": true, "ended": first.len().saturating_sub(left.len()), "running": left,
        }));
    } else if left.is_empty() {
        print_line!("Halted: no campaign runs on this machine, and none begins.");
    }
    for running in &left {
        say!(
            "{} {running} has not ended",
            style::ERROR.paint("STILL RUNNING:")
        );
        print::hint(how_to_end(running));
    }
    print::next("duress halt --release");
    Ok(ExitCode::from(u8::from(!left.is_empty())))
}

/// Returns how to end a process that does not end by itself. A command is given only where it is certain what it would end and recover.
fn how_to_end(running: &Running) -> String {
    let recover = match running.is_own {
        true => format!(
            "duress recover --db {}",
            format::shell_word(&running.database)
        ),
        false => "its user's `duress recover`".to_owned(),
    };
    match running.pid {
        Some(pid) if running.is_own => {
            format!("wait longer with --wait, or: kill -9 {pid} && {recover}")
        }
        Some(pid) => format!("wait longer with --wait, or: kill -9 {pid}, and then {recover}"),
        None => format!(
            "wait longer with --wait, or end it where it was started, and then run {recover}"
        ),
    }
}

/// Waits for every run to end, and returns those that still run when the time is over.
async fn wait_for_all(machine: &Machine, first: &[Running], wait: Duration) -> Vec<Running> {
    let end = Instant::now() + wait;
    let mut waiting = first.to_vec();
    loop {
        let running = machine.running();
        for ended in waiting.iter().filter(|one| !running.contains(one)) {
            say!("Ended: {ended}");
        }
        waiting = running;
        if waiting.is_empty() || Instant::now() >= end {
            return waiting;
        }
        tokio::time::sleep(LOOKS).await;
    }
}

/// Who halted the machine, when and why.
fn sign(reason: Option<&str>) -> String {
    let now = jiff::Timestamp::now().round(jiff::Unit::Second);
    let now = now.map_or_else(|_| "an unknown time".to_owned(), |now| now.to_string());
    // Set by login(1) and by whatever starts services.
    let user = std::env::var("USER").unwrap_or_else(|_| "somebody".to_owned());
    let reason = reason.map(|reason| format!(": {reason}"));
    format!("by {user} at {now}{}", reason.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use duress_runner::Running;

    use super::how_to_end;

    #[test]
    fn a_command_is_given_only_for_what_is_certain() {
        let running = |pid, is_own| Running::new(pid, "/my db; reboot", is_own);
        assert_eq!(
            how_to_end(&running(Some(7), true)),
            "wait longer with --wait, or: kill -9 7 && duress recover --db '/my db; reboot'"
        );
        for text in [
            how_to_end(&running(Some(7), false)),
            how_to_end(&running(None, false)),
        ] {
            assert!(!text.contains("reboot") && !text.contains("&&"), "{text}");
        }
        assert!(!how_to_end(&running(None, true)).contains("kill"));
    }
}
