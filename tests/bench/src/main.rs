//! What the design promises, measured: one row for each promise. `cargo xtask bench` runs it, in release; the names of parts
//! run these alone.

#![allow(clippy::print_stdout, reason = "its table is what it is for")]

mod component;
mod harness;
mod journal;
mod network;
mod plugins;
mod program;
mod reliability;
mod workload;

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use comfy_table::{Table, presets};

/// What can be measured alone, in the order in which all is: `plugins` last, for programs are started more slowly by a process that has
/// grown.
const PARTS: [&str; 7] = [
    "component",
    "journal",
    "network",
    "workload",
    "program",
    "reliability",
    "plugins",
];

/// A measurement and what was promised.
struct Row {
    what: &'static str,
    measured: String,
    promised: &'static str,
    kept: bool,
}

impl Row {
    /// A time that must stay below a limit.
    fn below(
        what: &'static str,
        measured: Duration,
        limit: Duration,
        promised: &'static str,
    ) -> Self {
        Self {
            what,
            measured: format!("{measured:.1?}"),
            promised,
            kept: measured < limit,
        }
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let parts: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(&part.as_str())) {
        bail!("unknown part `{unknown}`: there are {}", PARTS.join(", "));
    }
    let mut rows = Vec::new();
    for part in PARTS {
        if !parts.is_empty() && !parts.iter().any(|wanted| wanted == part) {
            continue;
        }
        rows.extend(match part {
            "component" => component::measure().await?,
            "journal" => vec![journal::measure().await?],
            "network" => network::measure().await?,
            "workload" => workload::measure().await?,
            "program" => program::measure()?,
            "reliability" => reliability::measure().await?,
            _ => plugins::measure().await?,
        });
    }

    let cores = std::thread::available_parallelism()?;
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_header(["MEASURED", "VALUE", "PROMISED", ""]);
    let mut kept = true;
    for row in rows {
        kept &= row.kept;
        let word = if row.kept { "ok" } else { "MISSED" };
        table.add_row([row.what, &row.measured, row.promised, word]);
    }
    println!("{cores} cores");
    println!("{table}");
    Ok(if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Returns the middle of some times.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

/// Returns the repository.
fn repository() -> &'static std::path::Path {
    std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}
