//! `duress completions`.

use std::process::ExitCode;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::ui::print;
use crate::{Cli, Done};

#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Shell to complete for
    shell: Shell,
}

pub(crate) fn main(arguments: &Arguments) -> Done {
    // To a closed pipe the generator would panic.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "duress", &mut script);
    print::own(&script);
    Ok(ExitCode::SUCCESS)
}
