//! What clients of Redis do: writes to the primary and reads from it, each over a connection of its own.

use std::time::Duration;

use duress_sdk::{Failure, Input, Operation, tcp};

/// The service that takes writes, and where it listens.
const PRIMARY: &str = "redis";
const PORT: u16 = 6379;
/// Time limit for one operation. The workload's own comes first where it is shorter.
const LIMIT: Duration = Duration::from_secs(60);
/// How many keys are written and read.
const KEYS: u64 = 1_000;

/// Returns every operation.
pub(crate) fn operations() -> Vec<Operation> {
    vec![
        Operation {
            name: "set",
            description: "Write a key of the primary.",
            make: |input| {
                let answer = ask(&format!("SET {} {}\r\n", key(input), input.number))?;
                judge(&answer, "+OK")
            },
        },
        Operation {
            name: "get",
            description: "Read a key of the primary.",
            // `$` comes before a value, and before -1 for a key without a value.
            make: |input| judge(&ask(&format!("GET {}\r\n", key(input)))?, "$"),
        },
    ]
}

fn key(input: Input) -> String {
    format!("duress:{}", input.random % KEYS)
}

/// Sends a command and returns the first line of the answer.
fn ask(command: &str) -> Result<String, Failure> {
    let mut connection = tcp::Connection::open(PRIMARY, PORT, LIMIT)?;
    connection.send(command.as_bytes())?;
    Ok(connection.read_line()?)
}

/// An error is a line such as `-READONLY You can't write against a read only replica.`, whose first word says which.
fn judge(answer: &str, expected: &str) -> Result<(), Failure> {
    if answer.starts_with(expected) {
        return Ok(());
    }
    let word = answer.strip_prefix('-').and_then(|rest| rest.split_whitespace().next());
    let kind = word.map_or("answer".into(), str::to_lowercase);
    Err(Failure::new(&kind, format!("{PRIMARY} answers `{answer}`")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_are_told_apart_by_their_first_word() {
        assert_eq!(judge("+OK", "+OK"), Ok(()));
        assert_eq!(judge("$-1", "$"), Ok(()));
        let failure = judge("-READONLY You can't write", "+OK").expect_err("an error");
        assert_eq!(failure.kind, "readonly");
        assert_eq!(judge("?", "$").expect_err("no answer").kind, "answer");
    }
}
