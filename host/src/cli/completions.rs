//! `duress completions`.

use std::process::ExitCode;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use super::{Cli, Done};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(super) fn main(arguments: &Arguments) -> Done {
    clap_complete::generate(
        arguments.shell,
        &mut Cli::command(),
        "duress",
        &mut std::io::stdout(),
    );
    Ok(ExitCode::SUCCESS)
}
