//! What a newcomer and CI run: `cargo xtask setup | demo | test | sim | fuzz | bench | lint`.
//!
//! Everything it makes lies in `target/duress`, beside the packages and images that it says it installs or builds.

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool of one crate prints where it works"
)]

mod components;
mod debian;
mod docs;
mod engine;
mod fuzz;
mod images;
mod leftovers;
mod lint;
mod netem;
mod packages;
mod sh;
mod sim;
mod storm;
mod test;
mod tools;
mod wasm_std;
mod workspace;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};

use sh::Sh;

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
        /// Only those that need a kernel with sch_netem, in a machine of their own that has one
        #[arg(long)]
        netem: bool,
        /// Instead, run campaigns and kill duress so many times, at random moments
        #[arg(long, value_name = "KILLS", conflicts_with = "netem")]
        storm: Option<u64>,
        /// The storm's moments again
        #[arg(long, requires = "storm")]
        seed: Option<u64>,
        /// Only the tests whose names hold one of these texts
        names: Vec<String>,
    },
    /// Run the host on a simulated machine that crashes, from many seeds
    Sim {
        /// How many; each crashes at one step
        #[arg(long, default_value_t = 2000)]
        seeds: u64,
        /// The first one
        #[arg(long, default_value_t = 1)]
        from: u64,
        /// How many of them crash at every step instead
        #[arg(long, default_value_t = 10)]
        every: u64,
    },
    /// Have libFuzzer look for inputs that the host does not withstand
    Fuzz {
        /// For how long, for each of the targets
        #[arg(long, default_value_t = 60)]
        seconds: u64,
    },
    /// Set up, then measure what the design promises
    Bench,
    /// Check the format and the lints
    Lint,
    /// Write docs/faults.md from what the components say of themselves, and docs/wit.md from wit/
    Docs,
}

fn main() -> ExitCode {
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
            setup()?;
            println!("Everything is there. Next: cargo xtask demo");
            Ok(true)
        }
        Verb::Demo => demo(),
        Verb::Test { netem: true, .. } => {
            setup()?;
            netem::run()
        }
        Verb::Test {
            storm: Some(kills),
            seed,
            ..
        } => {
            setup()?;
            Sh::new("cargo")
                .args(["build", "--package", "duress"])
                .run()?;
            storm::run(*kills, *seed)
        }
        Verb::Fuzz { seconds } => {
            setup()?;
            fuzz::run(*seconds)
        }
        Verb::Sim { seeds, from, every } => {
            setup()?;
            sim::run(*seeds, *from, *every)
        }
        Verb::Test { names, .. } => {
            setup()?;
            test::run(names)
        }
        Verb::Bench => {
            setup()?;
            let path = tools::path()?;
            Sh::new("cargo")
                .args(["build", "--release", "--package", "duress"])
                .args(["--package", "duress-bench"])
                .run()?;
            // The largest component that there is.
            Sh::new("target/release/duress")
                .args(["plugin", "build", "plugins/examples/plugins/hush"])
                .env("PATH", &path)
                .run()?;
            Sh::new("target/release/duress-bench")
                .envs(images::environment()?)
                .succeeds()
        }
        Verb::Lint => lint::run(),
        Verb::Docs => {
            setup()?;
            Sh::new("cargo")
                .args(["build", "--package", "duress"])
                .run()?;
            docs::write()?;
            Ok(true)
        }
    }
}

fn setup() -> Result<()> {
    packages::install().context("install the packages that are needed")?;
    engine::start().context("start the container engine")?;
    let sysroot =
        wasm_std::find_or_build().context("get Rust's standard library for WebAssembly")?;
    components::build(sysroot.as_deref()).context("build the components")?;
    images::build().context("get the images")
}

fn demo() -> Result<bool> {
    setup()?;
    Sh::new("cargo")
        .args(["build", "--package", "duress"])
        .run()?;
    let database = workspace::scratch()?.join("demo.db");
    let passed = Sh::new("target/debug/duress")
        .args(["run", "campaign", "campaigns/quickstart.yaml"])
        .envs(images::environment()?)
        .env("DURESS_DB", &database)
        .succeeds()?;
    println!();
    println!("To go on by hand:");
    println!("  set -a; . {}; set +a", images::ENVIRONMENT_FILE);
    println!(
        "  export DURESS_DB={} PATH=$PWD/target/debug:$PATH",
        workspace::SCRATCH.to_owned() + "/demo.db"
    );
    println!("  duress list");
    Ok(passed)
}
