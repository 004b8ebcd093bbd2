//! What duress runs beside a container. It is one static program, so that it runs in any container, whatever that holds.
//!
//! A task (`cpu`, `memory`, `disk`, `dns`, `queue`) says `ready` on its standard output once it works, and goes on until `stop` ends it,
//! its container ends, or the time is over that `--ends-after` gives it. A task is found again by its `--id`, in the processes of the
//! container that it runs in, so that another duress can end it too.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what it prints is its answer"
)]

mod cpu;
mod disk;
mod dns;
mod files;
mod memory;
mod processes;
mod program;
mod queue;

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Args, Parser, Subcommand};

/// Work beside a container, for duress.
#[derive(Debug, Parser)]
#[command(name = "duress-helper", version)]
struct Cli {
    /// Remove this program's own file first: it was put there for this one run
    #[arg(long)]
    vanish: bool,
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Do nothing, until it is ended: the first process of the container that lends its tools
    Wait,
    /// Use processor time
    Cpu {
        #[command(flatten)]
        task: Task,
        #[command(flatten)]
        load: cpu::Load,
    },
    /// Hold memory
    Memory {
        #[command(flatten)]
        task: Task,
        /// How much, in bytes
        #[arg(long)]
        bytes: usize,
    },
    /// Write and read files
    Disk {
        #[command(flatten)]
        task: Task,
        #[command(flatten)]
        load: disk::Load,
    },
    /// Answer some names wrongly, and have the resolver that was there answer the others
    Dns {
        #[command(flatten)]
        task: Task,
        #[command(flatten)]
        server: dns::Server,
    },
    /// Delay, lose, damage or reorder the packets of a netfilter queue
    Queue {
        #[command(flatten)]
        task: Task,
        #[command(flatten)]
        rules: queue::Rules,
    },
    /// Run a program until it ends, or is ended with all that it has started
    Program {
        #[command(flatten)]
        task: Task,
        #[command(flatten)]
        program: program::Program,
    },
    /// Look at files, fill and remove them
    #[command(flatten)]
    Files(files::Verb),
    /// Print every process as a line of JSON
    Processes(processes::Whose),
    /// Send a signal to processes that are still those that were meant
    Signal(processes::Meant),
    /// Whether a signal has any effect on the first process: exit code 0 when it has, else 1
    Heeds(processes::First),
    /// Whether a task runs: exit code 0 when it does, else 1
    Runs {
        #[command(flatten)]
        task: Task,
        #[command(flatten)]
        whose: processes::Whose,
    },
    /// End a task; one that does not run is not an error
    Stop {
        #[command(flatten)]
        task: Task,
        #[command(flatten)]
        whose: processes::Whose,
    },
}

#[derive(Debug, Args)]
struct Task {
    /// What it is found by again
    #[arg(long)]
    id: String,
    /// End by itself after so many seconds, though nobody ends it
    #[arg(long, env = "DURESS_ENDS_AFTER", value_name = "SECONDS")]
    ends_after: Option<u64>,
}

impl Task {
    /// Sets the time at which the task ends even if its starter is gone.
    fn set_end(&self) -> Result<()> {
        let Some(seconds) = self.ends_after else {
            return Ok(());
        };
        std::thread::Builder::new()
            .spawn(move || {
                std::thread::sleep(std::time::Duration::from_secs(seconds));
                // Where it cannot be told what a program has started, the program itself ends with this process.
                let _ = program::end_descendants();
                // All that a task holds goes with its process.
                std::process::exit(0);
            })
            .map(drop)
            .context("start the clock that ends this task")
    }
}

fn main() -> ExitCode {
    let done = run(Cli::parse());
    done.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}

fn run(cli: Cli) -> Result<ExitCode> {
    if cli.vanish {
        let own = std::env::current_exe().context("find this program's own file")?;
        std::fs::remove_file(&own).with_context(|| format!("remove {}", own.display()))?;
    }
    if let Verb::Cpu { task, .. }
    | Verb::Memory { task, .. }
    | Verb::Disk { task, .. }
    | Verb::Dns { task, .. }
    | Verb::Queue { task, .. }
    | Verb::Program { task, .. } = &cli.verb
    {
        task.set_end()?;
    }
    match cli.verb {
        Verb::Wait => loop {
            std::thread::park();
        },
        Verb::Cpu { load, .. } => cpu::run(&load)?,
        Verb::Memory { bytes, .. } => memory::run(bytes)?,
        Verb::Disk { load, .. } => disk::run(&load)?,
        Verb::Dns { server, .. } => dns::run(server)?,
        Verb::Queue { rules, .. } => queue::run(&rules)?,
        Verb::Program { program, .. } => program::run(&program)?,
        Verb::Files(verb) => files::run(&verb)?,
        Verb::Processes(whose) => processes::print(&whose)?,
        Verb::Signal(meant) => processes::signal(&meant)?,
        Verb::Heeds(first) if !processes::heeds(&first)? => return Ok(ExitCode::FAILURE),
        Verb::Heeds(_) => {}
        Verb::Runs { task, whose } => {
            if processes::of_task(&task.id, &whose)?.is_empty() {
                return Ok(ExitCode::FAILURE);
            }
        }
        Verb::Stop { task, whose } => processes::stop(&task.id, &whose)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Tells the starter of this task that it works.
fn ready() -> Result<()> {
    let mut stdout = std::io::stdout();
    stdout
        .write_all(b"ready\n")
        .and_then(|()| stdout.flush())
        .context("say that it is ready")
}
