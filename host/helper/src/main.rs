//! What duress runs beside a container. It is one static program, so that it runs in any container, whatever that holds.
//!
//! `duress-tasks` holds what it is told. A task says `ready` on its standard output once it works, and goes on until a request ends it,
//! its container ends, or the time is over that it was given. A task is found again by its `--id`, in the processes of the
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
use clap::{Parser, Subcommand};
use duress_tasks::{Request, Task, Work};

use self::processes::Whose;

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
    /// Do work until it is ended
    Task {
        /// What it is found by again
        #[arg(long)]
        id: String,
        /// The work, as JSON
        #[arg(value_parser = Task::from_argument)]
        task: Task,
    },
    /// Answer a question, or do something that is soon over
    Request {
        /// Which, as JSON
        #[arg(value_parser = Request::from_argument)]
        request: Request,
    },
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
    match cli.verb {
        Verb::Wait => loop {
            std::thread::park();
        },
        Verb::Task { task, .. } => work(task).map(|()| ExitCode::SUCCESS),
        Verb::Request { request } => answer(request),
    }
}

fn work(task: Task) -> Result<()> {
    if let Some(seconds) = task.ends_after_seconds {
        set_end(seconds)?;
    }
    match task.work {
        Work::BurnCpu { percent, workers } => cpu::run(percent, workers),
        Work::HoldMemory { bytes } => memory::run(bytes),
        Work::WriteDisk {
            folder,
            workers,
            file_bytes,
            root_filesystem_allowed,
        } => disk::run(&folder, workers, file_bytes, root_filesystem_allowed),
        Work::AnswerDns {
            port,
            lie,
            domains,
            address,
        } => dns::run(port, dns::Server::new(lie, &domains, address)?),
        Work::QueuePackets(rules) => queue::run(&rules),
        Work::RunProgram { command } => program::run(&command, &task.user),
    }
}

fn answer(request: Request) -> Result<ExitCode> {
    let yes = match request {
        Request::FileSystem { path } => files::print_file_system(&path).map(|()| true),
        Request::Fill(fill) => files::fill(&fill).map(|()| true),
        Request::FillIsThere(fill) => files::print_is_there(&fill).map(|()| true),
        Request::RemoveFill(fill) => files::remove(&fill).map(|()| true),
        Request::ReadFile { path } => files::print_file(&path).map(|()| true),
        Request::ReplaceFile => files::replace().map(|()| true),
        Request::RestoreFile => files::restore().map(|()| true),
        Request::Processes { container } => processes::print(&Whose(container)).map(|()| true),
        Request::Signal {
            signal,
            processes,
            container,
        } => processes::signal(&signal, &processes, &Whose(container)).map(|()| true),
        Request::Heeds { signal, container } => processes::heeds(&signal, &Whose(container)),
        Request::Runs { id, container } => {
            processes::of_task(&id, &Whose(container)).map(|found| !found.is_empty())
        }
        Request::Stop { id, container } => processes::stop(&id, &Whose(container)).map(|()| true),
    };
    Ok(match yes? {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Sets the time at which the task ends even if its starter is gone.
#[expect(
    clippy::exit,
    reason = "the task has the main thread, and nothing to tidy up"
)]
fn set_end(seconds: u64) -> Result<()> {
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

/// Tells the starter of this task that it works.
fn ready() -> Result<()> {
    let mut stdout = std::io::stdout();
    stdout
        .write_all(b"ready\n")
        .and_then(|()| stdout.flush())
        .context("say that it is ready")
}
