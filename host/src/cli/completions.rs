//! `duress completions`.

use std::process::ExitCode;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Done, style};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(super) fn main(arguments: &Arguments) -> Done {
    // To a closed pipe the generator would panic.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "duress", &mut script);
    style::write_own(&script);
    Ok(ExitCode::SUCCESS)
}
