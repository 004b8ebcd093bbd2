//! What a recovery did.

use duress_journal::Recovered;

use super::print::say;
use super::style;

/// Prints what was recovered and what was not, if anything.
pub(crate) fn print(recovered: &Recovered) {
    let label = || style::WARN.paint("recovered:");
    for what in &recovered.reverted {
        say!("{} reverted: {what}", label());
    }
    for trial in &recovered.trials {
        say!("{} {trial} was interrupted; its stack is removed", label());
    }
    for left in &recovered.left {
        say!("{} {left}", style::ERROR.paint("NOT RECOVERED:"));
    }
}
