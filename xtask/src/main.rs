//! What a newcomer and CI run: `cargo xtask setup | demo | test | sim | fuzz | bench | lint | docs | ci`.
//!
//! Everything it makes is in `target/duress`, except for the packages and images that it says it installs or makes.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool of one crate prints where it works"
)]

mod apt;
mod ci;
mod compiler;
mod components;
mod durations;
mod engine;
mod fuzz;
mod images;
mod layers;
mod leftovers;
mod lint;
mod netem;
mod packages;
mod progress;
mod setup;
mod sh;
mod sim;
mod storm;
mod test;
mod tools;
mod wasm_std;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};
use xshell::cmd;

use compiler::Lints;
use setup::Setup;
use sh::{CmdExt as _, shell};

/// Set up, show, test and measure duress.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Install and build what is missing: packages, the container engine, components, images
    Setup,
    /// Set up, then run campaigns/quickstart.yaml on a real etcd cluster
    Demo,
    /// Set up, then run every test
    Test {
        /// Run only those that need a kernel with sch_netem, in a virtual machine that has one
        #[arg(long)]
        netem: bool,
        /// Run campaigns instead, and kill duress so many times, at random moments
        #[arg(long, value_name = "KILLS", conflicts_with = "netem")]
        storm: Option<u64>,
        /// Random seed of the storm, to repeat one
        #[arg(long, requires = "storm")]
        seed: Option<u64>,
        /// Run only tests whose names contain one of these texts
        names: Vec<String>,
    },
    /// Run the host on a simulated machine that crashes, from many seeds
    Sim {
        /// Number of seeds; each crashes at one step
        #[arg(long, default_value_t = 2000)]
        seeds: u64,
        /// First seed
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// Number of them that crash at every step instead
        #[arg(long, default_value_t = 10)]
        every: u64,
    },
    /// Search with libFuzzer for inputs that crash the host
    Fuzz {
        /// Time for each target, in seconds
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Set up, then measure what the design promises
    Bench {
        /// Measure only these parts, e.g. `network`
        parts: Vec<String>,
    },
    /// Check the format, the lints and the language
    Lint,
    /// Generate docs/faults.md from the components' own descriptions, and docs/wit.md from wit/
    Docs,
    /// Run everything that CI runs, and print how long each step took
    Ci,
}

fn main() -> ExitCode {
    progress::start();
    match run(&Cli::parse().verb) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(verb: &Verb) -> Result<bool> {
    match verb {
        Verb::Setup => {
            Setup::ALL.run()?;
            println!("Setup is complete. Next: cargo xtask demo");
            Ok(true)
        }
        Verb::Demo => demo(),
        Verb::Test { netem: true, .. } => {
            Setup::NETEM.run()?;
            netem::run(Lints::Unchecked)
        }
        Verb::Test {
            storm: Some(kills),
            seed,
            ..
        } => {
            Setup::STORM.run_and_build_host()?;
            storm::run(*kills, *seed)
        }
        Verb::Test { names, .. } => {
            Setup::TEST.run()?;
            test::run(names, Lints::Unchecked)
        }
        Verb::Sim { seeds, from, every } => {
            Setup::COMPONENTS.run()?;
            sim::run(*seeds, *from, *every)
        }
        Verb::Fuzz { seconds } => {
            Setup::COMPONENTS.run()?;
            fuzz::run(*seconds)
        }
        Verb::Bench { parts } => bench(parts),
        Verb::Lint => lint::run(),
        Verb::Docs => {
            Setup::COMPONENTS.run_and_build_host()?;
            layers::write()?;
            test::write_pages()
        }
        Verb::Ci => ci::run(),
    }
}

fn demo() -> Result<bool> {
    Setup::DEMO.run_and_build_host()?;
    progress::say("Run campaigns/quickstart.yaml (usually 40 s)");
    let database = workspace::scratch()?.join("demo.db");
    let sh = shell()?;
    let passed = cmd!(
        sh,
        "target/debug/duress run campaign campaigns/quickstart.yaml"
    )
    .envs(images::environment())
    .env("DURESS_DB", database)
    .succeeds()?;
    println!();
    println!("To go on by hand:");
    println!("  set -a; . {}; set +a", images::ENVIRONMENT_FILE);
    println!(
        "  export DURESS_DB={}/demo.db PATH=$PWD/target/debug:$PATH",
        workspace::SCRATCH
    );
    println!("  duress list");
    Ok(passed)
}

fn bench(parts: &[String]) -> Result<bool> {
    Setup::BENCH.run()?;
    let sh = shell()?;
    cmd!(sh, "cargo build --release --bin duress --bin duress-bench").show()?;
    // The largest component that there is.
    cmd!(
        sh,
        "target/release/duress plugin build plugins/examples/plugins/hush"
    )
    .env("PATH", tools::path()?)
    .show()?;
    cmd!(sh, "target/release/duress-bench {parts...}")
        .envs(images::environment())
        .succeeds()
}
