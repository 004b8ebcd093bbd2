//! `duress schema`.

use std::process::ExitCode;

use clap::Subcommand;

use super::Done;
use super::style::print_line;

#[derive(Debug, Subcommand)]
pub(super) enum Verb {
    /// The campaign file
    Campaign,
}

pub(super) fn main(verb: Verb) -> Done {
    let schema = match verb {
        Verb::Campaign => duress::campaign::json_schema(),
    };
    print_line!("{schema:#}");
    Ok(ExitCode::SUCCESS)
}
