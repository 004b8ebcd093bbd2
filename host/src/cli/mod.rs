//! The command line: one file for each verb, with its arguments, what it prints and its exit code. Nothing else prints.
//!
//! Data goes to stdout, everything said about it to stderr. Everything can be read without colour.

mod completions;
mod context;
mod db;
mod doctor;
mod execute;
mod failure;
mod fault;
mod guard;
mod halt;
mod list;
mod plugin;
mod progress;
mod recover;
mod resume;
mod run;
mod schema;
mod show;
mod style;
mod subject;
mod summary;
mod table;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgAction, Args, Parser, Subcommand};
use duress_engine::NetDriver;

use failure::Failure;

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
Exit codes: 0 all went well; 1 a trial failed or something was left behind; 2 the input is wrong; 3 the environment lacks something.";

#[derive(Debug, Args)]
struct Global {
    /// The database [default: $XDG_DATA_HOME/duress/duress.db]
    #[arg(long, global = true, value_name = "FILE", env = "DURESS_DB")]
    db: Option<PathBuf>,
    /// Where programs for a container's network run [default: the first of these that works]
    #[arg(long, global = true, value_name = "DRIVER")]
    net_driver: Option<NetDriver>,
    /// Print JSON instead of text
    #[arg(long, global = true)]
    json: bool,
    /// Say more: -v what is done, -vv how
    #[arg(short, long, global = true, action = ArgAction::Count)]
    verbose: u8,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Run a campaign from a file, a single kind of trial from flags, or a trial again
    Run(Box<run::Arguments>),
    /// Resume a campaign that was interrupted
    Resume(resume::Arguments),
    /// Stop every campaign on this machine, and let none begin
    Halt(halt::Arguments),
    /// List the campaigns, newest first
    List(list::Arguments),
    /// Show a campaign or a trial
    Show(show::Arguments),
    /// Revert what a killed duress left in force
    Recover(recover::Arguments),
    /// Back the database up, or look for damage in it
    #[command(subcommand)]
    Db(db::Verb),
    /// Say what this machine has and lacks
    Doctor,
    /// Systems to run against
    #[command(subcommand)]
    Subject(subject::Verb),
    /// Ways to break them
    #[command(subcommand)]
    Fault(fault::Verb),
    /// What plugins ask for, and what they are granted
    #[command(subcommand)]
    Plugin(plugin::Verb),
    /// Print the JSON Schema of a file format, for editors
    #[command(subcommand)]
    Schema(schema::Verb),
    /// Watch a run, and revert what it has in force once it is dead or stands still
    #[command(hide = true)]
    Guard(guard::Arguments),
    /// Print the completions for a shell
    Completions(completions::Arguments),
}

/// Parses the arguments, run the verb, tell what went wrong.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no mistakes; clap prints each where it belongs.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    style::start_log(cli.global.verbose);
    // Before anything else is opened or started.
    if let Verb::Guard(arguments) = &cli.verb {
        return guard::main(&cli.global, arguments);
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            let error =
                duress_model::Error::environment(format!("start the program's threads: {error}"));
            return Failure::from(error).report(cli.global.json);
        }
    };
    let done = runtime.block_on(async {
        match cli.verb {
            Verb::Run(arguments) => run::main(&cli.global, *arguments).await,
            Verb::Resume(arguments) => resume::main(&cli.global, arguments).await,
            Verb::Halt(arguments) => halt::main(&cli.global, arguments).await,
            Verb::Db(verb) => db::main(&cli.global, verb).await,
            Verb::List(arguments) => list::main(&cli.global, arguments).await,
            Verb::Show(arguments) => show::main(&cli.global, arguments).await,
            Verb::Recover(arguments) => recover::main(&cli.global, arguments).await,
            Verb::Doctor => doctor::main(&cli.global).await,
            Verb::Subject(verb) => subject::main(&cli.global, verb).await,
            Verb::Fault(verb) => fault::main(&cli.global, verb).await,
            Verb::Plugin(verb) => plugin::main(&cli.global, verb).await,
            Verb::Schema(verb) => schema::main(verb),
            Verb::Completions(arguments) => completions::main(&arguments),
            Verb::Guard(arguments) => Ok(guard::main(&cli.global, &arguments)),
        }
    });
    // A blocking task that hangs (a terminal, a dead disk) must not keep the prompt from coming back.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    let code = done.unwrap_or_else(|failure| failure.report(cli.global.json));
    let Some(why) = style::lost() else {
        return code;
    };
    let error = duress_model::Error::environment(format!("write the output: {why}"))
        .hint("some of it is lost: make room, or send it elsewhere");
    Failure::from(error).report(false)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
