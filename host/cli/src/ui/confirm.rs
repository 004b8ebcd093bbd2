//! Questions that only a person at the terminal can answer.

use std::io::IsTerminal as _;

use duress_model::{Error, Result};

use super::print;

/// Asks the person at the terminal whether something is wanted. `without` says how to do without the question.
///
/// # Errors
/// `Input` where nobody can be asked.
pub(crate) fn is_wanted(question: &str, without: &str) -> Result<bool> {
    if !std::io::stdin().is_terminal() {
        return Err(
            Error::input("cannot ask for confirmation: standard input is not a terminal")
                .hint(without),
        );
    }
    let answer = print::ask(&format!("{question} [y/N]"))
        .map_err(|error| Error::environment(format!("ask: {error}")))?;
    Ok(matches!(answer.as_str(), "y" | "yes"))
}
