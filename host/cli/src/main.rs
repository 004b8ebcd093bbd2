//! The command `duress`: the global options, and what every verb works with.
//!
//! `commands` has one file for each verb, with its arguments and what it prints; no verb uses another. `ui` is how things are printed;
//! nothing else prints. Data goes to stdout, messages about it to stderr, and everything can be read without colour.

mod commands;
mod context;
mod execute;
mod failure;
mod flags;
mod options;
mod plugins;
mod process;
#[cfg(test)]
mod tests;
mod ui;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Parser};
use duress_engine::NetDriver;
use duress_model::Error;
use strum::VariantNames as _;

use commands::Verb;
use context::Context;
use failure::Failure;
use ui::{log, print};

/// What a verb returns: its exit code, or what went wrong.
type Done = Result<ExitCode, Failure>;

/// Inject faults into real systems, revert them, and report what happened.
#[derive(Debug, Parser)]
#[command(name = "duress", version, max_term_width = 100, after_help = EXIT_CODES)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    verb: Verb,
}

const EXIT_CODES: &str = "\
Exit codes: 0 success; 1 a trial failed or something is left to revert; 2 invalid input; 3 the environment lacks something.";

/// Reads the name of a driver, which help and mistakes list.
fn net_driver() -> impl TypedValueParser<Value = NetDriver> {
    PossibleValuesParser::new(NetDriver::VARIANTS).try_map(|name| name.parse::<NetDriver>())
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Database file [default: $XDG_DATA_HOME/duress/duress.db]
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "DURESS_DB",
        hide_env_values = true
    )]
    db: Option<PathBuf>,
    /// Where network programs for a container run [default: the first of these that works]
    #[arg(long, global = true, value_name = "DRIVER", value_parser = net_driver())]
    net_driver: Option<NetDriver>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,
    /// Log more: -v what is done, -vv how
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

/// Parses the arguments, runs the verb and reports its failure. Returns the exit code.
fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no mistakes; clap prints each where it belongs.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    log::start(cli.global.verbose);
    let context = Context::new(cli.global);
    let verb = match cli.verb {
        // It closes what this process inherited, so it must come before anything is opened or started.
        Verb::Guard(arguments) => return commands::guard::main(&context, &arguments),
        verb => verb,
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let error = Error::environment(format!("start the program's threads: {error}"));
            return Failure::from(error).report(context.json);
        }
    };
    let done = runtime.block_on(verb.run(&context));
    // A blocking task that hangs (a terminal, a dead disk) must not keep the prompt from coming back.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    let code = done.unwrap_or_else(|failure| failure.report(context.json));
    let Some(why) = print::lost() else {
        return code;
    };
    let error = Error::environment(format!("write the output: {why}"))
        .hint("part of the output is lost: free space, or redirect it elsewhere");
    Failure::from(error).report(false)
}
