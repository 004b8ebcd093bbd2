//! The operations of a workload: what the clients of a system do, thousands of times each second.

use std::marker::PhantomData;

use serde::Deserialize;

use crate::workload_bindings::exports::duress::plugin::workload;
use crate::{Error, log};

pub use crate::workload_bindings::exports::duress::plugin::workload::Failure;

/// One kind of operation.
#[derive(Debug, Clone, Copy)]
pub struct Operation {
    /// What a campaign calls it, e.g. `put`.
    pub name: &'static str,
    /// One sentence.
    pub description: &'static str,
    /// Makes one, as a client does, and returns when it is done. It may use [`crate::http`], [`crate::tcp`], `containers::list` and
    /// [`crate::host`].
    pub make: fn(Input) -> Result<(), Failure>,
}

/// What an operation is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Input {
    /// Counts the operations of the workload from 0.
    pub number: u64,
    /// A random number below 2^53, which the workload's seed and `number` determine.
    pub random: u64,
}

impl Input {
    /// Returns one of some things by the operation's number, in turn; `None` of none.
    pub fn in_turn<'a, T>(&self, things: &'a [T]) -> Option<&'a T> {
        let number = self.number.checked_rem(things.len() as u64)?;
        things.get(usize::try_from(number).ok()?)
    }
}

impl Failure {
    /// A failure of a kind: lower-case letters, digits and `_`, e.g. `no_leader`.
    pub fn new(kind: &str, message: impl std::fmt::Display) -> Self {
        Self {
            kind: kind.to_owned(),
            message: message.to_string(),
        }
    }
}

/// Its kind is the error's: `denied`, `invalid`, `unavailable`, `timeout` or `failed`.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Denied(_) => "denied",
            Error::Invalid(_) => "invalid",
            Error::Unavailable(_) => "unavailable",
            Error::Timeout(_) => "timeout",
            Error::Failed(_) => "failed",
        };
        Self::new(kind, error.text())
    }
}

/// Where the operations come from: the export macro implements it.
pub trait Operations {
    /// Returns every operation; the same list at each call.
    fn operations() -> Vec<Operation>;
}

/// The export `workload`, for [`crate::export_workload!`].
pub struct Exports<O>(PhantomData<O>);

impl<O: Operations> workload::Guest for Exports<O> {
    fn operations() -> Vec<workload::Operation> {
        log::hook_panics();
        let operations = O::operations().into_iter();
        operations
            .map(|operation| workload::Operation {
                name: operation.name.to_owned(),
                description: operation.description.to_owned(),
            })
            .collect()
    }

    fn operate(name: String, input: String) -> Result<(), Failure> {
        log::hook_panics();
        operate(&O::operations(), &name, &input)
    }
}

fn operate(operations: &[Operation], name: &str, input: &str) -> Result<(), Failure> {
    let input = serde_json::from_str(input)
        .map_err(|error| Failure::new("invalid", format!("the operation's input: {error}")))?;
    let operation = operations.iter().find(|one| one.name == name);
    let operation = operation
        .ok_or_else(|| Failure::new("invalid", format!("operation `{name}` is not known")))?;
    (operation.make)(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Operation> {
        vec![Operation {
            name: "even",
            description: "Succeed for even numbers.",
            make: |input| match input.number % 2 {
                0 => Ok(()),
                _ => Err(Failure::new("odd", input.random)),
            },
        }]
    }

    #[test]
    fn an_operation_is_found_by_its_name_and_gets_its_input() {
        // A later host may say more.
        assert_eq!(
            operate(&all(), "even", r#"{"number": 2, "random": 7, "more": []}"#),
            Ok(())
        );
        let failure = operate(&all(), "even", r#"{"number": 3, "random": 7}"#);
        assert_eq!(failure, Err(Failure::new("odd", "7")));
        for (name, input) in [("odd", r#"{"number": 3, "random": 7}"#), ("even", "{}")] {
            let failure = operate(&all(), name, input).expect_err("a failure");
            assert_eq!(failure.kind, "invalid");
        }
    }

    #[test]
    fn things_are_taken_in_turn() {
        let input = |number| Input { number, random: 0 };
        let taken: Vec<_> = (0..4).map(|n| input(n).in_turn(&["a", "b", "c"])).collect();
        assert_eq!(taken, [Some(&"a"), Some(&"b"), Some(&"c"), Some(&"a")]);
        assert_eq!(input(3).in_turn::<&str>(&[]), None);
    }
}
